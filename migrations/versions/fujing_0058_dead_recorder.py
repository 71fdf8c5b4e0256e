"""A recorder that was dead from the start counts against nobody"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:58:000058"
VERSION = "1.38.0"
DESCRIPTION = "A recorder that was dead from the start counts against nobody"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0058_dead_recorder.sql", DESCRIPTION)
