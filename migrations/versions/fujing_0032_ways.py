"""Each way to a list has its index; what no longer holds is found by its subject"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-28T00:00:32:000032"
VERSION = "1.38.0"
DESCRIPTION = "Each way to a list has its index; what no longer holds is found by its subject"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0032_ways.sql", DESCRIPTION)
