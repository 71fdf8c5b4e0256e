"""Leading proved by a signature"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:14:000014"
VERSION = "1.38.0"
DESCRIPTION = "Leading proved by a signature"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0014_leading_proved.sql", DESCRIPTION)
