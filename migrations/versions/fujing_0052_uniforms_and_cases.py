"""Police cases of harassment, and uniforms off duty"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-30T00:00:52:000052"
VERSION = "1.38.0"
DESCRIPTION = "Police cases of harassment, and uniforms off duty"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0052_uniforms_and_cases.sql", DESCRIPTION)
