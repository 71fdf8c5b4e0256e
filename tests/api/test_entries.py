"""An entry is recorded once: replays, refusals, `despite`, lateness, clocks, crowds and crashes; and the journal."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
from litestar import Litestar

from backend.core.database import fetch, first, pool, value
from backend.core.settings import Settings
from backend.core.write_path import digest
from backend.law.catalogue import law
from mobile_api import request_middleware
from tests.builders import (
    PLACE,
    Someone,
    a_check_in,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_officer,
    codes,
    now,
    recorded,
    refused,
)

CHECK_IN = "/v1/shifts/check-in"


async def shifts_of(person: Someone) -> int:
    return await value("SELECT count(*) FROM shift WHERE person = $1", person.id)


async def lines_of(entry: Any) -> list[dict[str, Any]]:
    """The journal rows of an entry, read from their canonical bytes."""
    rows = await fetch("SELECT entry FROM journal WHERE entry_id = $1 ORDER BY seq", UUID(str(entry)))
    return [msgspec.json.decode(row["entry"]) for row in rows]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Returns when it holds."""
    async with asyncio.timeout(10):
        while not await holds():  # noqa: ASYNC110 - the database sends no word of who waits
            await asyncio.sleep(0.005)


# Once


async def test_an_entry_is_recorded_and_answered(app: Litestar) -> None:
    """201 with the client's own id, the shift, and no findings."""
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(**a_check_in())
    receipt = recorded(await lin.send(CHECK_IN, entry))
    assert str(entry["id"]) == receipt["id"] == receipt["shift"]["id"]
    assert [] == receipt["findings"]
    assert (True, None) == (receipt["shift"]["in_force"], receipt["shift"]["ended_at"])


async def test_the_same_entry_again_is_answered_as_the_first_time(app: Litestar) -> None:
    """200, replayed, and every word of it the same."""
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(**a_check_in())
    first_answer = recorded(await lin.send(CHECK_IN, entry))
    again = await lin.send(CHECK_IN, entry | {"sent_at": now() + timedelta(hours=1)})
    assert (200, first_answer | {"status": "replayed"}) == (again.status_code, again.json())
    assert (1, 1) == (await shifts_of(lin), len(await lines_of(entry["id"])))


async def test_a_late_replay_gets_the_first_receipt(app: Litestar) -> None:
    """The shift has ended meanwhile; the receipt of its check-in is what it was."""
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(**a_check_in(), at=ago(minutes=5))
    receipt = recorded(await lin.send(CHECK_IN, entry))
    recorded(await lin.check_out(entry["id"]))
    assert receipt | {"status": "replayed"} == (await lin.send(CHECK_IN, entry)).json()


async def test_a_default_that_is_spelt_out_is_the_same_content(app: Litestar) -> None:
    """Entry structs gain optional fields, and old phones replay."""
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(**a_check_in())
    recorded(await lin.send(CHECK_IN, entry))
    assert 200 == (await lin.send(CHECK_IN, entry | {"equipment": [], "vehicle": None})).status_code


@pytest.mark.parametrize("change", [{"duty_type": "post"}, {"device_seq": 999}, {"vehicle": "浙A·1234警"}])
async def test_the_same_id_with_other_content_is_refused(app: Litestar, change: dict[str, Any]) -> None:
    """409: an id stands for one entry."""
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(**a_check_in())
    recorded(await lin.send(CHECK_IN, entry))
    refused(await lin.send(CHECK_IN, entry | change), 409, "id_reused")
    assert 1 == await shifts_of(lin)


async def test_the_same_id_for_another_verb_is_refused(app: Litestar) -> None:
    """A check-out cannot carry its check-in's id."""
    lin = await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in())["id"]
    refused(await lin.check_out(shift, id=shift), 409, "id_reused")


async def test_the_same_id_by_another_person_is_refused(app: Litestar) -> None:
    """And they do not learn what it stands for."""
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    entry = lin.entry(**a_check_in())
    recorded(await lin.send(CHECK_IN, entry))
    problem = refused(await zhu.send(CHECK_IN, entry), 409, "id_reused")
    assert str(lin.id) not in str(problem)
    assert 0 == await shifts_of(zhu)


# Rules


