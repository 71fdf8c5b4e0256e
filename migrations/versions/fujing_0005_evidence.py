"""Uploads, recordings, documents"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:05:000005"
VERSION = "1.38.0"
DESCRIPTION = "Uploads, recordings, documents"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0005_evidence.sql", DESCRIPTION)
