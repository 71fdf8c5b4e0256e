"""The box around a place, in less time"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:49:000049"
VERSION = "1.38.0"
DESCRIPTION = "The box around a place, in less time"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0049_place_box.sql", DESCRIPTION)
