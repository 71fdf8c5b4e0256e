"""What keeps footage for ever is the law's: another law's own facts are held as well, each by the law of its moment."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from backend.core.database import execute, fetch, tx, value
from backend.evidence.retention import category_holds
from backend.evidence.retention.category_holds import ASKED_BY_ALL, arguments, rules
from backend.law.catalogue import use
from migrations.piccolo_app import APP_CONFIG
from tests.api.test_injuries import reports
from tests.api.test_kept import an_act, categories, film
from tests.builders import a_duty_auxiliary, a_led_patrol, ago, an_officer, now, recorded

Puts = Callable[[str], None]
SAID = 'zh = "本省通知要求永久保存"\nen = "Kept by a circular of this province"\nsource = "its own circular"\n'
ALL_ARTICLES = "".join(f"{number} = '{number}'\n" for number in range(1, 44))


def rule(fact: str, values: str, **fields: str) -> str:
    """A rule of [keeps] whose category is the fact."""
    more = "".join(f'{name} = "{told}"\n' for name, told in fields.items())
    return f'[keeps.{fact}]\n{SAID}fact = "{fact}"\nvalues = {values}\ncategory = "{fact}"\n{more}'


@pytest.fixture
def in_force(tmp_path: Path) -> Iterator[Puts]:
    """Puts a regulation.toml into force, on top of the built-in law, until the end of the test."""

    def put(regulation: str) -> None:
        (tmp_path / "regulation.toml").write_text(regulation, encoding="utf-8")
        use(tmp_path)

    yield put
    use(None)


# -- the built-in law


def the_view_before() -> str:
    """The view of migration 0045, in which the facts stood in SQL."""
    text = (Path(APP_CONFIG.migrations_folder_path) / "fujing_0045_kept.sql").read_text(encoding="utf-8")
    found = re.search(r"CREATE VIEW ground AS\n(.*?);", text, re.DOTALL)
    assert found is not None
    return found[1]


SAME = "category, about, ground, number, organ, by_person, person, upload"
BEFORE = f"""
SELECT {SAME}, lower(during) - CASE WHEN around THEN interval '2 hours' ELSE '0' END AS started_at,
    upper(during) + CASE WHEN around THEN interval '2 hours' ELSE '0' END AS ended_at FROM ({the_view_before()}) g
"""  # noqa: S608
AFTER = f"SELECT {SAME}, started_at, ended_at FROM ({ASKED_BY_ALL}) g"  # noqa: S608
KINDS = f"SELECT category, count(*) FROM ({BEFORE}) g WHERE by_person = $1 GROUP BY 1"  # noqa: S608
ANY_OF = "(ARRAY[{}])[1 + floor(random() * {})::integer]"


def any_of(*values: str) -> str:
    """SQL: one of these, by chance; an empty one is null."""
    return ANY_OF.format(", ".join(f"nullif('{each}', '')" for each in values), len(values))


ACTS = f"""
INSERT INTO activity (id, person, organ, work, case_kind, emergency, started_at, ended_at, finished, spans,
    needs_leading, needs_recording, legality, notice_owed, notice_given, needs_insurance, equipment)
SELECT gen_random_uuid(), $1, p.organ, '9.3', {any_of("none", "criminal")}, false, s.at, e.at, s.done,
    tstzmultirange(tstzrange(s.at, e.at, '[]')), false, false, false, false, false, false, '{{}}'
FROM person_now p, (SELECT now() - random() * interval '900 days' AS at, random() < 0.7 AS done,
    random() * interval '3 hours' AS took FROM generate_series(1, 60)) s,
    LATERAL (SELECT CASE WHEN s.done THEN s.at + s.took END AS at) e WHERE p.id = $1
"""  # noqa: S608
TELLINGS = f"""
INSERT INTO activity_telling (id, activity, verb, at, live, started_at, work, needs_leading, needs_recording, legality,
    notice_owed, needs_insurance, equipment, case_kind, case_ref, notice_given, why)
SELECT CASE WHEN n = 1 THEN a.id ELSE gen_random_uuid() END, a.id, CASE WHEN n = 1 THEN 'start' ELSE 'amend' END, now(),
    false, a.started_at, {any_of("9.3", "10.4")}, false, false, false, false, false, '{{}}',
    {any_of("none", "none", "administrative", "criminal")}, {any_of("", "A 1", "a1", "B2")}, false, '-'
FROM activity a CROSS JOIN generate_series(1, 3) n WHERE a.person = $1
"""  # noqa: S608
CALLS = f"""
INSERT INTO assistance (id, person, organ, kind, called_at, asked_in)
SELECT gen_random_uuid(), $1, p.organ, {any_of("violence", "injury", "pursuit", "crowd", "medical", "other")},
    now() - random() * interval '900 days', p.organ FROM person_now p, generate_series(1, 60) n WHERE p.id = $1
"""  # noqa: S608
STEPS = f"""
INSERT INTO assistance_step (id, call, step, by_person, at, words)
SELECT gen_random_uuid(), c.id, s.step, $2, c.called_at + random() * interval '1 hour',
    CASE WHEN s.step = 'close' THEN '-' END
FROM assistance c, LATERAL (SELECT {any_of("acknowledge", "arrive", "close")} AS step, c.id) s WHERE c.person = $1
"""  # noqa: S608
MATTERS = f"""
INSERT INTO matter (id, person, organ, kind, of_relative, words, raised_at, answer_by)
SELECT gen_random_uuid(), $1, p.organ, {any_of("suggestion", "appeal", "harassment")}, false, '-',
    now() - random() * interval '900 days', now() FROM person_now p, generate_series(1, 30) n WHERE p.id = $1
