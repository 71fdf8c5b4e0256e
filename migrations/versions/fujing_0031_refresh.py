"""Findings are found anew without planning each time"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-28T00:00:31:000031"
VERSION = "1.38.0"
DESCRIPTION = "Findings are found anew without planning each time"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0031_refresh.sql", DESCRIPTION)
