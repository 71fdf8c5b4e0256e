"""Full process (R.10, R.32): for any facts of an hour, in any order of arrival, the gaps are those that crossing out
minutes on paper gives."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import av
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from litestar import Litestar

from backend.core import findings
from backend.core.database import fetch
from backend.core.days import day_of, start_of_day
from backend.oversight.overdue_findings import refresh_due
from mobile_api.cli.demo_film import film
from tests.builders import (
    Someone,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_officer,
    now,
    recorded,
    trained,
)
from tests.devices import (
    completed,
    declare,
    declare_while_recording,
    parts_of,
    put,
    run_seal,
    sealed,
    send_missing,
    sha256_of,
    some_bytes,
)

HOUR = 60
Minutes = set[int]
MINUTE = st.integers(0, HOUR)
SPAN = st.tuples(MINUTE, MINUTE).filter(lambda span: span[0] < span[1])


class Duty(msgspec.Struct, frozen=True):
    """An hour on shift, in minutes: an act of 10.3, namings (when, whom, confirmed), films (who, from, to)."""

    act: tuple[int, int]
    namings: list[tuple[int, int, bool]]
    films: list[tuple[str, int, int]]

    def led(self) -> list[tuple[int, Minutes]]:
        """Whom each confirmed naming names, and the minutes it leads: until the next naming."""
        ends = [*(at for at, _, _ in self.namings), HOUR]
        return [
            (whom, set(range(at, until)))
            for (at, until), (_, whom, confirmed) in zip(pairwise(ends), self.namings, strict=True)
            if confirmed
        ]

    def done(self) -> Minutes:
        return set(range(*self.act))

    def led_gaps(self) -> Minutes:
        return self.done().difference(*(minutes for _, minutes in self.led()))

    def unrecorded(self) -> Minutes:
        own = [set(range(start, end)) for who, start, end in self.films if who == "lin"]
        leaders = [
            set(range(start, end)) & minutes
            for who, start, end in self.films
            for whom, minutes in self.led()
            if who == f"officer {whom}"
        ]
        return self.done().difference(*own, *leaders)


DUTIES = st.builds(
    Duty,
    act=SPAN,
    namings=st.lists(
        st.tuples(st.integers(0, HOUR - 1), st.integers(0, 1), st.booleans()),
        max_size=3,
        unique_by=lambda drawn: drawn[0],
    ).map(sorted),
    films=st.lists(
        st.tuples(st.sampled_from(["lin", "officer 0", "officer 1"]), SPAN).map(lambda drawn: (drawn[0], *drawn[1])),
        max_size=4,
    ),
)
PATIENT = settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],  # shrinking a night through a database takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


async def reported_in_any_order(app: Litestar, duty: Duty, seed: int) -> tuple[Someone, str, datetime]:
    """The hour, reported hours later; its entries are shuffled, but each comes after the entry that it refers to."""
    lin, officers = await a_duty_auxiliary(app), [await an_officer(app), await an_officer(app)]
    people = {"lin": lin, "officer 0": officers[0], "officer 1": officers[1]}
    base = ago(hours=5)
    shift, act = uuid4(), uuid4()

    def at(minute: int) -> datetime:
        return base + timedelta(minutes=minute)

    chains: list[list[Callable[[], Awaitable[Any]]]] = [
        [partial(lin.check_in, id=shift, at=at(0)), partial(lin.check_out, shift, at=at(HOUR))],
        [
            partial(lin.starts, "10.3.question", id=act, at=at(duty.act[0])),
            partial(lin.finishes, act, at=at(duty.act[1])),
        ],
    ]
    for minute, whom, confirmed in duty.namings:
        naming = uuid4()
        chain: list[Callable[[], Awaitable[Any]]] = [partial(lin.names, officers[whom], id=naming, at=at(minute))]
        if confirmed:
            chain.append(partial(officers[whom].answer, "confirm", naming, at=at(minute)))
        chains.append(chain)
    for who, start, end in duty.films:
        chains.append([partial(people[who].declare, started_at=at(start), ended_at=at(end))])
    chance = random.Random(seed)  # noqa: S311 - drawn beforehand: nothing is drawn on the loop
    while chains := [chain for chain in chains if chain]:
        recorded(await chance.choice(chains).pop(0)())
    return lin, str(act), base


def minutes_of(spans: list[dict[str, Any]], base: datetime) -> Minutes:
    """Whole minutes since the hour began; spans may touch, and may not overlap."""
    found: list[int] = []
    for span in spans:
        start, end = (
            round((datetime.fromisoformat(span[name]) - base).total_seconds() / 60)
            for name in ("started_at", "ended_at")
        )
        found += range(start, end)
    assert len(found) == len(set(found))
    return set(found)


async def read(lin: Someone, act: str, base: datetime) -> dict[str, Minutes]:
    answer = (await lin.get(f"/v1/activities/{act}")).json()["activity"]
    gaps = {kind: [gap for gap in answer["gaps"] if gap["kind"] == kind] for kind in ("leading", "recording")}
    lists = gaps | {name: answer[name] for name in ("spans", "claimed", "proved")}
    return {name: minutes_of(spans, base) for name, spans in lists.items()}


@PATIENT
@given(duty=DUTIES, seed=st.integers(0, 2**32))
async def test_gaps_are_what_is_left_in_any_order_of_arrival(app: Litestar, duty: Duty, seed: int) -> None:
    """Covered time and gaps partition the activity, and both are as minutes crossed out on paper."""
    lin, act, base = await reported_in_any_order(app, duty, seed)
    result = await read(lin, act, base)
    assert duty.done() == result["spans"]
    assert (duty.led_gaps(), duty.unrecorded()) == (result["leading"], result["recording"])
    assert result["spans"] == result["claimed"] | result["recording"]
    assert set() == result["claimed"] & result["recording"]
    assert set() == result["proved"]
    kinds = {found["kind"] for found in (await lin.get(f"/v1/activities/{act}")).json()["findings"]}
    assert ({"led_gap"} if duty.led_gaps() else set()) == kinds & {"led_gap"}
    assert ({"unrecorded"} if duty.unrecorded() else set()) == kinds & {"unrecorded"}


@PATIENT
@given(duty=DUTIES, more=SPAN, seed=st.integers(0, 2**32))
async def test_more_footage_never_makes_more_gap(app: Litestar, duty: Duty, more: tuple[int, int], seed: int) -> None:
    """Nor does it remove a claim."""
    lin, act, base = await reported_in_any_order(app, duty, seed)
    before = await read(lin, act, base)
    start, end = (base + timedelta(minutes=minute) for minute in more)
    recorded(await lin.declare(started_at=start, ended_at=end))
    after = await read(lin, act, base)
    assert after["recording"] <= before["recording"]
    assert before["claimed"] <= after["claimed"]
    assert before["leading"] == after["leading"]


@pytest.fixture(scope="module")
def ten_seconds(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film of ten seconds."""
    return film(tmp_path_factory.mktemp("films") / "ten.mp4", seconds=10, width=160, height=96).path.read_bytes()


