"""Devices that a person signed in on before"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:18:000018"
VERSION = "1.38.0"
DESCRIPTION = "Devices that a person signed in on before"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0018_familiar_devices.sql", DESCRIPTION)
