"""Erasure: what the law wants erased goes when its term ends; what is still needed and the journal stay."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar

from backend import erasing
from backend.core.database import execute, fetch, first, tx, value
from backend.erasing import CATALOGUE, ERASED, Erasure
from tests.api.test_holds import place_hold
from tests.builders import (
    DISTRICT,
    PLACE,
    STATION,
    Someone,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    an_officer,
    now,
    recorded,
)
from tests.every_verb import of_a_revoked_device

PAGE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")
COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns c JOIN information_schema.tables t
    USING (table_schema, table_name)
WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE 'pgqueuer%' ORDER BY 1, 2
"""
ROW = re.compile(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.M)
LATER = timedelta(days=5000)


class Undone(Exception):
    """Raised to roll back the block."""


@asynccontextmanager
async def undone() -> AsyncIterator[None]:
    """A transaction that is rolled back, so that the other tests find the database unchanged."""
    try:
        async with tx():
            yield
            raise Undone
    except Undone:
        pass


def described() -> dict[tuple[str, str], tuple[str, ...]]:
    """Every column of the page, with its purpose, article, readers and term."""
    return {
        (table, column): tuple(cell.strip() for cell in cells)
        for table, columns, *cells in ROW.findall(PAGE)
        for column in re.findall(r"\w+", columns)
    }


async def test_every_column_is_on_the_page(app: Litestar) -> None:
    """Nobody decided to keep a column that is not described."""
    there = {(row["table_name"], row["column_name"]) for row in await fetch(COLUMNS)}
    on_page = described()
    assert (set(), set()) == (there - set(on_page), set(on_page) - there)
    assert len(on_page) == sum(len(re.findall(r"`\w+`", columns)) for _, columns, *_ in ROW.findall(PAGE)), (
        "described twice"
    )
    assert all(cell for cells in on_page.values() for cell in cells)


async def test_the_page_and_the_catalogue_name_the_same_columns(app: Litestar) -> None:
    """Every column that the page says is erased after a term is in the catalogue with that term, and no other."""
    erased: dict[tuple[str, str], set[str]] = {}
    for rule in CATALOGUE:
        for column in rule.columns:
            erased.setdefault((rule.table, column), set()).add(rule.term)
    terms = {where: set(re.findall(r"`(erase_\w+)`", cells[3])) for where, cells in described().items()}
    on_page = {where: named for where, named in terms.items() if named}
    assert erased == on_page


@pytest.mark.parametrize("rule", CATALOGUE, ids=lambda rule: f"{rule.table} {','.join(rule.columns)}")
async def test_every_rule_runs_and_leaves_nothing_due(app: Litestar, rule: Erasure, monkeypatch: Any) -> None:
    """Years later, on the rows of all other tests: no constraint is broken, and a second run erases nothing."""
    monkeypatch.setattr(erasing, "CATALOGUE", (rule,))
    async with undone():
        at = now() + LATER
        due = await erasing.due(at)
        assert due == await erasing.erase(at)
        assert {} == await erasing.erase(at)


async def test_words_and_places_go_and_ids_codes_and_times_stay(app: Litestar) -> None:
    """The journal lists the rows, and its older lines are unchanged."""
    lin, _, _, _ = await a_led_patrol(app)
    start = recorded(
        await lin.starts("10.1", at=ago(minutes=1), place=PLACE, notes="南门外有人聚集", despite={"why": "x"})
    )
    act = UUID(start["id"])
    before = await first("SELECT entry FROM journal WHERE entry_id = $1 AND outcome = 'recorded'", act)
    async with undone():
        await erasing.erase(now() + LATER)
        row: Any = await first("SELECT * FROM activity_telling WHERE id = $1", act)
        assert (None, None, "10.1") == (row["place"], row["notes"], row["work"])
        entry: Any = await first("SELECT * FROM entry WHERE id = $1", act)
        assert (None, None, None) == (entry["salt"], entry["content"], entry["despite"])
        assert before == await first("SELECT entry FROM journal WHERE entry_id = $1 AND outcome = 'recorded'", act)
        line = await first("SELECT * FROM journal WHERE verb = 'erasure/erase' AND $1 = ANY (subjects)", act)
        assert b'"columns":["' in line["entry"]
        assert "南门".encode() not in line["entry"]
    assert "南门外有人聚集" == await value("SELECT notes FROM activity_telling WHERE id = $1", act)


