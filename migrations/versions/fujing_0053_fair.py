"""Heard before judged, findings decided, ordered and not chosen"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:53:000053"
VERSION = "1.38.0"
DESCRIPTION = "Heard before judged, findings decided, ordered and not chosen"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0053_fair.sql", DESCRIPTION)
