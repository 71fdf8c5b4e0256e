"""What enters the journal without a fact is counted"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:34:000036"
VERSION = "1.38.0"
DESCRIPTION = "What enters the journal without a fact is counted"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0036_limits.sql", DESCRIPTION)