async def test_nothing_goes_before_its_term(app: Litestar) -> None:
    lin, _, shift, _ = await a_led_patrol(app)
    async with undone():
        await erasing.erase(now() + timedelta(days=365))
        assert await value("SELECT count(*) FROM entry WHERE id = $1 AND salt IS NOT NULL", UUID(shift))
    assert lin


async def test_what_a_hold_is_about_stays(app: Litestar) -> None:
    """Until the hold is released, because the words may still be needed."""
    lin, _, _, _ = await a_led_patrol(app)
    wu = await an_inspector_of(app, DISTRICT)
    act = UUID(
        recorded(await lin.starts("10.1", at=ago(minutes=1), place=PLACE, notes="x", despite={"why": "y"}))["id"]
    )
    await place_hold(wu, person=lin.id, started_at=ago(hours=1), ended_at=now())
    async with undone():
        await erasing.erase(now() + LATER)
        assert "x" == await value("SELECT notes FROM activity_telling WHERE id = $1", act)


async def a_complaint(app: Litestar, zhao: Someone) -> UUID:
    lin = await a_duty_auxiliary(app)
    complaint = {"channel": "phone", "words": "推搡", "complainant": "王某", "contact": "138", "person": lin.id}
    return UUID(recorded(await zhao.post("/v1/complaints/receive", **complaint, started_at=ago(hours=2)))["id"])


async def test_an_open_complaint_keeps_its_complainant_and_an_ended_one_does_not(app: Litestar) -> None:
    zhao, wu = await an_officer(app), await an_inspector_of(app, DISTRICT)
    goes_on, ended = await a_complaint(app, zhao), await a_complaint(app, zhao)
    step = {"complaint": ended, "words": "不属实"}
    recorded(await wu.post("/v1/complaints/conclude", version=1, outcome="unfounded", **step))
    recorded(await wu.post("/v1/complaints/feed-back", version=2, how="telephone", **step))
    async with undone():
        await erasing.erase(now() + LATER)
        sql = "SELECT complainant, contact, words FROM complaint WHERE id = $1"
        assert ("王某", "138", "推搡") == tuple(await first(sql, goes_on) or ())
        assert (ERASED, None, ERASED) == tuple(await first(sql, ended) or ())
        assert await value("SELECT salt IS NOT NULL FROM entry WHERE id = $1", goes_on)
        assert await value("SELECT salt IS NULL FROM entry WHERE id = $1", ended)


async def test_harassment_keeps_its_words_while_its_police_case_goes_on(app: Litestar) -> None:
    """Answered long ago, and the case is not over: what was decided is needed still."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    matter = recorded(await lin.post("/v1/matters/raise", kind="harassment", words="被尾随辱骂"))["id"]
    recorded(await wu.post("/v1/matters/answer", matter=matter, words="已立案"))
    words = "SELECT words FROM matter WHERE id = $1 UNION ALL SELECT words FROM matter_case WHERE matter = $1"
    for state, kept in (("accepted", True), ("punished", False)):
        case = {"matter": matter, "case_ref": "受案〔2026〕8号", "state": state, "words": "行政拘留五日"}
        recorded(await wu.post("/v1/matters/tell-case", **case))
        async with undone():
            await erasing.erase(now() + LATER)
            left = {row["words"] for row in await fetch(words, UUID(matter))}
            assert ({"被尾随辱骂", "行政拘留五日"} if kept else {ERASED}) == left


async def test_an_erased_entry_sent_again_is_known_by_its_id(app: Litestar) -> None:
    """A phone sends an entry again after years: it is not recorded twice."""
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(duty_type="patrol", dress="uniform", id_card_carried=True, roster_post="南门")
    recorded(await lin.send("/v1/shifts/check-in", entry))
    await execute("UPDATE entry SET salt = NULL, content = NULL WHERE id = $1", entry["id"])
    assert "replayed" == recorded_again(await lin.send("/v1/shifts/check-in", entry))


async def test_an_erased_refusal_stays_a_refusal(app: Litestar) -> None:
    """An entry that a person refused stays refused after its words are erased."""
    chen, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    waits = await of_a_revoked_device(chen)
    recorded(await sun.post("/v1/held/refuse", held=waits["id"], why="无此班次"))
    await execute("UPDATE held_entry SET content = NULL, despite = NULL WHERE id = $1", waits["id"])
    (result,) = await chen.sync(waits)
    assert ("refused", "held_refused") == (result["status"], result["problem"]["code"])


def recorded_again(answer: Any) -> str:
    assert 200 == answer.status_code, answer.text
    return str(answer.json()["status"])
