"""What no browser plays is watched as a view copy"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:47:000047"
VERSION = "1.38.0"
DESCRIPTION = "What no browser plays is watched as a view copy"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0047_watchable.sql", DESCRIPTION)
