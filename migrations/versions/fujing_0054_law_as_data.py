"""Kinds of person and insurances are data"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:54:000054"
VERSION = "1.38.0"
DESCRIPTION = "Kinds of person and insurances are data"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0054_law_as_data.sql", DESCRIPTION)
