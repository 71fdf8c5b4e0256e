"""A case of injury has a running number"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:42:000042"
VERSION = "1.38.0"
DESCRIPTION = "A case of injury has a running number"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0042_case_numbers.sql", DESCRIPTION)