async def test_a_refused_entry_gets_the_same_refusal_for_ever(app: Litestar) -> None:
    """It was refused while live; sent again late, it still is: a new attempt needs a new id."""
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(**(a_check_in() | {"roster_post": None}))
    problem = refused(await lin.send(CHECK_IN, entry), 409, "not_ordered")
    assert ["not_ordered"] == codes(problem["unmet"])
    assert problem == refused(await lin.send(CHECK_IN, entry), 409, "not_ordered")
    later = entry | {"sent_at": entry["sent_at"] + timedelta(hours=1)}
    assert problem == refused(await lin.send(CHECK_IN, later), 409, "not_ordered")
    assert (0, ["refused"]) == (await shifts_of(lin), [line["outcome"] for line in await lines_of(entry["id"])])
    recorded(await lin.check_in())


async def test_a_refusal_names_every_rule_that_was_not_met(app: Litestar) -> None:
    """Whoever reads it can act on all of them at once; each has its article and its sentence."""
    lin = await a_duty_auxiliary(app)
    plain = {"dress": "plain", "dress_reason": "跟踪盗窃团伙", "id_card_carried": False, "roster_post": None}
    problem = refused(await lin.check_in(**plain), 409, "plain_without_id_card")
    assert ["not_ordered", "plain_without_id_card"] == codes(problem["unmet"])
    assert {"7", "32"} == {note["article"] for note in problem["unmet"]}
    assert all(note["message"] for note in problem["unmet"])


