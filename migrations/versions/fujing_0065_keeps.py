"""Which facts keep footage for ever is data"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:65:000065"
VERSION = "1.38.0"
DESCRIPTION = "Which facts keep footage for ever is data"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0065_keeps.sql", DESCRIPTION)
