"""A person has a history of stints"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:35:000037"
VERSION = "1.38.0"
DESCRIPTION = "A person has a history of stints"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0037_stints.sql", DESCRIPTION)
