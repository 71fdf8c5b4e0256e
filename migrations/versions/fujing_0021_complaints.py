"""Complaints"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:21:000021"
VERSION = "1.38.0"
DESCRIPTION = "Complaints"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0021_complaints.sql", DESCRIPTION)
