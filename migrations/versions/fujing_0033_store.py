"""What the store holds of an unfinished upload, and versions whose bytes were not those declared"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:33:000033"
VERSION = "1.38.0"
DESCRIPTION = "What the store holds of an unfinished upload, and versions whose bytes were not those declared"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0033_store.sql", DESCRIPTION)
