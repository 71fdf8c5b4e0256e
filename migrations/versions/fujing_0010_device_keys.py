"""Device keys, enrolment codes, and the proofs that were seen"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from migrations.script import migration

ID = "2026-11-23T00:00:10:000010"
VERSION = "1.38.0"
DESCRIPTION = "Device keys, enrolment codes, and the proofs that were seen"


async def forwards() -> MigrationManager:
    return migration(ID, "fujing_0010_device_keys.sql", DESCRIPTION)
