"""GET /v1/changes: what is new, for whom, in which order, and when a phone is told to begin anew."""

import asyncio
import base64
import itertools
import random
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from litestar import Litestar

from backend import feed
from backend.activities.duty_check import catalogue
from backend.core import journal
from backend.core.database import fetch, tx
from backend.core.settings import Settings
from backend.feed import FeedCursor
from backend.people import factor, roster
from backend.registry import EVENTS, TOLD_TO, VERBS
from tests.builders import (
    DISTRICT,
    ELSEWHERE,
    OTHER_DISTRICT,
    SIBLING,
    STATION,
    Someone,
    a_commander_of,
    a_dock,
    a_duty_auxiliary,
    a_led_patrol,
    a_row,
    ago,
    an_inspector_of,
    an_officer,
    now,
    organ_row,
    recorded,
    refused,
    trained,
)

CHANGES = "/v1/changes"


async def begun(who: Someone) -> str:
    """A fresh cursor."""
    told = (await who.get(CHANGES)).json()
    assert (True, [], False) == (told["reset"], told["items"], told["more"])
    assert str(who.id) == told["bundle"]["own"]["id"]
    return told["cursor"]


async def told(who: Someone, after: str, **query: Any) -> dict[str, Any]:
    answer = await who.get(CHANGES, after=after, **query)
    assert 200 == answer.status_code, answer.text
    return answer.json()


async def items(who: Someone, after: str, **query: Any) -> list[dict[str, Any]]:
    """Everything after a cursor, page by page; nothing of it is a reset."""
    found: list[dict[str, Any]] = []
    while True:
        page = await told(who, after, **query)
        assert not page["reset"]
        assert "bundle" not in page
        found += page["items"]
        after = page["cursor"]
        if not page["more"]:
            return found


async def verbs(who: Someone, after: str) -> list[str]:
    return [item["verb"] for item in await items(who, after)]


async def is_reset(who: Someone, after: str) -> bool:
    page = await told(who, after)
    assert page["reset"] == ("bundle" in page)
    assert not page["reset"] or page["items"] == []
    return bool(page["reset"])


# -- who is told what


async def test_one_is_told_of_ones_own_once_and_in_order(app: Litestar) -> None:
    """With what became of it, and nothing of the digests or the device's clock."""
    lin = await a_duty_auxiliary(app)
    cursor = await begun(lin)
    shift = recorded(await lin.check_in(at=ago(minutes=20)))["id"]
    recorded(await lin.check_out(shift))
    came, left = await items(lin, cursor)
    assert [("shifts/check-in", shift), "shifts/check-out"] == [(came["verb"], came["id"]), left["verb"]]
    assert ("recorded", str(lin.id), True) == (came["outcome"], came["actor"], came["facts"]["late"])
    assert shift == came["facts"]["subject"]["shift"]["id"]
    assert {"occurred_at", "late", "findings", "subject"} == set(came["facts"])
    page = await told(lin, cursor, limit=1)
    assert (["shifts/check-in"], True) == ([item["verb"] for item in page["items"]], page["more"])
    assert ["shifts/check-out"] == await verbs(lin, page["cursor"])
    assert [] == await verbs(lin, (await told(lin, cursor))["cursor"])


async def test_nobody_is_told_of_a_colleague(app: Litestar) -> None:
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    cursor = await begun(zhu)
    recorded(await lin.check_in())
    assert [] == await verbs(zhu, cursor)


@pytest.mark.parametrize(("organ", "seen"), [(STATION, True), (DISTRICT, True), (SIBLING, False), (ELSEWHERE, False)])
async def test_a_role_is_told_of_its_organ_and_all_below(app: Litestar, organ: str, seen: bool) -> None:
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, organ)
    cursor = await begun(chief)
    shift = recorded(await lin.check_in())["id"]
    assert seen == (shift in [item.get("id") for item in await items(chief, cursor)])


