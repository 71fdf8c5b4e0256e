"""Papers of matters and recusals"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:55:000055"
VERSION = "1.38.0"
DESCRIPTION = "Papers of matters and recusals"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0055_papers.sql", DESCRIPTION)
