"""Nothing tells of a matter to whom it is about"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:62:000062"
VERSION = "1.38.0"
DESCRIPTION = "Nothing tells of a matter to whom it is about"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0062_no_trace.sql", DESCRIPTION)
