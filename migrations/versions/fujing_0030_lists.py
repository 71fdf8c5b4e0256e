"""Lists by index"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-28T00:00:30:000030"
VERSION = "1.38.0"
DESCRIPTION = "Lists by index"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0030_lists.sql", DESCRIPTION)
