"""Disposal: what is past its term and held by nothing"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-24T00:00:27:000027"
VERSION = "1.38.0"
DESCRIPTION = "Disposal: what is past its term and held by nothing"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0027_disposal.sql", DESCRIPTION)
