"""What is sealed stays, a hold stands, and only a restore gives a file another version"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:60:000060"
VERSION = "1.38.0"
DESCRIPTION = "What is sealed stays, a hold stands, and only a restore gives a file another version"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0060_sealed_stays.sql", DESCRIPTION)
