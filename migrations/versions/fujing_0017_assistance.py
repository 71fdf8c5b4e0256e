"""Assistance"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:17:000017"
VERSION = "1.38.0"
DESCRIPTION = "Assistance"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0017_assistance.sql", DESCRIPTION)
