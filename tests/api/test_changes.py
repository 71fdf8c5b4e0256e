"""GET /v1/changes: what is new, for whom, in which order, and when a phone must start again (reset)."""

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


async def new_cursor(who: Someone) -> str:
    """The cursor of a first call, which is a reset."""
    answer = (await who.get(CHANGES)).json()
    assert (True, [], False) == (answer["reset"], answer["items"], answer["more"])
    assert str(who.id) == answer["bundle"]["own"]["id"]
    return answer["cursor"]


async def changes_since(who: Someone, after: str, **query: Any) -> dict[str, Any]:
    answer = await who.get(CHANGES, after=after, **query)
    assert 200 == answer.status_code, answer.text
    return answer.json()


async def items(who: Someone, after: str, **query: Any) -> list[dict[str, Any]]:
    """All items after a cursor, from all pages; no page may be a reset."""
    collected: list[dict[str, Any]] = []
    while True:
        page = await changes_since(who, after, **query)
        assert not page["reset"]
        assert "bundle" not in page
        collected += page["items"]
        after = page["cursor"]
        if not page["more"]:
            return collected


async def verbs(who: Someone, after: str) -> list[str]:
    return [item["verb"] for item in await items(who, after)]


async def is_reset(who: Someone, after: str) -> bool:
    page = await changes_since(who, after)
    assert page["reset"] == ("bundle" in page)
    assert not page["reset"] or page["items"] == []
    return bool(page["reset"])


# -- who sees what


async def test_the_feed_shows_ones_own_entries_once_and_in_order(app: Litestar) -> None:
    """With the result, but without digests and the device's clock."""
    lin = await a_duty_auxiliary(app)
    cursor = await new_cursor(lin)
    shift = recorded(await lin.check_in(at=ago(minutes=20)))["id"]
    recorded(await lin.check_out(shift))
    came, left = await items(lin, cursor)
    assert [("shifts/check-in", shift), "shifts/check-out"] == [(came["verb"], came["id"]), left["verb"]]
    assert ("recorded", str(lin.id), True) == (came["outcome"], came["actor"], came["facts"]["late"])
    assert shift == came["facts"]["subject"]["shift"]["id"]
    assert {"occurred_at", "late", "findings", "subject"} == set(came["facts"])
    page = await changes_since(lin, cursor, limit=1)
    assert (["shifts/check-in"], True) == ([item["verb"] for item in page["items"]], page["more"])
    assert ["shifts/check-out"] == await verbs(lin, page["cursor"])
    assert [] == await verbs(lin, (await changes_since(lin, cursor))["cursor"])


async def test_a_cursor_tells_nothing_of_what_others_wrote(app: Litestar) -> None:
    """Asked again it is another one, whether anybody wrote a line or nobody; always as long, and good for the same."""
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    cursor = await new_cursor(zhu)
    again = [(await changes_since(zhu, cursor))["cursor"] for _ in range(2)]
    recorded(await lin.check_in())
    again.append((await changes_since(zhu, cursor))["cursor"])
    assert 4 == len({cursor, *again})
    assert {100} == {len(each) for each in (cursor, *again)}
    assert not [each for each in again if await is_reset(zhu, each)]


async def test_the_feed_shows_nothing_of_a_colleague(app: Litestar) -> None:
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    cursor = await new_cursor(zhu)
    recorded(await lin.check_in())
    assert [] == await verbs(zhu, cursor)


@pytest.mark.parametrize(("organ", "sees"), [(STATION, True), (DISTRICT, True), (SIBLING, False), (ELSEWHERE, False)])
async def test_a_role_sees_its_organ_and_all_below(app: Litestar, organ: str, sees: bool) -> None:
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, organ)
    cursor = await new_cursor(chief)
    shift = recorded(await lin.check_in())["id"]
    assert sees == (shift in [item.get("id") for item in await items(chief, cursor)])


