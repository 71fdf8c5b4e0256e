"""Rosters"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:23:000023"
VERSION = "1.38.0"
DESCRIPTION = "Rosters"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0023_rosters.sql", DESCRIPTION)
