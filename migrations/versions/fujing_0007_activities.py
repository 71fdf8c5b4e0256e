"""Activities, what was told of them, and whether all of it was led and recorded."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:07:000007"
VERSION = "1.38.0"
DESCRIPTION = "Activities and gaps"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0007_activities.sql", DESCRIPTION)