async def test_an_officer_who_leads_sees_what_they_may_read(app: Litestar) -> None:
    """A work while they led; not an amendment to a work from before, when they did not lead."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    await trained(lin)
    other = await an_officer(app)
    recorded(await lin.check_in(at=ago(minutes=60)))
    before = recorded(await lin.starts("9.6", case_kind="none", at=ago(minutes=50)))["id"]
    recorded(await lin.finishes(before, at=ago(minutes=45)))
    naming = recorded(await lin.names(zhao, at=ago(minutes=40)))["id"]
    recorded(await zhao.answer("confirm", naming, at=ago(minutes=39)))
    zhaos, others = await new_cursor(zhao), await new_cursor(other)
    act = recorded(await lin.starts("9.6", case_kind="none", at=ago(minutes=30)))["id"]
    recorded(await lin.amends(before, case_kind="none", notes="补记"))
    zhaos_items = await items(zhao, zhaos)
    assert [("activities/start", act)] == [(item["verb"], item["id"]) for item in zhaos_items]
    assert [] == await verbs(other, others)
    for item in zhaos_items:
        assert 200 == (await zhao.get(f"/v1/activities/{item['id']}")).status_code
    assert 404 == (await zhao.get(f"/v1/activities/{before}")).status_code


async def test_both_sides_see_a_naming_and_no_other_officer_does(app: Litestar) -> None:
    lin, zhao, _, _ = await a_led_patrol(app)
    qian = await an_officer(app, name="钱进")
    cursors = [await new_cursor(who) for who in (lin, zhao, qian)]
    recorded(await lin.names(qian))
    assert ["supervisions/name"] == await verbs(lin, cursors[0])
    assert ["supervisions/name"] == await verbs(qian, cursors[2])
    assert [] == [item for item in (await changes_since(zhao, cursors[1]))["items"] if str(qian.id) in item["subjects"]]


async def test_a_refusal_is_shown_only_to_the_person_refused(app: Litestar) -> None:
    """Not to those above."""
    lin, chief = await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    await trained(lin)
    mine, above = await new_cursor(lin), await new_cursor(chief)
    refused(await lin.starts("10.3", case_kind="none"), 409, "not_on_shift")
    refused(await lin.check_out(uuid4()), 404, "unknown_shift")
    own_items = await items(lin, mine)
    assert [("refused", "not_on_shift"), ("denied", "unknown_shift")] == [
        (item["outcome"], item["facts"]["code"]) for item in own_items
    ]
    assert [] == [item for item in await items(chief, above) if item["actor"] == str(lin.id)]


async def test_sessions_are_shown_only_to_oneself(app: Litestar) -> None:
    lin, chief = await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    mine, above = await new_cursor(lin), await new_cursor(chief)
    await lin.open()
    assert ["sessions/open"] == await verbs(lin, mine)
    assert "sessions/open" not in await verbs(chief, above)


async def test_a_person_sees_that_their_second_factor_was_reset(app: Litestar) -> None:
    """Perhaps they did not request it. Those above them see nothing."""
    wu, chief = await an_inspector_of(app, STATION), await a_commander_of(app, STATION)
    cursors = [await new_cursor(wu), await new_cursor(chief)]
    await factor.remove(wu.id, STATION, now())
    assert (["people/totp-reset"], []) == (await verbs(wu, cursors[0]), await verbs(chief, cursors[1]))


async def test_a_document_is_shown_only_to_its_owner(app: Litestar) -> None:
    """It may be a diagnosis, so only its owner sees lines about it. Those above see lines about footage."""
    lin, chief = await a_duty_auxiliary(app), await an_inspector_of(app, STATION)
    mine, above = await new_cursor(lin), await new_cursor(chief)
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
    own_items = await items(lin, mine)
    assert ["documents/declare", "recordings/declare", "evidence/seal", "evidence/seal"] == [
        e["verb"] for e in own_items
    ]
    assert {"sha256"} == set(own_items[-1]["facts"])
    aboves = [item for item in await items(chief, above) if str(lin.id) in item["subjects"]]
    assert ["recordings/declare", "evidence/seal"] == [item["verb"] for item in aboves]
    assert all(film in item["subjects"] for item in aboves)


async def test_a_line_of_an_unlisted_verb_is_shown_to_nobody(app: Litestar) -> None:
    """The feed shows only listed verbs. Complaints, viewings and future verbs are not shown by default."""
    lin = await a_duty_auxiliary(app)
    chief = await an_inspector_of(app, STATION)
    cursors = [await new_cursor(lin), await new_cursor(chief)]
    line = journal.Line(
        at=now(), verb="views/open", outcome="done", organ=STATION, actor=lin.id, subjects=[lin.id, uuid4()]
    )
    async with tx():
        await journal.append(line)
    assert ([], []) == (await verbs(lin, cursors[0]), await verbs(chief, cursors[1]))


def test_every_verb_says_who_sees_it() -> None:
    """Each verb and event says who sees it in the feed; conftest compares the list with the journal."""
    assert len(TOLD_TO) == len(VERBS) + len(EVENTS)


# -- when there is a reset


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
async def test_a_position_that_this_database_does_not_know_is_a_reset(
    app: Litestar, epoch: int, xid: int, seq: int
) -> None:
    """A restored dump may be older than the phone's cursor; another database does not know it at all."""
    lin = await a_duty_auxiliary(app)
    cursor = FeedCursor.read(await new_cursor(lin))
    place = feed.Position(cursor.position.epoch + epoch, cursor.position.xid + xid, cursor.position.seq + seq)
    changed = cursor._replace(position=place)
    assert (place != cursor.position) == await is_reset(lin, changed.text())


