"""Turns an SQL script into a Piccolo migration, because only SQL can express PostgreSQL's constraints and triggers."""

from pathlib import Path

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from backend.core.database import execute

VERSIONS = Path(__file__).parent / "versions"


def migration(migration_id: str, script: str, description: str) -> MigrationManager:
    """A migration that runs `versions/script` in the current transaction."""
    manager = MigrationManager(migration_id=migration_id, app_name="fujing", description=description)

    async def run() -> None:
        await execute((VERSIONS / script).read_text(encoding="utf-8"))

    manager.add_raw(run)
    return manager
