"""Who and what was there when a work was done"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:50:000050"
VERSION = "1.38.0"
DESCRIPTION = "Who and what was there when a work was done"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0050_circumstances.sql", DESCRIPTION)
