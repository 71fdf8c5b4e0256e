"""Injuries"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:20:000020"
VERSION = "1.38.0"
DESCRIPTION = "Injuries"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0020_injuries.sql", DESCRIPTION)
