"""Letters that came with a complaint"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:46:000046"
VERSION = "1.38.0"
DESCRIPTION = "Letters that came with a complaint"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0046_documents.sql", DESCRIPTION)
