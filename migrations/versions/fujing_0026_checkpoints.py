"""Checkpoints over the journal"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-24T00:00:26:000026"
VERSION = "1.38.0"
DESCRIPTION = "Checkpoints over the journal"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0026_checkpoints.sql", DESCRIPTION)
