"""The bucket of a house is known by a locked object, and what was found of the store is kept"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:68:000068"
VERSION = "1.38.0"
DESCRIPTION = "The bucket of a house is known by a locked object, and what was found of the store is kept"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0068_known_store.sql", DESCRIPTION)
