"""Key content of footage."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:09:000009"
VERSION = "1.38.0"
DESCRIPTION = "Key content of footage"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0009_descriptions.sql", DESCRIPTION)