async def an_act(app: Litestar) -> tuple[Someone, str, str, datetime]:
    """Lin's twenty seconds of 10.3, led, reported late: Lin, the act, the shift, and when the act began."""
    lin, _, shift, _ = await a_led_patrol(app, minutes=60)
    await trained(lin)
    begun = ago(minutes=30)
    act = recorded(await lin.starts("10.3.question", at=begun))["id"]
    recorded(await lin.finishes(act, at=begun + timedelta(seconds=20)))
    return lin, act, shift, begun


async def seconds(lin: Someone, act: str) -> dict[str, float]:
    """How long of the act is claimed, proved, and not recorded."""
    answer = (await lin.get(f"/v1/activities/{act}")).json()["activity"]
    lists = {name: answer[name] for name in ("claimed", "proved")}
    lists["unrecorded"] = [gap for gap in answer["gaps"] if gap["kind"] == "recording"]
    return {name: sum(length(span) for span in spans) for name, spans in lists.items()}


def length(span: dict[str, Any]) -> float:
    return (datetime.fromisoformat(span["ended_at"]) - datetime.fromisoformat(span["started_at"])).total_seconds()


async def found(subject: str) -> set[str]:
    rows = await fetch("SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL", UUID(subject))
    return {row["kind"] for row in rows}


