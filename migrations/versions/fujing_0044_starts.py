"""When footage began"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:44:000044"
VERSION = "1.38.0"
DESCRIPTION = "When footage began"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0044_starts.sql", DESCRIPTION)