async def test_despite_records_what_was_refused_with_its_findings(app: Litestar) -> None:
    """What happened is recorded, with findings on what is wrong with it."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    entry = lin.entry(**(a_check_in() | {"roster_post": None}))
    refused(await lin.send(CHECK_IN, entry), 409, "not_ordered")
    despite = {"why": "电台故障,先行出警", "ordered_by": zhao.id}
    receipt = recorded(await lin.send(CHECK_IN, entry | {"despite": despite}))
    assert ["not_ordered"] == codes(receipt["findings"])
    assert (1, ["refused", "recorded"]) == (
        await shifts_of(lin),
        [line["outcome"] for line in await lines_of(entry["id"])],
    )
    assert str(zhao.id) == (await lines_of(entry["id"]))[1]["facts"]["ordered_by"]
    assert 200 == (await lin.send(CHECK_IN, entry)).status_code, "without despite it is the same entry"


async def test_despite_at_once_needs_no_refusal_before(app: Litestar) -> None:
    """The phone judged offline and knew."""
    lin = await a_duty_auxiliary(app)
    receipt = recorded(await lin.check_in(roster_post=None, despite={"why": "没有人在"}))
    assert ["not_ordered"] == codes(receipt["findings"])


async def test_what_was_recorded_despite_a_rule_shows_on_the_timeline(app: Litestar) -> None:
    """A breach that superiors cannot see is one that nobody wrote down (ADR 5)."""
    lin = await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in(roster_post=None, despite={"why": "没有人在"}))["id"]
    assert ["not_ordered"] == [found["kind"] for found in (await lin.get(f"/v1/shifts/{shift}")).json()["findings"]]


async def test_despite_names_an_officer_as_answering(app: Litestar) -> None:
    """`ordered_by` is the officer who answers for it: a colleague cannot."""
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    despite = {"why": "没有人在", "ordered_by": zhu.id}
    refused(await lin.check_in(roster_post=None, despite=despite), 422, "not_an_officer")
    assert 0 == await shifts_of(lin)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"dress": "plain"}, 422, "dress_reason_missing"),
        ({"ordered_by": uuid4()}, 422, "not_an_officer"),
    ],
)
async def test_despite_lifts_rules_only(app: Litestar, change: dict[str, Any], status: int, code: str) -> None:
    """It is no permission, and validation is not changed by it."""
    lin = await a_duty_auxiliary(app)
    refused(await lin.check_in(**change, despite={"why": "必须"}), status, code)


async def test_despite_lets_nobody_do_what_is_not_theirs(app: Litestar) -> None:
    """It does not lift roles or conflicts with the live state."""
    lin, zhao, _, naming = await a_led_patrol(app)
    wu = await an_officer(app, name="吴警官")
    refused(await wu.answer("confirm", naming, despite={"why": "我在场"}), 404, "unknown_supervision")
    refused(await wu.check_in(despite={"why": "我也上岗"}), 403, "not_for_your_role")
    refused(await zhao.answer("confirm", naming, despite={"why": "再来一次"}), 409, "already_answered")
    assert lin.id


async def test_a_late_entry_is_never_refused_for_its_content(app: Litestar) -> None:
    """It happened; the findings say what was wrong."""
    lin = await a_duty_auxiliary(app)
    plain = {"dress": "plain", "dress_reason": "便衣", "id_card_carried": False, "roster_post": None}
    receipt = recorded(await lin.check_in(**plain, at=ago(hours=3)))
    assert ["not_ordered", "plain_without_id_card"] == codes(receipt["findings"])


# Clocks


async def test_a_wrong_clock_is_corrected_and_flagged(app: Litestar) -> None:
    """The phone is three hours ahead: the shift begins when it began, and the raw time is kept."""
    lin = await a_duty_auxiliary(app)
    ahead = now() + timedelta(hours=3)
    receipt = recorded(await lin.check_in(at=ahead, sent_at=ahead))
    started = msgspec.convert(receipt["shift"]["started_at"], type(ahead))
    assert abs(started - now()) < timedelta(seconds=5)
    assert ["clock_skew"] == codes(receipt["findings"])
    (line,) = await lines_of(receipt["id"])
    assert abs(line["facts"]["skew_ms"] + 3 * 3_600_000) < 5000
    assert line["facts"]["device_time"].startswith(f"{ahead:%Y-%m-%dT%H:%M}")
    assert 1 == await value("SELECT count(*) FROM finding WHERE kind = 'clock_skew' AND person = $1", lin.id)


async def test_a_clock_a_minute_off_is_corrected_in_silence(app: Litestar) -> None:
    """GA/T 947: recorders drift; two minutes are no finding."""
    lin = await a_duty_auxiliary(app)
    behind = ago(seconds=100)
    receipt = recorded(await lin.check_in(at=behind, sent_at=behind))
    assert [] == receipt["findings"]
    assert not (await lines_of(receipt["id"]))[0]["facts"]["late"]


async def test_a_busy_server_is_no_wrong_clock(app: Litestar) -> None:
    """Everybody checks in at eight: waiting for the database does not move the start."""
    lin = await a_duty_auxiliary(app)
    async with AsyncExitStack() as every:
        for _ in range(pool().get_max_size()):
            await every.enter_async_context(pool().acquire())
        checking_in = asyncio.create_task(lin.check_in())
        await asyncio.sleep(law().span("skew_floor").total_seconds() + 0.3)
    receipt = recorded(await checking_in)
    assert 0 == (await lines_of(receipt["id"]))[0]["facts"]["skew_ms"]


async def test_a_body_that_dribbles_turns_no_clock_back(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that takes a minute and a half to arrive does not change the time of the entry."""
    lin, began = await a_duty_auxiliary(app), ago(seconds=90)

    class Then(datetime):
        @classmethod
        def now(cls, zone: Any = None) -> datetime:
            monkeypatch.undo()
            return began

    monkeypatch.setattr(request_middleware, "datetime", Then)
    receipt = recorded(await lin.check_in(occurred_at=began, sent_at=began))
    assert (await lines_of(receipt["id"]))[0]["facts"]["skew_ms"] >= 90_000


async def test_a_clock_at_the_beginning_of_time_is_corrected(app: Litestar) -> None:
    """A device without a battery says the year 1, in whatever zone; `sent_at` says so too."""
    lin = await a_duty_auxiliary(app)
    dawn = "0001-01-01T00:00:00+08:00"
    assert ["clock_skew"] == codes(recorded(await lin.check_in(occurred_at=dawn, sent_at=dawn))["findings"])


async def test_device_time_with_another_offset_is_the_same_moment(app: Litestar) -> None:
    """Urumqi's phones, and a replay with another spelling of the moment."""
    lin = await a_duty_auxiliary(app)
    moment = ago(minutes=30)
    entry = lin.entry(**a_check_in(), at=moment.isoformat())
    receipt = recorded(await lin.send(CHECK_IN, entry))
    assert moment == msgspec.convert(receipt["shift"]["started_at"], type(moment))


