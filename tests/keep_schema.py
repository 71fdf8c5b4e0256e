"""`python -m tests.keep_schema`: keep the schema as it is released, with the rows that every verb leaves.

Writes tests/data/schemas/NUMBER.sql.gz, where NUMBER is the newest migration's. tests/faults/test_upgrade.py brings all
of them up to date. Run it once for every release that brought a migration.
"""

import asyncio
import gzip
import tempfile
from pathlib import Path

from backend.core import settings
from backend.core.settings import Settings
from backend.people import roster
from mobile_api.app import build
from mobile_api.cli import serving
from tests.builders import ORGANS, organ_row
from tests.databases import dumped
from tests.every_verb import answers

ROOT = Path(__file__).parents[1]


async def live(chosen: Settings) -> None:
    await serving.prepare(chosen)
    app = build(chosen)
    async with app.lifespan():
        await roster.bring_in([organ_row(*organ) for organ in ORGANS])
        await answers(app)


def main() -> None:
    number = max(path.name.split("_")[1] for path in (ROOT / "migrations" / "versions").glob("fujing_*.sql"))
    with tempfile.TemporaryDirectory(prefix="keep-") as home:
        chosen = settings.load({"FUJING_DATA_DIR": home})
        with serving.services(chosen) as full:
            asyncio.run(live(full))
            sql = dumped(str(full.migrate_url))
    path = ROOT / "tests" / "data" / "schemas" / f"{number}.sql.gz"
    path.write_bytes(gzip.compress(sql, 9, mtime=0))
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
