"""Nothing tells that a complaint or a matter exists, to whom it is about"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:63:000063"
VERSION = "1.38.0"
DESCRIPTION = "Nothing tells that a complaint or a matter exists, to whom it is about"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0063_kept_secret.sql", DESCRIPTION)