async def test_who_leads_is_told_of_what_they_may_read(app: Litestar) -> None:
    """Of a work while they led, not of one after, nor of an amendment to a work that another led."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    await trained(lin)
    other = await an_officer(app)
    recorded(await lin.check_in(at=ago(minutes=60)))
    before = recorded(await lin.starts("9.6", case_kind="none", at=ago(minutes=50)))["id"]
    recorded(await lin.finishes(before, at=ago(minutes=45)))
    naming = recorded(await lin.names(zhao, at=ago(minutes=40)))["id"]
    recorded(await zhao.answer("confirm", naming, at=ago(minutes=39)))
    zhaos, others = await begun(zhao), await begun(other)
    act = recorded(await lin.starts("9.6", case_kind="none", at=ago(minutes=30)))["id"]
    recorded(await lin.amends(before, case_kind="none", notes="补记"))
    told_zhao = await items(zhao, zhaos)
    assert [("activities/start", act)] == [(item["verb"], item["id"]) for item in told_zhao]
    assert [] == await verbs(other, others)
    for item in told_zhao:
        assert 200 == (await zhao.get(f"/v1/activities/{item['id']}")).status_code
    assert 404 == (await zhao.get(f"/v1/activities/{before}")).status_code


async def test_both_are_told_of_a_naming_and_no_other_officer(app: Litestar) -> None:
    lin, zhao, _, _ = await a_led_patrol(app)
    qian = await an_officer(app, name="钱进")
    cursors = [await begun(who) for who in (lin, zhao, qian)]
    recorded(await lin.names(qian))
    assert ["supervisions/name"] == await verbs(lin, cursors[0])
    assert ["supervisions/name"] == await verbs(qian, cursors[2])
    assert [] == [item for item in (await told(zhao, cursors[1]))["items"] if str(qian.id) in item["subjects"]]


async def test_a_refusal_is_told_to_whom_it_was_given(app: Litestar) -> None:
    """Not to those above."""
    lin, chief = await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    mine, above = await begun(lin), await begun(chief)
    await trained(lin)
    refused(await lin.starts("10.3", case_kind="none"), 409, "not_on_shift")
    refused(await lin.check_out(uuid4()), 404, "unknown_shift")
    seen = await items(lin, mine)
    assert [("refused", "not_on_shift"), ("denied", "unknown_shift")] == [
        (item["outcome"], item["facts"]["code"]) for item in seen
    ]
    assert [] == [item for item in await items(chief, above) if item["actor"] == str(lin.id)]


async def test_sessions_are_told_to_oneself_alone(app: Litestar) -> None:
    lin, chief = await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    mine, above = await begun(lin), await begun(chief)
    await lin.open()
    assert ["sessions/open"] == await verbs(lin, mine)
    assert "sessions/open" not in await verbs(chief, above)


async def test_whose_second_factor_was_reset_hears_of_it(app: Litestar) -> None:
    """They may not have asked for it; those above them are told nothing."""
    wu, chief = await an_inspector_of(app, STATION), await a_commander_of(app, STATION)
    cursors = [await begun(wu), await begun(chief)]
    await factor.remove(wu.id, STATION, now())
    assert (["people/totp-reset"], []) == (await verbs(wu, cursors[0]), await verbs(chief, cursors[1]))


async def test_a_paper_is_told_to_the_person_it_is_about(app: Litestar) -> None:
    """It may be a diagnosis: what is sealed of it stays with them too; footage is told to those above."""
    lin, chief = await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    mine, above = await begun(lin), await begun(chief)
    paper = recorded(
        await lin.post("/v1/documents/declare", title="诊断证明", file_name="d.pdf", media_type="application/pdf")
    )["id"]
    film = recorded(await lin.declare())["id"]
    row = {each["id"]: each for each in await fetch("SELECT * FROM upload WHERE owner = $1", lin.id)}
    for upload in (paper, film):
        line = journal.Line(
            at=now(), verb="evidence/seal", outcome="done", organ=STATION, subjects=[UUID(upload), lin.id],
            facts={"sha256": "0" * 64, "version": "a name of the store"},
        )  # fmt: skip
        async with tx():
            await journal.append(line)
    assert 2 == len(row)
    seen = await items(lin, mine)
    assert ["documents/declare", "recordings/declare", "evidence/seal", "evidence/seal"] == [e["verb"] for e in seen]
    assert {"sha256"} == set(seen[-1]["facts"])
    aboves = [item for item in await items(chief, above) if str(lin.id) in item["subjects"]]
    assert ["recordings/declare", "evidence/seal"] == [item["verb"] for item in aboves]
    assert all(film in item["subjects"] for item in aboves)


async def test_a_line_that_nobody_decided_about_is_told_to_nobody(app: Litestar) -> None:
    """A verb travels by being listed: complaints, viewings and what comes later do not by themselves."""
    lin = await a_duty_auxiliary(app)
    chief = await an_inspector_of(app, STATION)
    cursors = [await begun(lin), await begun(chief)]
    line = journal.Line(
        at=now(), verb="views/open", outcome="done", organ=STATION, actor=lin.id, subjects=[lin.id, uuid4()]
    )
    async with tx():
        await journal.append(line)
    assert ([], []) == (await verbs(lin, cursors[0]), await verbs(chief, cursors[1]))


def test_every_verb_is_decided_about() -> None:
    """Whoever adds a verb or an event says whom the feed tells; conftest compares the journal."""
    assert len(TOLD_TO) == len(VERBS) + len(EVENTS)


# -- when to begin anew


@pytest.mark.parametrize(
    "text", ["x", "A" * 60, "A" * 59 + "=", "é" * 60, base64.urlsafe_b64encode(b"\1" * 44).decode()]
)
async def test_what_is_no_cursor_is_refused(app: Litestar, text: str) -> None:
    lin = await a_duty_auxiliary(app)
    problem = refused(await lin.get(CHANGES, after=text), 422, "invalid")
    assert "?after" == problem["errors"][0]["pointer"]


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("xid", [0, 10**12])
@pytest.mark.parametrize("seq", [0, 10**12])
async def test_a_place_that_this_database_does_not_know_begins_anew(
    app: Litestar, epoch: int, xid: int, seq: int
) -> None:
    """A dump that was restored knows less than the phone; so does another database."""
    lin = await a_duty_auxiliary(app)
    cursor = FeedCursor.read(await begun(lin))
    place = feed.Position(cursor.position.epoch + epoch, cursor.position.xid + xid, cursor.position.seq + seq)
    changed = cursor._replace(position=place)
    assert (place != cursor.position) == await is_reset(lin, changed.text())


async def test_another_line_at_the_same_place_begins_anew(app: Litestar) -> None:
    """After a restore the numbers are given again."""
    lin = await a_duty_auxiliary(app)
    cursor = FeedCursor.read(await begun(lin))
    assert await is_reset(lin, cursor._replace(check=cursor.check ^ 1).text())


async def test_another_persons_cursor_begins_anew(app: Litestar) -> None:
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    assert await is_reset(zhu, await begun(lin))


async def role(who: Someone, organ: str, **dates: Any) -> None:
    await roster.bring_in([a_row(record="role", code=who.badge, kind="commander", organ=organ, **dates)])


async def test_a_role_that_ends_or_begins_begins_anew(app: Litestar) -> None:
    """Less is to be seen, or older lines that the cursor passed."""
    sun = await a_commander_of(app, STATION)
    cursor = await begun(sun)
    assert not await is_reset(sun, cursor)
    await role(sun, STATION, valid_until=(now() - timedelta(days=1, hours=8)).date())
    assert await is_reset(sun, cursor)
    cursor = await begun(sun)
    await role(sun, SIBLING)
    assert await is_reset(sun, cursor)


async def test_an_organ_that_moves_begins_anew(app: Litestar) -> None:
    """For those who oversaw it, those who do now, and nobody else."""
    await roster.bring_in([organ_row("330102980000", "移动派出所", DISTRICT)])
    old, new = await a_commander_of(app, DISTRICT), await a_commander_of(app, OTHER_DISTRICT)
    third = await a_commander_of(app, SIBLING)
    cursors = [await begun(who) for who in (old, new, third)]
    await roster.bring_in([organ_row("330102980000", "移动派出所", OTHER_DISTRICT)])
    assert [True, True, False] == [
        await is_reset(who, cursor) for who, cursor in zip((old, new, third), cursors, strict=True)
    ]


async def test_who_moves_to_another_organ_begins_anew(app: Litestar) -> None:
    """Other officers stand in the start of their shift."""
    lin = await a_duty_auxiliary(app)
    cursor = await begun(lin)
    await roster.bring_in([a_row(record="person", code=lin.badge, name=lin.name, kind="duty_auxiliary", organ=SIBLING)])
    assert await is_reset(lin, cursor)


async def test_a_new_naming_alone_does_not_begin_anew(app: Litestar) -> None:
    """Nor its confirmation, nor a second one, told live or late; nor that it ends now."""
    lin, zhu, zhao = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新"), await an_officer(app)
    recorded(await lin.check_in(at=ago(hours=1)))
    recorded(await zhu.check_in(at=ago(hours=1)))
    cursor = await begun(zhao)
    naming = recorded(await lin.names(zhao, at=ago(minutes=30)))["id"]
    assert not await is_reset(zhao, cursor)
    cursor = (await told(zhao, cursor))["cursor"]
    recorded(await zhao.answer("confirm", naming, at=ago(minutes=29)))
    recorded(await zhu.names(zhao))
    assert not await is_reset(zhao, cursor)
    cursor = (await told(zhao, cursor))["cursor"]
    recorded(await zhao.answer("end", naming))
    assert not await is_reset(zhao, cursor)


async def test_a_naming_that_was_declined_begins_anew(app: Litestar) -> None:
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    recorded(await lin.check_in(at=ago(minutes=5)))
    naming = recorded(await lin.names(zhao))["id"]
    cursor = await begun(zhao)
    recorded(await zhao.answer("decline", naming))
    assert await is_reset(zhao, cursor)


async def test_a_leading_that_ended_earlier_than_was_known_begins_anew(app: Litestar) -> None:
    lin, zhao, _, naming = await a_led_patrol(app)
    cursor, mine = await begun(zhao), await begun(lin)
    recorded(await lin.answer("end", naming, at=ago(minutes=10)))
    assert await is_reset(zhao, cursor)
    assert not await is_reset(lin, mine)


async def test_a_leading_that_another_took_over_begins_anew(app: Litestar) -> None:
    """A naming comes late: since then the first officer led no more."""
    lin, zhao, _, _ = await a_led_patrol(app, minutes=30)
    other = await an_officer(app)
    cursor = await begun(zhao)
    recorded(await lin.names(other, at=ago(minutes=15)))
    assert await is_reset(zhao, cursor)


async def test_a_leading_that_is_contested_begins_anew(app: Litestar, owner: asyncpg.Connection) -> None:
    """It counts for nothing until a person resolves it."""
    _, zhao, _, naming = await a_led_patrol(app, minutes=30)
    cursor = await begun(zhao)
    await owner.execute("UPDATE supervision SET in_force = false WHERE id = $1", UUID(naming))
    assert await is_reset(zhao, cursor)


# -- the start of a shift


async def test_the_start_of_a_shift_is_one_answer(app: Litestar) -> None:
    """Oneself, one's shift, who leads, who could, one's cases and files; recusals come with the feature itself."""
    lin, zhao, shift, naming = await a_led_patrol(app)
    await trained(lin)
    chief, stranger = await an_officer(app, DISTRICT), await an_officer(app, SIBLING)
    case = {"case_kind": "administrative", "case_ref": "A3301022026030001"}
    act = recorded(await lin.starts("9.6", **case, at=ago(minutes=20)))["id"]
    film = recorded(await lin.declare())["id"]
    bundle = (await lin.get(CHANGES)).json()["bundle"]
    assert (lin.badge, STATION) == (bundle["own"]["badge"], bundle["own"]["organ"]["code"])
    assert ["pre_job_training"] == [each["code"] for each in bundle["own"]["qualifications"]]
    assert shift == bundle["shift"]["id"] == bundle["shifts"][0]["id"]
    (leading,) = bundle["leading"]
    assert (naming, str(zhao.id), True) == (leading["supervision"], leading["officer"], leading["confirmed"])
    officers = {each["id"]: each["leads"] for each in bundle["officers"]}
    assert (True, False) == (officers[str(zhao.id)], officers[str(chief.id)])
    assert str(stranger.id) not in officers
    assert str(lin.id) not in officers
    assert [(case["case_ref"], act, False)] == [
        (each["case_ref"], each["activity"], each["finished"]) for each in bundle["cases"]
    ]
    assert [(film, "declared")] == [(each["id"], each["state"]) for each in bundle["uploads"]]
    zhaos = (await zhao.get(CHANGES)).json()["bundle"]
    assert [naming] == [each["supervision"] for each in zhaos["leading"]]
    assert ([], []) == (zhaos["cases"], zhaos["uploads"])


async def test_the_catalogue_comes_where_it_is_not_there_already(app: Litestar) -> None:
    """As /v1/duty/works tells it."""
    lin = await a_duty_auxiliary(app)
    bundle = (await lin.get(CHANGES)).json()["bundle"]
    assert bundle["works"] == (await lin.get("/v1/duty/works")).json()
    assert catalogue().etag == bundle["works_etag"]
    assert "works" not in (await lin.get(CHANGES, works=bundle["works_etag"])).json()["bundle"]
    assert "works" in (await lin.get(CHANGES, works='"another"')).json()["bundle"]


async def test_for_a_station_of_two_hundred_it_is_small(app: Litestar) -> None:
    """Under 64 KB compressed, catalogue and all, with a person's busiest month behind them."""
    organ = "330102970000"
    await roster.bring_in([organ_row(organ, "二百人派出所", DISTRICT)])
    kinds = itertools.chain(["officer"] * 80, ["duty_auxiliary"] * 120)
    people = [
        a_row(record="person", code=f"{kind[0].upper()}97{n:05}", name=f"{'林赵吴陈'[n % 4]}{chr(0x4E00 + n * 7)}某",
              kind=kind, organ=organ)
        for n, kind in enumerate(kinds)
    ]  # fmt: skip
    await roster.bring_in(people)
    lin = await a_duty_auxiliary(app, organ)
    await trained(lin)
    recorded(await lin.check_in(at=ago(hours=5)))
    for n in range(30):
        case = {"case_kind": "administrative", "case_ref": f"A33010220260300{n:02}"}
        recorded(await lin.starts("9.6", **case, at=ago(hours=4, minutes=n)))
        recorded(await lin.declare(file_name=f"DSJ0042_FJ{n:04}_20260301080000.mp4"))
    answer = await lin.ask("GET", CHANGES, headers={"Accept-Encoding": "gzip"})
    assert "gzip" == answer.headers["content-encoding"]
    bundle = answer.json()["bundle"]
    assert len(bundle["officers"]) >= 80
    assert (30, 30) == (len(bundle["cases"]), len(bundle["uploads"]))
    assert answer.num_bytes_downloaded < 64 * 1024


