"""Categories of footage are data"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:56:000056"
VERSION = "1.38.0"
DESCRIPTION = "Categories of footage are data"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0056_categories.sql", DESCRIPTION)
