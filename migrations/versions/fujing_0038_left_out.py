"""What is left out of an entry is kept"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:38:000038"
VERSION = "1.38.0"
DESCRIPTION = "What is left out of an entry is kept"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0038_left_out.sql", DESCRIPTION)
