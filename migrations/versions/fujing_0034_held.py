"""What is held obeys the rule of its verb"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:34:000034"
VERSION = "1.38.0"
DESCRIPTION = "What is held obeys the rule of its verb"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0034_held.sql", DESCRIPTION)
