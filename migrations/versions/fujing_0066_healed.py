"""A sealed file that cannot be read is put back, and asked for"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:66:000066"
VERSION = "1.38.0"
DESCRIPTION = "A sealed file that cannot be read is put back, and asked for"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0066_healed.sql", DESCRIPTION)
