"""Shifts and check-outs"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:03:000003"
VERSION = "1.38.0"
DESCRIPTION = "Shifts and check-outs"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0003_shifts.sql", DESCRIPTION)
