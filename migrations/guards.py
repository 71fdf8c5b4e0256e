"""What guards the facts in the database: whether it is as this program made it, or the owner took it away.

Guarantees: functions are compared with their text in `versions` and `current`, the last of each. Whether a guard was
away for a while is not seen here; what was changed meanwhile is found by its digest.
"""

import re
from collections.abc import Iterator

from backend.core.database import fetch
from backend.proof.fact_rows import TABLES
from migrations.apply import CURRENT, VERSIONS

FUNCTION = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION (\w+)\(([^)]*)\)[^$;']* AS \$\$(.*?)\$\$", re.DOTALL)
GUARDING = (
    "fact_digest", "version_1", "spelled_out", "note_fact", "take_rows", "tie_fact", "upload_stands", "hold_stands",
    "owner_writes", "heal_stands", "journal_stands", "checkpoint_stands", "stays_as_written",
    "store_marker_stands",
)  # fmt: skip
OF_A_FACT = ("fact_made", "fact_changed", "fact_made_is_told", "fact_changed_is_told")
TRIGGERS = {
    **dict.fromkeys(TABLES, OF_A_FACT),
    "upload": (*OF_A_FACT, "upload_is_declared", "upload_stands"),
    "hold": (*OF_A_FACT, "hold_stands"),
    "film_start": (*OF_A_FACT, "film_start_stays"),
    "film_timecode": (*OF_A_FACT, "film_timecode_stays"),
    "film": (*OF_A_FACT, "film_stays"),
    "store_marker": (*OF_A_FACT, "store_marker_stands", "store_marker_no_change", "store_marker_no_truncate"),
    "journal": ("journal_no_change", "journal_no_truncate", "owner_writes", "heal_stands"),
    "checkpoint": ("checkpoint_no_change", "checkpoint_no_truncate"),
    "fact_baseline": ("fact_baseline_no_change", "fact_baseline_no_truncate"),
}
FUNCTIONS_THERE = """
SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name, p.prosrc FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY ($1)
"""
TRIGGERS_THERE = """
SELECT c.relname || '.' || t.tgname AS name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
"""
KEYS_THERE = """
SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = 'public'::regnamespace AND i.indisprimary AND i.indisvalid
"""


async def missing() -> list[str]:
    """Names of functions, triggers and primary keys that are away, disabled or altered."""
    functions = {row["name"]: row["prosrc"] for row in await fetch(FUNCTIONS_THERE, GUARDING)}
    triggers = {row["name"] for row in await fetch(TRIGGERS_THERE)}
    keys = {row["name"] for row in await fetch(KEYS_THERE)}
    return [
        *(name for name, text in _functions().items() if functions.get(name) != text),
        *(name for name in _triggers() if name not in triggers),
        *(f"{table}_pkey" for table in TRIGGERS if table not in keys),
    ]


def _triggers() -> Iterator[str]:
    for table, names in TRIGGERS.items():
        for name in names:
            yield f"{table}.{name}"


def _functions() -> dict[str, str]:
    """The text of each guarding function, by its name and arguments."""
    found = {}
    for script in (*sorted(VERSIONS.glob("*.sql")), *sorted(CURRENT.glob("*.sql"))):
        for name, arguments, text in FUNCTION.findall(script.read_text(encoding="utf-8")):
            if name in GUARDING:
                found[f"{name}({arguments})"] = text
    return found
