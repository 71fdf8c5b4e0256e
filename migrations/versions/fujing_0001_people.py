"""Organs, persons, roles, qualifications, devices, sessions"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:01:000001"
VERSION = "1.38.0"
DESCRIPTION = "Organs, persons, roles, qualifications, devices, sessions"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0001_people.sql", DESCRIPTION)
