"""Lists by work and place"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:48:000048"
VERSION = "1.38.0"
DESCRIPTION = "Lists by work and place"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0048_found_by_acts.sql", DESCRIPTION)
