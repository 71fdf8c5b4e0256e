"""Lists by period, case and work"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:41:000041"
VERSION = "1.38.0"
DESCRIPTION = "Lists by period, case and work"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0041_lists.sql", DESCRIPTION)
