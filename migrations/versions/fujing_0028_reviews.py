"""Reviews of footage, restrictions, spot checks, replies to findings"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-24T00:00:28:000028"
VERSION = "1.38.0"
DESCRIPTION = "Reviews of footage, restrictions, spot checks, replies to findings"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0028_reviews.sql", DESCRIPTION)