# Crowds


async def test_ten_times_at_once_is_once(app: Litestar) -> None:
    """A phone that hammers records one shift and gets one answer."""
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(**a_check_in())
    answers = await asyncio.gather(*(lin.send(CHECK_IN, entry) for _ in range(10)))
    assert [200] * 9 + [201] == sorted(answer.status_code for answer in answers)
    first_answer = answers[0].json() | {"status": ""}
    assert [first_answer] * 10 == [answer.json() | {"status": ""} for answer in answers]
    assert (1, 1) == (await shifts_of(lin), len(await lines_of(entry["id"])))


async def test_ten_refusals_at_once_are_one(app: Litestar) -> None:
    """A refusal is remembered once too."""
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(**(a_check_in() | {"roster_post": None}))
    answers = await asyncio.gather(*(lin.send(CHECK_IN, entry) for _ in range(10)))
    assert {(409, "not_ordered")} == {(answer.status_code, answer.json()["code"]) for answer in answers}
    assert 1 == len(await lines_of(entry["id"]))


async def test_ten_check_ins_at_once_leave_one_in_force(app: Litestar) -> None:
    """Two phones and a shaky hand: nobody is on two shifts at one moment."""
    lin = await a_duty_auxiliary(app)
    answers = await asyncio.gather(*(lin.check_in() for _ in range(10)))
    assert [201] * 10 == [answer.status_code for answer in answers]
    rows = await fetch("SELECT count(*) AS n FROM shift WHERE person = $1 AND in_force AND ended_at IS NULL", lin.id)
    assert [1] == [row["n"] for row in rows]
    overlaps = """SELECT count(*) FROM shift a JOIN shift b ON a.person = b.person AND a.id < b.id
        AND a.in_force AND b.in_force AND a.during && b.during WHERE a.person = $1"""
    assert (10, 0) == (await shifts_of(lin), await value(overlaps, lin.id))


async def test_many_people_at_once_cause_no_deadlock(app: Litestar) -> None:
    """Auxiliaries name, officers answer and hand over, all at once: no deadlock refuses anybody."""
    zhao, wu = await an_officer(app), await an_officer(app, name="吴警官")
    patrol = [await a_duty_auxiliary(app) for _ in range(6)]
    for lin in patrol:
        recorded(await lin.check_in(at=ago(minutes=5)))
    named = await asyncio.gather(*(lin.names(zhao) for lin in patrol))
    namings = [recorded(answer)["id"] for answer in named]
    await asyncio.gather(*(zhao.answer("confirm", naming) for naming in namings))
    moves = [zhao.hand_over(naming, wu) for naming in namings] + [lin.names(wu) for lin in patrol]
    answers = await asyncio.gather(*moves)
    assert {201, 409} >= {answer.status_code for answer in answers}
    assert not any(answer.json().get("code") == "conflict" for answer in answers)
    led = "SELECT count(*) FROM supervision WHERE auxiliary = ANY ($1) AND in_force AND ended_at IS NULL"
    assert 6 == await value(led, [lin.id for lin in patrol])


# Crashes