async def test_another_line_at_the_same_position_is_a_reset(app: Litestar) -> None:
    """After a restore the same numbers are used again for other lines."""
    lin = await a_duty_auxiliary(app)
    cursor = FeedCursor.read(await new_cursor(lin))
    assert await is_reset(lin, cursor._replace(check=cursor.check ^ 1).text())


async def test_another_persons_cursor_is_a_reset(app: Litestar) -> None:
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    assert await is_reset(zhu, await new_cursor(lin))


async def role(who: Someone, organ: str, **dates: Any) -> None:
    await roster.bring_in([a_row(record="role", code=who.badge, kind="commander", organ=organ, **dates)])


async def test_a_role_that_ends_or_begins_is_a_reset(app: Litestar) -> None:
    """The person may see less now, or older lines that the cursor has passed."""
    sun = await a_commander_of(app, STATION)
    cursor = await new_cursor(sun)
    assert not await is_reset(sun, cursor)
    await role(sun, STATION, valid_until=(now() - timedelta(days=1, hours=8)).date())
    assert await is_reset(sun, cursor)
    cursor = await new_cursor(sun)
    await role(sun, SIBLING)
    assert await is_reset(sun, cursor)


async def test_an_organ_that_moves_is_a_reset(app: Litestar) -> None:
    """For those who oversaw the organ before, for those who do now, and for nobody else."""
    await roster.bring_in([organ_row("330102980000", "移动派出所", DISTRICT)])
    old, new = await a_commander_of(app, DISTRICT), await a_commander_of(app, OTHER_DISTRICT)
    third = await a_commander_of(app, SIBLING)
    cursors = [await new_cursor(who) for who in (old, new, third)]
    await roster.bring_in([organ_row("330102980000", "移动派出所", OTHER_DISTRICT)])
    assert [True, True, False] == [
        await is_reset(who, cursor) for who, cursor in zip((old, new, third), cursors, strict=True)
    ]


async def test_a_person_who_moves_to_another_organ_gets_a_reset(app: Litestar) -> None:
    """The bundle now lists other officers."""
    lin = await a_duty_auxiliary(app)
    cursor = await new_cursor(lin)
    await roster.bring_in([a_row(record="person", code=lin.badge, name=lin.name, kind="duty_auxiliary", organ=SIBLING)])
    assert await is_reset(lin, cursor)


async def test_a_new_naming_alone_is_no_reset(app: Litestar) -> None:
    """Neither is its confirmation, a second naming, or its end now; live or late."""
    lin, zhu, zhao = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新"), await an_officer(app)
    recorded(await lin.check_in(at=ago(hours=1)))
    recorded(await zhu.check_in(at=ago(hours=1)))
    cursor = await new_cursor(zhao)
    naming = recorded(await lin.names(zhao, at=ago(minutes=30)))["id"]
    assert not await is_reset(zhao, cursor)
    cursor = (await changes_since(zhao, cursor))["cursor"]
    recorded(await zhao.answer("confirm", naming, at=ago(minutes=29)))
    recorded(await zhu.names(zhao))
    assert not await is_reset(zhao, cursor)
    cursor = (await changes_since(zhao, cursor))["cursor"]
    recorded(await zhao.answer("end", naming))
    assert not await is_reset(zhao, cursor)


async def test_a_naming_that_was_declined_is_a_reset(app: Litestar) -> None:
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    recorded(await lin.check_in(at=ago(minutes=5)))
    naming = recorded(await lin.names(zhao))["id"]
    cursor = await new_cursor(zhao)
    recorded(await zhao.answer("decline", naming))
    assert await is_reset(zhao, cursor)


