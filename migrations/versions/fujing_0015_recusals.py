"""Recusals"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:15:000015"
VERSION = "1.38.0"
DESCRIPTION = "Recusals"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0015_recusals.sql", DESCRIPTION)
