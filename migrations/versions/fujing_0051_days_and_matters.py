"""Days are days; recusal outside a case; kinds of complaints"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:51:000051"
VERSION = "1.38.0"
DESCRIPTION = "Days are days; recusal outside a case; kinds of complaints"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0051_days_and_matters.sql", DESCRIPTION)
