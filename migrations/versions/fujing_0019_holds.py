"""Holds"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:19:000019"
VERSION = "1.38.0"
DESCRIPTION = "Holds"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0019_holds.sql", DESCRIPTION)
