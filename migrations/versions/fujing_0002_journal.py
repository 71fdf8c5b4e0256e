"""The journal, entries with their erasable content, findings"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:02:000002"
VERSION = "1.38.0"
DESCRIPTION = "The journal, entries with their erasable content, findings"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0002_journal.sql", DESCRIPTION)