async def test_sealed_footage_proves_for_the_time_that_it_shows(app: Litestar, ten_seconds: bytes) -> None:
    """Twenty seconds claimed, ten there: ten are proved, and the claim of the other ten is gone."""
    lin, act, _, begun = await an_act(app)
    body = {"started_at": begun, "ended_at": begun + timedelta(seconds=20)}
    recorded(await lin.declare(**body, bytes=len(ten_seconds), sha256="0" * 64, id=uuid4()))
    assert {"claimed": 20, "proved": 0, "unrecorded": 0} == await seconds(lin, act)
    assert "unrecorded" not in await found(act)
    other, act, _, begun = await an_act(app)
    body = {"started_at": begun, "ended_at": begun + timedelta(seconds=20)}
    await sealed(app, other, ten_seconds, **body)
    assert {"claimed": 10, "proved": 10, "unrecorded": 10} == await seconds(other, act)
    assert "unrecorded" in await found(act)


async def test_two_frames_an_hour_apart_prove_no_hour(app: Litestar, tmp_path: Path) -> None:
    """A file does not prove what it does not show, whatever its clock says."""
    path = tmp_path / "two.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
        for number in range(2):
            frame = av.VideoFrame(160, 96, "yuv420p")
            for plane in frame.planes:
                plane.update(b"\x80" * plane.buffer_size)
            frame.pts = number
            for packet in stream.encode(frame):
                packet.time_base, packet.pts, packet.dts = Fraction(1), number * 3600, number * 3600
                container.mux(packet)
    lin, act, _, begun = await an_act(app)
    await sealed(app, lin, path.read_bytes(), started_at=begun, ended_at=begun + timedelta(seconds=20))
    assert (await seconds(lin, act))["proved"] <= 10


async def test_footage_that_ended_earlier_than_claimed_opens_the_gap(app: Litestar, ten_seconds: bytes) -> None:
    """Declared without an end it claimed the act; completed, it had ended before."""
    lin, act, _, begun = await an_act(app)
    upload = (await declare_while_recording(lin, started_at=begun - timedelta(minutes=20)))["id"]
    assert {"claimed": 20, "proved": 0, "unrecorded": 0} == await seconds(lin, act)
    (part,) = (await parts_of(lin, upload, bytes=len(ten_seconds)))["missing"]
    assert 200 == await asyncio.to_thread(put, part, ten_seconds)
    ended = begun - timedelta(minutes=15)
    body = {"bytes": len(ten_seconds), "sha256": sha256_of(ten_seconds), "ended_at": ended}
    assert "received" == await completed(lin, upload, **body)
    assert 20 == (await seconds(lin, act))["unrecorded"]
    assert "unrecorded" in await found(act)


async def test_footage_with_other_bytes_than_declared_claims_nothing(app: Litestar, ten_seconds: bytes) -> None:
    """The bytes were not those declared: the claim is gone until they are sent again."""
    lin, act, _, begun = await an_act(app)
    body = {"started_at": begun, "ended_at": begun + timedelta(seconds=20)}
    upload = (await declare(lin, ten_seconds, **body))["id"]
    await send_missing(lin, upload, bytes(len(ten_seconds)))
    assert "received" == await completed(lin, upload)
    assert "unrecorded" not in await found(act)
    await run_seal(app, upload)
    assert "unrecorded" in await found(act)
    await parts_of(lin, upload)
    assert "unrecorded" not in await found(act)


async def test_a_file_that_is_no_media_proves_nothing(app: Litestar) -> None:
    """Random bytes called a film: sealed, they claim no second."""
    lin, act, _, begun = await an_act(app)
    await sealed(app, lin, some_bytes(1000, "no film"), started_at=begun, ended_at=begun + timedelta(seconds=20))
    assert {"claimed": 0, "proved": 0, "unrecorded": 20} == await seconds(lin, act)


async def test_footage_without_an_end_claims_no_more_than_its_shift(app: Litestar) -> None:
    """Declared while it recorded, and never completed: the check-out bounds it, and so does the term."""
    lin, _, shift, _ = await a_led_patrol(app, hours=30)
    recorded(await lin.starts("10.3.question", id=uuid4(), at=ago(hours=29)))
    body = {"camera_serial": "DSJ-0042", "file_name": "open.mp4", "media_type": "video/mp4"}
    recorded(await lin.post("/v1/recordings/declare", **body, started_at=ago(hours=29)))
    acts = (await lin.get(f"/v1/shifts/{shift}")).json()["activities"]
    assert [pytest.approx(12 * 3600, abs=60)] == [(await seconds(lin, act["id"]))["claimed"] for act in acts]
    recorded(await lin.check_out(shift, at=ago(hours=27)))
    assert [pytest.approx(2 * 3600, abs=60)] == [(await seconds(lin, act["id"]))["claimed"] for act in acts]


