"""A first password is to be changed at the first sign-in"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:40:000040"
VERSION = "1.38.0"
DESCRIPTION = "A first password is to be changed at the first sign-in"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0040_first_passwords.sql", DESCRIPTION)
