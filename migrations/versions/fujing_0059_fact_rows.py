"""Facts stand in the journal as digests, and each change is tied to a line"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:59:000059"
VERSION = "1.38.0"
DESCRIPTION = "Facts stand in the journal as digests, and each change is tied to a line"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0059_fact_rows.sql", DESCRIPTION)
