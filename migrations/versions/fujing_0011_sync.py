"""What waits, what devices number, rulings."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:11:000011"
VERSION = "1.38.0"
DESCRIPTION = "Sync: what waits, what devices number, rulings"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0011_sync.sql", DESCRIPTION)
