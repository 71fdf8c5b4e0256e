"""Naming and leading"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:04:000004"
VERSION = "1.38.0"
DESCRIPTION = "Naming and leading"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0004_supervision.sql", DESCRIPTION)
