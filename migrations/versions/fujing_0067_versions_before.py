"""What an upload cannot have been joined into"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:67:000067"
VERSION = "1.38.0"
DESCRIPTION = "What an upload cannot have been joined into"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0067_versions_before.sql", DESCRIPTION)
