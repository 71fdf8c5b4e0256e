"""Things handed out, the daily roster, and which shift answers which planned one"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:39:000039"
VERSION = "1.38.0"
DESCRIPTION = "Things handed out, the daily roster, and which shift answers which planned one"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0039_things.sql", DESCRIPTION)