async def test_footage_is_handed_over_within_a_day_of_the_end_of_duty(app: Litestar) -> None:
    """公通字〔2016〕14号: the job finds footage still on the recorder then, even if nobody writes."""
    lin, _, shift, _ = await a_led_patrol(app, hours=30)
    upload = recorded(await lin.declare(started_at=ago(hours=29), ended_at=ago(hours=28)))["id"]
    assert set() == await found(upload)
    recorded(await lin.check_out(shift, at=ago(hours=23, minutes=59)))
    assert set() == await found(upload)
    await refresh_due(now() + timedelta(minutes=2))
    assert {"handed_over_late"} == await found(upload)


async def test_the_finding_of_a_late_handover_stands(app: Litestar, ten_seconds: bytes) -> None:
    """The footage arrived, but late."""
    lin, _, shift, _ = await a_led_patrol(app, hours=40)
    recorded(await lin.check_out(shift, at=ago(hours=30)))
    upload = await sealed(
        app, lin, ten_seconds, started_at=ago(hours=39), ended_at=ago(hours=39) + timedelta(seconds=10)
    )
    assert {"handed_over_late"} == await found(upload)


async def test_findings_of_an_open_activity_are_refreshed(app: Litestar) -> None:
    """Nobody writes: the gap opens by itself, and closes when the roster and the footage come."""
    lin, _, _, _ = await a_led_patrol(app, minutes=60)
    await trained(lin)
    act = recorded(await lin.starts("10.3.question", officers_present=2, recording=True))["id"]
    assert "unrecorded" not in await found(act)
    await refresh_due(now() + timedelta(minutes=1))
    assert {"unrecorded", "uninsured"} <= await found(act)
    await trained(lin, "pre_job_training,,2024-03-01,", "accident_insurance,,2024-03-01,")
    await refresh_due(now() + timedelta(minutes=2))
    assert "uninsured" not in await found(act)


async def test_insurance_of_the_day_counts_early_in_the_morning(app: Litestar) -> None:
    """At 04:14 in China it is still the day before in UTC."""
    lin, _, _, _ = await a_led_patrol(app, hours=50)
    day = day_of(ago(days=1))
    early = start_of_day(day) + timedelta(hours=4, minutes=14)
    act = recorded(await lin.starts("10.3.question", at=early, officers_present=2))["id"]
    recorded(await lin.finishes(act, at=early + timedelta(minutes=5)))
    assert "uninsured" in await found(act)
    await trained(lin, f"accident_insurance,,{day},{day}")
    await refresh_due(now())
    assert "uninsured" not in await found(act)


async def test_the_officers_footage_and_a_late_check_in_at_once_leave_no_stale_gap(
    app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom they led turns out only with the shift: whoever comes second waits, and sees the first."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    naming = recorded(await lin.names(zhao, at=ago(minutes=59)))["id"]
    recorded(await zhao.answer("confirm", naming, at=ago(minutes=58)))
    act = recorded(await lin.starts("10.3.question", at=ago(minutes=30)))["id"]
    recorded(await lin.finishes(act, at=ago(minutes=20)))
    refresh, both = findings.refresh, asyncio.Barrier(2)

    async def together(touched: findings.Touched, at: datetime) -> dict[UUID, list[str]]:
        """Neither commits before the other has looked, unless one must wait for the other."""
        standing = await refresh(touched, at)
        with suppress(TimeoutError, asyncio.BrokenBarrierError):
            await asyncio.wait_for(both.wait(), 1)
        return standing

    monkeypatch.setattr(findings, "refresh", together)
    declared = zhao.declare(started_at=ago(minutes=55), ended_at=ago(minutes=5))
    for answer in await asyncio.gather(lin.check_in(at=ago(minutes=60)), declared):
        recorded(answer)
    assert {"claimed": pytest.approx(600, abs=2), "proved": 0, "unrecorded": 0} == await seconds(lin, act)
    assert "unrecorded" not in await found(act)
