"""The job queue's own tables, as the queue's library makes them."""

from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from backend.core.database import execute

ID = "2026-11-23T00:00:06:000006"
VERSION = "1.38.0"
DESCRIPTION = "The job queue"


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="fujing", description=DESCRIPTION)

    async def run() -> None:
        await execute(QueryBuilderEnvironment().build_install_query())

    manager.add_raw(run)
    return manager
