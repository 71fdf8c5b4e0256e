"""Docking stations, and where a recording's start was taken from"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:08:000008"
VERSION = "1.38.0"
DESCRIPTION = "Docking stations, and where a recording's start was taken from"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0008_docks.sql", DESCRIPTION)
