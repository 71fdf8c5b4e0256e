"""Footage proves the stretches that were filmed"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:43:000043"
VERSION = "1.38.0"
DESCRIPTION = "Footage proves the stretches that were filmed"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0043_film.sql", DESCRIPTION)