@asynccontextmanager
async def standing_still(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """Block the journal: an entry waits there, with all its other rows written."""
    async with owner.transaction():
        await owner.execute("LOCK TABLE journal IN SHARE MODE")
        yield


WAITING = """SELECT a.pid FROM pg_stat_activity a WHERE application_name = 'fujing' AND wait_event_type = 'Lock'
    AND query LIKE '%journal%'"""


async def test_a_connection_that_dies_half_way_leaves_nothing(
    app: Litestar, owner: asyncpg.Connection, application_role: asyncpg.Connection
) -> None:
    """The connection dies between shift and journal: nothing of it stays, and the phone is asked to retry."""
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(**a_check_in())
    async with standing_still(owner):
        asking = asyncio.create_task(lin.send(CHECK_IN, entry))
        await until(lambda: _any(application_role))
        pid = await application_role.fetchval(WAITING)
        assert await application_role.fetchval("SELECT pg_terminate_backend($1)", pid)
        problem = await asking
    refused(problem, 503, "database_unavailable")
    assert "retry-after" in problem.headers
    assert (0, []) == (await shifts_of(lin), await lines_of(entry["id"]))
    assert await first("SELECT 1 FROM entry WHERE id = $1", entry["id"]) is None
    recorded(await lin.send(CHECK_IN, entry))


async def test_a_database_that_ends_its_connections_is_away(
    app: Litestar, application_role: asyncpg.Connection
) -> None:
    """Whatever error the driver raises, the answer is 503, and the server recovers by itself."""
    lin, answers = await a_duty_auxiliary(app), []
    for _ in range(30):
        await asyncio.gather(*(lin.get("/v1/me") for _ in range(6)))
        await application_role.execute(ENDED)
        answers += await asyncio.gather(*(lin.get("/v1/shifts") for _ in range(6)))
    assert {(503, "database_unavailable")} >= {(one.status_code, one.json()["code"]) for one in answers if one.is_error}
    assert 200 == (await lin.get("/v1/shifts")).status_code


ENDED = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'fujing' AND pid <> pg_backend_pid()
"""


async def _any(connection: asyncpg.Connection) -> bool:
    return await connection.fetchval(WAITING) is not None


async def test_of_two_people_who_make_the_same_id_at_once_one_is_recorded(
    app: Litestar, owner: asyncpg.Connection, application_role: asyncpg.Connection
) -> None:
    """Nobody holds a lock on an id: the second gets `id_reused`, whichever row conflicts first."""
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    entry = lin.entry(**a_check_in())
    async with standing_still(owner):
        one = asyncio.create_task(lin.send(CHECK_IN, entry))
        await until(lambda: _any(application_role))
        other = asyncio.create_task(zhu.send(CHECK_IN, entry))
        await until(lambda: _waits_for_a_row(application_role))
    recorded(await one)
    refused(await other, 409, "id_reused")


async def _waits_for_a_row(connection: asyncpg.Connection) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fujing' AND wait_event_type = 'Lock'"
    return await connection.fetchval(waiting) >= 2


# The journal


async def test_the_journal_says_what_was_recorded(app: Litestar) -> None:
    """The columns repeat what the bytes say."""
    lin = await a_duty_auxiliary(app)
    receipt = recorded(await lin.check_in())
    row = await first("SELECT * FROM journal WHERE entry_id = $1", UUID(receipt["id"]))
    line = msgspec.json.decode(row["entry"])
    assert (row["verb"], row["outcome"], row["organ"]) == (line["verb"], line["outcome"], line["organ"])
    assert (str(row["actor"]), str(row["entry_id"])) == (line["actor"], line["id"])
    assert [str(subject) for subject in row["subjects"]] == line["subjects"] == [receipt["id"], str(lin.id)]
    assert receipt["shift"] == line["facts"]["subject"]["shift"]


async def test_a_denial_is_journalled_and_leaves_the_id_free(app: Litestar) -> None:
    """A denied entry is in the journal, and its id stays free."""
    wu = await an_officer(app)
    entry = wu.entry(**a_check_in())
    for _ in range(2):
        refused(await wu.send(CHECK_IN, entry), 403, "not_for_your_role")
    assert [("denied", "not_for_your_role")] * 2 == [
        (line["outcome"], line["facts"]["code"]) for line in await lines_of(entry["id"])
    ]


SPOKEN = "张三在南门小卖部持刀"


async def test_the_journal_holds_no_word_and_no_place(app: Litestar) -> None:
    """Free text, places and names are outside the journal, so they can be erased as the law asks."""
    lin = await a_duty_auxiliary(app)
    words = {
        "dress": "plain",
        "dress_reason": f"{SPOKEN}一",
        "equipment": [f"{SPOKEN}二"],
        "vehicle": f"{SPOKEN}三",
        "roster_post": f"{SPOKEN}四",
        "place": PLACE | {"lat": 30.271828},
        "despite": {"why": f"{SPOKEN}五"},
        "id_card_carried": False,
    }
    receipt = recorded(await lin.check_in(**words))
    footage = recorded(await lin.declare(file_name=f"{SPOKEN}.mp4"))
    for entry in (receipt, footage):
        row = await first("SELECT j.entry, e.content FROM journal j JOIN entry e ON e.id = j.entry_id WHERE e.id = $1",
                          UUID(entry["id"]))  # fmt: skip
        assert not any(text.encode() in row["entry"] for text in (SPOKEN, "30.27", lin.name, "\\u5f20"))
        assert SPOKEN.encode() in row["content"]


async def test_content_and_salt_prove_the_journal_line(app: Litestar) -> None:
    """With both, anybody can recompute the digest without a secret of the server (ADR 10)."""
    lin = await a_duty_auxiliary(app)
    receipt = recorded(
        await lin.check_in(dress="plain", dress_reason=SPOKEN, id_card_carried=False, despite={"why": "急"})
    )
    kept = await first("SELECT * FROM entry WHERE id = $1", UUID(receipt["id"]))
    (line,) = await lines_of(receipt["id"])
    assert digest(kept["salt"], kept["content"]) == line["facts"]["content"]
    assert digest(kept["salt"], kept["despite"]) == line["facts"]["despite"]
    assert digest(kept["salt"], kept["content"] + b" ") != line["facts"]["content"]
    body = msgspec.json.decode(kept["content"])
    assert (str(lin.id), "shifts/check-in", SPOKEN) == (body["actor"], body["verb"], body["entry"]["dress_reason"])


async def test_after_erasure_a_replay_is_known_by_its_id(app: Litestar, owner: asyncpg.Connection) -> None:
    """Salt and content are gone; the journal line stands byte for byte, and the phone gets its answer."""
    lin = await a_duty_auxiliary(app)
    entry = lin.entry(**a_check_in())
    receipt = recorded(await lin.send(CHECK_IN, entry))
    before = await lines_of(entry["id"])
    await owner.execute("UPDATE entry SET salt = NULL, content = NULL WHERE id = $1", entry["id"])
    assert receipt | {"status": "replayed"} == (await lin.send(CHECK_IN, entry)).json()
    assert before == await lines_of(entry["id"])


CHANGES = [
    "UPDATE journal SET entry = 'x' WHERE seq = (SELECT max(seq) FROM journal)",
    "UPDATE journal SET at = at",
    "DELETE FROM journal",
    "TRUNCATE journal",
]


@pytest.mark.parametrize("change", CHANGES)
async def test_the_owner_cannot_change_the_journal(app: Litestar, owner: asyncpg.Connection, change: str) -> None:
    """A trigger says so, even to the role that owns the table."""
    await a_duty_auxiliary(app)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await owner.execute(change)


@pytest.mark.parametrize("change", [*CHANGES, "DROP TABLE journal", "ALTER TABLE journal DISABLE TRIGGER ALL"])
async def test_the_application_cannot_change_the_journal(
    app: Litestar, application_role: asyncpg.Connection, change: str
) -> None:
    """The role that serves requests was never granted it."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await application_role.execute(change)


async def test_the_application_cannot_choose_a_rows_number(
    app: Litestar, application_role: asyncpg.Connection, house: Settings
) -> None:
    """The database chooses `seq`; no row can be inserted between others."""
    with pytest.raises(asyncpg.GeneratedAlwaysError):
        await application_role.execute(
            "INSERT INTO journal (seq, at, verb, outcome, subjects, entry) VALUES (1, now(), 'x', 'done', '{}', 'x')"
        )


async def test_no_refusal_reveals_what_the_journal_keeps(app: Litestar) -> None:
    """A refusal never carries a row's value or a stack."""
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    shift = recorded(await lin.check_in(vehicle="浙A·1234警"))["id"]
    answer: httpx.Response = await zhu.check_out(shift)
    refused(answer, 404, "unknown_shift")
    assert not any(word in answer.text for word in (str(lin.id), "浙A", "Traceback", "SELECT"))


async def test_a_check_in_needs_no_other_thread(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hop to another thread and back costs more than all the rules; a guard that is no coroutine makes one."""
    lin, loop, hops = await a_duty_auxiliary(app), asyncio.get_running_loop(), []
    run = loop.run_in_executor
    monkeypatch.setattr(loop, "run_in_executor", lambda *told: (hops.append(told), run(*told))[1], raising=False)
    recorded(await lin.check_in())
    assert [] == hops
    await asyncio.to_thread(str)
    assert 1 == len(hops), "this test's own test"