"""  # noqa: S608
LINKS = """
INSERT INTO matter_recording (matter, recording) SELECT m.id, r.id FROM matter m, recording r
WHERE m.person = $1 AND r.wearer = $1 AND random() < 0.5
"""
DESCRIPTIONS = f"""
INSERT INTO recording_description (id, recording, by_person, at, category)
SELECT gen_random_uuid(), r.id, $1, now() - random() * interval '900 days',
    {any_of("", "case_evidence", "obstruction", "major_incident", "other_major")}
FROM recording r, generate_series(1, 10) n WHERE r.wearer = $1
"""  # noqa: S608


class NotKept(Exception):
    """Takes back what a test wrote."""


async def test_the_built_in_law_keeps_exactly_what_the_view_before_kept(app: Litestar) -> None:
    """Over facts by chance of each kind, and whatever other tests left: not one more, not one less, none otherwise."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    for number in range(4):
        hours = 10 + 3 * number
        recorded(
            await lin.declare(started_at=ago(hours=hours), ended_at=ago(hours=hours - 1), key_mark=number % 2 == 0)
        )
    with suppress(NotKept):
        async with tx():
            await execute("SELECT setseed(0.65)")
            for statement in (ACTS, TELLINGS, CALLS, MATTERS, LINKS, DESCRIPTIONS):
                await execute(statement, lin.id)
            await execute(STEPS, lin.id, zhao.id)
            before = Counter(tuple(row.values()) for row in await fetch(BEFORE))
            after = Counter(tuple(row.values()) for row in await fetch(AFTER, *arguments(rules())))
            kinds = await fetch(KINDS, lin.id)
            raise NotKept
    assert (Counter(), Counter()) == (before - after, after - before)
    assert {"case_evidence", "violence", "harassment", "key_mark", "major_incident"} <= {
        row["category"] for row in kinds
    }
    assert min(row["count"] for row in kinds) > 1


# -- another law


async def test_a_law_keeps_footage_for_facts_of_its_own(app: Litestar, in_force: Puts) -> None:
    """Pursuits, a work, belts, severe injuries, appeals: none of these keeps anything by the built-in law."""
    in_force(
        rule("call", '["pursuit"]', around="kept_around") + rule("work", '["9.3"]') + rule("matter", '["appeal"]')
        + rule("restraint", '["restraint_belt"]') + rule("injury", '["critical"]', around="kept_around")
    )  # fmt: skip
    lin, zhao, _, _ = await a_led_patrol(app, hours=12)
    films = {hours: await film(app, lin, hours) for hours in (10.95, 7.95, 5.95, 2.95, 0.5)}
    of_the_officer = await film(app, zhao, 10.95)
    none = {"case_kind": "none", "case_ref": None}
    recorded(await lin.finishes(recorded(await lin.starts("9.3", at=ago(hours=11), **none))["id"], at=ago(hours=10.5)))
    belt = {"id": uuid4(), "means": "restraint_belt", "watcher": lin.id, "ordered_by": zhao.id}
    bound = {"restraints": [belt | {"started_at": ago(hours=8), "ended_at": ago(hours=7.8)}], **none}
    recorded(await lin.finishes(recorded(await lin.starts("10.5", at=ago(hours=8), **bound))["id"], at=ago(hours=7.5)))
    await reports(lin, injured_at=ago(hours=5), severity="critical")
    recorded(await lin.post("/v1/assistance/call", kind="pursuit", at=ago(minutes=20)))
    await an_act(lin, 3)
    kept = {hours: await categories(upload) for hours, upload in films.items()}
    assert {10.95: ["work"], 7.95: ["restraint"], 5.95: ["injury"], 2.95: [], 0.5: ["call"]} == kept
    assert ["work"] == await categories(of_the_officer)
    (reason,) = {
        row["reason"]
        for row in await fetch("SELECT reason FROM hold WHERE person = $1 AND origin = 'category'", lin.id)
    }
    assert "本省通知要求永久保存" == reason
    matter = recorded(await lin.post("/v1/matters/raise", kind="appeal", words="申诉", recordings=[films[2.95]]))["id"]
    assert ["matter"] == await categories(films[2.95])
    use(None)
    await category_holds.judge_all(now())
    assert ["case_evidence", "matter"] == await categories(films[2.95]), (
        "what stands needs two people, whatever the law says later"
    )
    assert 2 == await value("SELECT count(*) FROM hold WHERE about = $1 AND origin = 'category'", UUID(matter))


async def test_a_fact_is_judged_by_the_law_of_its_moment(app: Litestar, in_force: Puts) -> None:
    """An edition keeps crowds from yesterday on, and violence no more."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    since = datetime.now(UTC) + timedelta(hours=8) - timedelta(days=1)
    in_force(
        f"[regulation]\nzh = '修订后的条例'\nen = 'As revised'\nin_force_from = {since:%Y-%m-%d}\nsource = 'R.43'\n"
        f"follows_built_in = true\n[articles]\n{ALL_ARTICLES}" + rule("call", '["crowd"]')
    )
    facts: dict[tuple[str, int], Any] = {}
    for kind in ("crowd", "violence"):
        for hours in (60, 1):
            call = recorded(await lin.post("/v1/assistance/call", kind=kind, at=ago(hours=hours)))["id"]
            facts[kind, hours] = UUID(call)
    await category_holds.judge_moved(now())
    held = {
        row["about"]: row["category"]
        for row in await fetch("SELECT about, category FROM hold WHERE person = $1", lin.id)
    }
    assert {("crowd", 60): None, ("crowd", 1): "call", ("violence", 60): "violence", ("violence", 1): None} == {
        fact: held.get(about) for fact, about in facts.items()
    }
    assert zhao.id not in held
