"""A session knows when its person gave a second factor"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:34:000035"
VERSION = "1.38.0"
DESCRIPTION = "A session knows when its person gave a second factor"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0035_second_factor.sql", DESCRIPTION)