async def test_a_leading_that_ended_earlier_than_was_known_is_a_reset(app: Litestar) -> None:
    lin, zhao, _, naming = await a_led_patrol(app)
    cursor, mine = await new_cursor(zhao), await new_cursor(lin)
    recorded(await lin.answer("end", naming, at=ago(minutes=10)))
    assert await is_reset(zhao, cursor)
    assert not await is_reset(lin, mine)


async def test_a_leading_that_another_took_over_is_a_reset(app: Litestar) -> None:
    """A naming arrives late: from its time on the first officer no longer led."""
    lin, zhao, _, _ = await a_led_patrol(app, minutes=30)
    other = await an_officer(app)
    cursor = await new_cursor(zhao)
    recorded(await lin.names(other, at=ago(minutes=15)))
    assert await is_reset(zhao, cursor)


async def test_a_leading_that_is_contested_is_a_reset(app: Litestar, owner: asyncpg.Connection) -> None:
    """It counts for nothing until a person resolves it."""
    _, zhao, _, naming = await a_led_patrol(app, minutes=30)
    cursor = await new_cursor(zhao)
    await owner.execute("UPDATE supervision SET in_force = false WHERE id = $1", UUID(naming))
    assert await is_reset(zhao, cursor)


# -- the start of a shift


async def test_the_start_of_a_shift_is_one_answer(app: Litestar) -> None:
    """The person, their shift, who leads, officers in service, their cases and uploads."""
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


async def test_the_catalogue_is_sent_only_if_it_changed(app: Litestar) -> None:
    """It is the same as in GET /v1/duty/works."""
    lin = await a_duty_auxiliary(app)
    bundle = (await lin.get(CHANGES)).json()["bundle"]
    assert bundle["works"] == (await lin.get("/v1/duty/works")).json()
    assert catalogue().etag == bundle["works_etag"]
    assert "works" not in (await lin.get(CHANGES, works=bundle["works_etag"])).json()["bundle"]
    assert "works" in (await lin.get(CHANGES, works='"another"')).json()["bundle"]


async def test_the_bundle_of_a_station_of_two_hundred_is_small(app: Litestar) -> None:
    """Under 64 KB compressed, with the catalogue and the cases and uploads of a busy month."""
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


async def test_many_lines_are_read_in_bounded_steps(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call reads a limited number of lines; the cursor moves on over lines of others, and nothing is missed."""
    lin, zhu, dock = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新"), await a_dock(app)
    cursor = await new_cursor(lin)
    for _ in range(7):
        await zhu.open()
    mine = recorded(await lin.check_in())["id"]
    for _ in range(6):
        await dock.open()
    monkeypatch.setattr(feed, "SCAN", 5)
    pages = [await changes_since(lin, cursor)]
    while pages[-1]["more"]:
        pages.append(await changes_since(lin, pages[-1]["cursor"]))
    assert [mine] == [item["id"] for page in pages for item in page["items"]]
    assert len(pages) >= 3


LINE = """
INSERT INTO journal (at, actor, verb, outcome, subjects, organ, entry)
VALUES (now(), $1, 'shifts/check-in', 'recorded', ARRAY[$2::uuid, $1], $3, convert_to($4, 'UTF8'))
"""


async def write(url: str, person: UUID, writer: int, seed: int, count: int) -> list[UUID]:
    """Write lines with a pause between insert and commit, some together in one transaction, some rolled back."""
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
async def test_a_reader_gets_every_line_exactly_once(app: Litestar, house: Settings, seed: int) -> None:
    """Even if transactions commit in another order than they inserted. The order is that of (epoch, xid, seq)."""
    lin = await a_duty_auxiliary(app)
    cursor, chance = await new_cursor(lin), random.Random(seed)  # noqa: S311
    writers = [asyncio.create_task(write(str(house.database_url), lin.id, writer, seed, 40)) for writer in range(10)]
    collected: list[str] = []
    while True:
        over = all(writer.done() for writer in writers)
        page = await changes_since(lin, cursor, limit=chance.choice((1, 7, 200)))
        assert not page["reset"]
        collected += [item["id"] for item in page["items"]]
        cursor = page["cursor"]
        if over and not page["more"] and not page["items"]:
            break
    written = {str(each) for writer in writers for each in writer.result()}
    assert len(collected) == len(set(collected))
    assert written == set(collected)
    rows = await fetch("SELECT subjects[1] AS id FROM journal WHERE $1 = actor AND verb = 'shifts/check-in' "
                       "ORDER BY epoch, xid, seq", lin.id)  # fmt: skip
    assert collected == [str(row["id"]) for row in rows]
