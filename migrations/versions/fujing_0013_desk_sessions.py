"""Desk sessions and second factors."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:13:000013"
VERSION = "1.38.0"
DESCRIPTION = "Desk sessions and second factors"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0013_desk_sessions.sql", DESCRIPTION)
