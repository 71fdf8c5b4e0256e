"""Erasure of what is past its term"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-24T00:00:29:000029"
VERSION = "1.38.0"
DESCRIPTION = "Erasure of what is past its term"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0029_erasure.sql", DESCRIPTION)
