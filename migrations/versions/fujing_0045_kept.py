"""What is kept by its category"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:45:000045"
VERSION = "1.38.0"
DESCRIPTION = "What is kept by its category"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0045_kept.sql", DESCRIPTION)