async def test_who_takes_no_gzip_gets_none(app: Litestar) -> None:
    lin = await a_duty_auxiliary(app)
    answer = await lin.ask("GET", CHANGES, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.json()["reset"]


# -- bounded, safe


async def test_a_long_way_is_gone_in_bounded_steps(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of others are looked at so many at a time; the cursor moves on and nothing is missed."""
    lin, zhu, dock = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新"), await a_dock(app)
    cursor = await begun(lin)
    for _ in range(7):
        await zhu.open()
    mine = recorded(await lin.check_in())["id"]
    for _ in range(6):
        await dock.open()
    monkeypatch.setattr(feed, "SCAN", 5)
    pages = [await told(lin, cursor)]
    while pages[-1]["more"]:
        pages.append(await told(lin, pages[-1]["cursor"]))
    assert [mine] == [item["id"] for page in pages for item in page["items"]]
    assert len(pages) >= 3


LINE = """
INSERT INTO journal (at, actor, verb, outcome, subjects, organ, entry)
VALUES (now(), $1, 'shifts/check-in', 'recorded', ARRAY[$2::uuid, $1], $3, convert_to($4, 'UTF8'))
"""


async def write(url: str, person: UUID, writer: int, seed: int, count: int) -> list[UUID]:
    """Lines with a pause between insert and commit, several in some transactions, some of them never committed."""
    chance, written = random.Random(seed * 100 + writer), []  # noqa: S311
    connection = await asyncpg.connect(url)
    try:
        while len(written) < count:
            fresh = [uuid4() for _ in range(chance.choice((1, 1, 3)))]
            transaction = connection.transaction()
            await transaction.start()
            for each in fresh:
                facts = {"at": journal.utc(now()), "verb": "shifts/check-in", "outcome": "recorded"}
                entry = msgspec.json.encode(facts | {"id": each, "subjects": [each, person], "actor": person})
                await connection.execute(LINE, person, each, STATION, entry.decode())
                await asyncio.sleep(chance.random() * 0.01)
            await asyncio.sleep(chance.choice((0, 0.002, 0.05)) * chance.random())
            if chance.random() < 0.1:
                await transaction.rollback()
                continue
            await transaction.commit()
            written += fresh
    finally:
        await connection.close()
    return written


@pytest.mark.parametrize("seed", range(3))
async def test_a_reader_misses_nothing_and_is_told_nothing_twice(app: Litestar, house: Settings, seed: int) -> None:
    """Whatever overtakes whatever between insert and commit; the order is that of (epoch, xid, seq)."""
    lin = await a_duty_auxiliary(app)
    cursor, chance = await begun(lin), random.Random(seed)  # noqa: S311
    writers = [asyncio.create_task(write(str(house.database_url), lin.id, writer, seed, 40)) for writer in range(10)]
    found: list[str] = []
    while True:
        over = all(writer.done() for writer in writers)
        page = await told(lin, cursor, limit=chance.choice((1, 7, 200)))
        assert not page["reset"]
        found += [item["id"] for item in page["items"]]
        cursor = page["cursor"]
        if over and not page["more"] and not page["items"]:
            break
    written = {str(each) for writer in writers for each in writer.result()}
    assert len(found) == len(set(found))
    assert written == set(found)
    rows = await fetch("SELECT subjects[1] AS id FROM journal WHERE $1 = actor AND verb = 'shifts/check-in' "
                       "ORDER BY epoch, xid, seq", lin.id)  # fmt: skip
    assert found == [str(row["id"]) for row in rows]
