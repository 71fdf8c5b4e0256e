"""Hours"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:22:000022"
VERSION = "1.38.0"
DESCRIPTION = "Hours"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0022_hours.sql", DESCRIPTION)
