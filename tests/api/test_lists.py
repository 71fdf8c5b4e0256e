"""Lists by index agree with the plain condition, for random populations: all pages together are exactly the rows of the
table that the viewer may see, each once, newest first, and by id within one moment."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from backend.assistance import reads as assistance_reads
from backend.complaints import reads as complaint_reads
from backend.core import paging
from backend.core.database import execute, fetch, tx, value
from backend.core.paging import ListQuery
from backend.core.verb import Actor, Role
from backend.core.visibility import HANDLING, INSPECTING, OVERSEEING, IndexPath, viewer
from backend.evidence.retention import reads as hold_reads
from backend.injuries import reads as injury_reads
from backend.oversight import duty_lists, filters, findings_lists
from backend.oversight.filters import ListFilter, narrowed
from backend.recusals import reads as recusal_reads
from backend.reviews import reads as reviews
from backend.reviews import spot_checks
from backend.supervision import reads as supervision_reads

SLOTS = [datetime(2026, 3, 1, 8, tzinfo=UTC) + timedelta(hours=7 * number) for number in range(9)]
KINDS = ("not_led", "unrecorded", "handed_over_late", "uninsured")
WORKS = ("9.6", "10.3")
PLACES = [f'{{"lat": {lat}, "lon": 120.15, "accuracy_m": 5, "datum": "WGS84"}}' for lat in ("30.27", "30.2709", "30.4")]
INCIDENTS = ("J3301022026100001", "J3301022026100002")
CASES = ("杭公(西)行罚〔2026〕1号", "杭公(西)行罚〔2026〕2号")
ROLES = ("commander", "inspector", "treasurer", "administrator")


def seen(*own: str, organ: str, led: tuple[str, str] | None = None) -> str:
    """SQL of who may see a row (DESIGN §9). `led`: the column of an auxiliary, and the time in which they were led."""
    arms = [f"{column} = $1" for column in own] + [f"{organ} IN (SELECT organs_under($2::text[]))"]
    if led is not None:
        arms.append(
            f"EXISTS (SELECT FROM led l WHERE l.officer = $1 AND l.auxiliary = {led[0]} AND l.during && {led[1]})"
        )
    return "(" + " OR ".join(arms) + ")"


FILMED = "tstzrange(r.started_at, coalesce(r.ended_at, r.started_at), '[]')"
HAPPENED = "tstzrange(coalesce(f.started_at, f.found_at), coalesce(f.ended_at, f.started_at, f.found_at), '[]')"
FINDING = f"""({seen("f.person", organ="f.organ")}
    OR {seen("f.person", organ="f.organ", led=("f.person", HAPPENED))} AND f.kind <> 'uninsured')"""
SEEN_ACT = seen("a.person", organ="a.organ", led=("a.person", "acted(a)"))
ABOUT_ME = "EXISTS (SELECT FROM complaint_person p WHERE p.complaint = c.id AND p.person = $1)"
LED_THEN = """EXISTS (SELECT FROM complaint_person p JOIN supervision s ON s.auxiliary = p.person
    WHERE p.complaint = c.id AND s.officer = $1 AND s.during && c.during AND s.answer IS DISTINCT FROM 'declined')"""
STEP = "EXISTS (SELECT FROM assistance_step x WHERE x.call = h.id AND x.step = '{}')"


@dataclass(frozen=True)
class Listing:
    """A list, and the same in plain SQL."""

    name: str
    ask: Callable[..., Awaitable[Any]]
    table: str
    by: str
    plain: str
    roles: frozenset[str] = OVERSEEING
    asked: tuple[Any, ...] = ()  # between the actor and the cursor


LISTS = (
    Listing(
        "shifts", duty_lists.shifts, "shift s", "s.started_at",
        seen("s.person", organ="s.organ", led=("s.person", "s.during")), asked=(ListFilter(),),
    ),
    Listing(
        "activities", duty_lists.activities, "activity a", "a.started_at", SEEN_ACT, asked=(ListFilter(),),
    ),
    Listing(
        "supervisions", supervision_reads.supervisions, "supervision v", "v.started_at",
        seen("v.auxiliary", "v.officer", organ="v.organ") + " AND v.answer IS NULL AND v.in_force",
        asked=("unanswered",),
    ),
    Listing(
        "recordings", duty_lists.recordings, "recording r JOIN upload u ON u.id = r.id", "r.started_at",
        seen("r.wearer", organ="r.organ", led=("r.wearer", FILMED))
        + " AND NOT hidden_from($1, r.wearer, r.during) AND u.state <> 'same_as'", asked=(ListFilter(),),
    ),
    Listing(
        "calls", assistance_reads.calls, "assistance h", "h.called_at",
        f"({seen('h.person', organ='h.organ')}"
        " OR EXISTS (SELECT FROM assistance_called x WHERE x.call = h.id AND x.person = $1))"
        f" AND NOT {STEP.format('acknowledge')} AND NOT {STEP.format('close')}", asked=("unanswered",),
    ),
    Listing(
        "open calls", assistance_reads.calls, "assistance h", "h.called_at",
        f"({seen('h.person', organ='h.organ')}"
        " OR EXISTS (SELECT FROM assistance_called x WHERE x.call = h.id AND x.person = $1))"
        f" AND NOT {STEP.format('close')}", asked=("open",),
    ),
    Listing(
        "recusals", recusal_reads.recusals, "recusal r", "r.asked_at", seen("r.person", "r.taken_by", organ="r.organ"),
        asked=("all",),
    ),
    Listing(
        "complaints", complaint_reads.complaints, "complaint c", "c.received_at",
        f"((c.taken_by = $1 OR {seen(organ='c.organ')} AND (c.outcome IS NOT NULL OR NOT {LED_THEN}))"
        f" AND NOT {ABOUT_ME} OR c.outcome IS NOT NULL AND {ABOUT_ME})",
        asked=("all",),
    ),
    Listing(
        "matters", complaint_reads.matters, "matter m", "m.raised_at",
        seen("m.person", organ="m.organ") + " AND m.against IS DISTINCT FROM $1", asked=("all",),
    ),
    Listing(
        "holds", hold_reads.holds, "hold h", "h.placed_at", seen(organ="h.organ") + " AND NOT hold_kept_from(h, $1)",
        asked=("standing",),
    ),
    Listing(
        "injuries", injury_reads.injuries, "injury i", "i.reported_at",
        f"({seen('i.person', organ='i.organ')}"
        " OR EXISTS (SELECT FROM injury_report x WHERE x.injury = i.id AND x.by_person = $1))",
        roles=HANDLING, asked=("all",),
    ),
    Listing(
        "reviews", reviews.reviews, "review v", "v.opened_at",
        f"({seen('v.reviewer', organ='v.organ')} AND v.wearer <> $1"
        " AND (v.purpose <> 'complaint' OR v.reviewer = $1 OR NOT may_not_handle(v.about, $1)) OR v.reviewer = $1)",
        asked=("all",),
    ),
    Listing(
        "spot checks", spot_checks.spot_checks, "spot_check s JOIN recording r ON r.id = s.recording", "s.drawn_at",
        seen(organ="s.organ") + " AND r.wearer <> $1", roles=INSPECTING, asked=("all",),
    ),
)  # fmt: skip


@dataclass
class Population:
    """People in a tree of organs, and their records, in a transaction that is rolled back."""

    chance: Random
    organs: list[str] = field(default_factory=list)
    auxiliaries: list[UUID] = field(default_factory=list)
    officers: list[UUID] = field(default_factory=list)
    recordings: list[tuple[UUID, UUID]] = field(default_factory=list)
    facts: list[UUID] = field(default_factory=list)  # shifts, and what was told of acts

    def id(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128), version=4)

    def one_of(self, some: Sequence[Any]) -> Any:
        return self.chance.choice(some)

    def at(self) -> datetime:
        """One of few moments, so that many rows share one."""
        return self.one_of(SLOTS) + timedelta(minutes=self.one_of((0, 10, 20)))

    def maybe(self, value: Any, likely: float = 0.5) -> Any:
        return value if self.chance.random() < likely else None

    async def put(self, table: str, **columns: Any) -> UUID:
        row = {"id": self.id(), **columns}
        values = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        await execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})", *row.values())  # noqa: S608
        return row["id"]

    def actor(self, person: UUID, *roles: Role) -> Actor:
        return Actor(person=person, badge="X", kind="officer", organ=self.organs[0], session=person, roles=roles)

    def viewers(self) -> list[Actor]:
        """Auxiliaries, officers, and whoever has a role on one organ or several, above and below each other."""
        actors = [self.actor(person) for person in (*self.auxiliaries[:2], *self.officers[:3])]
        for role in (*ROLES, "commander", "inspector", "commander"):
            organs = self.chance.sample(self.organs, self.one_of((1, 1, 2)))
            person = self.one_of(self.auxiliaries + self.officers)
            actors.append(self.actor(person, *(Role(role, organ) for organ in organs)))
        return [
            *actors,
            self.actor(self.officers[0], Role("commander", self.organs[0]), Role("treasurer", self.organs[0])),
        ]


async def grown(seed: int) -> Population:
    here = Population(Random(seed))  # noqa: S311 - the same again for a seed
    await organs(here, seed)
    await people(here)
    for number, slot in enumerate(SLOTS):
        for auxiliary in here.auxiliaries:
            await duty(here, auxiliary, slot + timedelta(minutes=number % 2))
    for _ in range(50):
        await finding(here)
        await call_for_help(here)
        await complaint(here)
        await matter_and_hold(here)
        await injury(here)
        await review(here)
    for recording, _ in here.recordings[::3]:
        await spot_check(here, recording)
    for person in here.officers + here.auxiliaries:
        await recusal(here, person)
    return here


async def organs(here: Population, seed: int) -> None:
    """A tree: each stands under one that was there before."""
    depths: dict[str, int] = {}
    for number in range(9):
        code, parent = f"8801{seed:02}{number:06}", here.maybe(here.one_of(here.organs or [None]), 0.9)
        depths[code] = 0 if parent is None else depths[parent] + 1
        await execute(
            "INSERT INTO organ (code, name, parent, depth) VALUES ($1, '所', $2, $3)", code, parent, depths[code]
        )
        here.organs.append(code)


async def people(here: Population) -> None:
    for number in range(13):
        kind, some = ("officer", here.officers) if number % 3 == 0 else ("duty_auxiliary", here.auxiliaries)
        badge = f"L-{here.organs[0][4:6]}-{number}"
        organ, person = here.one_of(here.organs), await here.put("person")
        await execute(
            "INSERT INTO stint (person, badge, name, kind, organ, during, source) "
            "VALUES ($1, $2, '林', $3, $4, daterange($5, NULL), 'import')",
            person, badge, kind, organ, SLOTS[0].date(),
        )  # fmt: skip
        some.append(person)


async def duty(here: Population, auxiliary: UUID, began: datetime) -> None:
    """A shift, who led meanwhile, what was filmed, and an act: in an organ, which need not be the one of the last."""
    organ, ended = here.one_of(here.organs), here.maybe(began + timedelta(hours=5), 0.9)
    in_force = here.chance.random() < 0.9 and ended is not None
    shift = await here.put(
        "shift", person=auxiliary, organ=organ, duty_type="patrol", started_at=began, ended_at=ended,
        ended_by=ended and "check_out", in_force=in_force, dress="uniform", id_card_carried=True, equipment=[],
        place=here.maybe(here.one_of(PLACES)),
    )  # fmt: skip
    here.facts.append(shift)
    await naming(here, auxiliary, organ, began)
    for minutes in (0, 60, 200):
        await footage(here, auxiliary, organ, began + timedelta(minutes=minutes))
    if leader := here.maybe(here.one_of(here.officers), 0.2):
        await footage(here, leader, organ, began)
    await act(here, auxiliary, organ, began)


async def naming(here: Population, auxiliary: UUID, organ: str, began: datetime) -> None:
    """For half an hour or three, answered or not."""
    answer = here.one_of(("confirmed", "confirmed", "declined", None))
    ended = began + timedelta(minutes=here.one_of((30, 180)))
    await here.put(
        "supervision", auxiliary=auxiliary, officer=here.one_of(here.officers), organ=organ, started_at=began,
        ended_at=ended, ended_by="end", in_force=here.chance.random() < 0.8, answer=answer,
        answered_at=answer and began, leads_from=began if answer == "confirmed" else None,
    )  # fmt: skip


async def footage(here: Population, wearer: UUID, organ: str, began: datetime) -> None:
    same_as = (here.recordings and here.maybe(here.recordings[-1][0], 0.1)) or None
    ended = here.maybe(began + timedelta(minutes=here.one_of((0, 9))), 0.8)
    recording = await here.put(
        "upload", kind="recording", owner=wearer, organ=organ, declared_by=wearer, file_name="a.mp4",
        media_type="video/mp4", state="same_as" if same_as else "declared", same_as=same_as, part_size=8388608,
        object_key=f"l/{here.id()}", declared_at=began, touched_at=began,
    )  # fmt: skip
    await here.put(
        "recording", id=recording, wearer=wearer, organ=organ, camera_serial="D", camera_offset_ms=0,
        correction_ms=0, camera_started_at=began, started_at=began, ended_at=ended, key_mark=False,
        incident_ref=here.maybe(here.one_of(INCIDENTS), 0.1),
    )  # fmt: skip
    here.recordings.append((recording, wearer))


async def act(here: Population, auxiliary: UUID, organ: str, began: datetime) -> None:
    case_ref, ended = here.maybe(here.one_of(CASES)), began + timedelta(minutes=90)
    needs = {"needs_leading": True, "needs_recording": True, "legality": False, "notice_owed": False}
    work = here.one_of(WORKS)
    fields = {
        "work": work,
        "place": here.maybe(here.one_of(PLACES)),
        "started_at": began,
        "case_ref": case_ref,
        "incident_ref": here.maybe(here.one_of(INCIDENTS)),
        "needs_insurance": False,
        "equipment": [],
    }
    activity = here.id()
    await execute(
        "INSERT INTO activity (id, person, organ, work, case_kind, case_ref, emergency, started_at, ended_at, finished,"
        " spans, needs_leading, needs_recording, legality, notice_owed, notice_given, needs_insurance, equipment)"
        " SELECT $1, $2, $3, $7, 'administrative', $4, false, $5::timestamptz, $6::timestamptz, true,"
        " tstzmultirange(tstzrange($5, $6)), true, true, false, false, false, false, '{}'",
        activity, auxiliary, organ, case_ref, began, ended, work,
    )  # fmt: skip
    await here.put(
        "activity_telling", id=activity, activity=activity, verb="start", at=began, live=True, notice_given=False,
        case_kind="administrative", **needs, **fields,
    )  # fmt: skip
    here.facts.append(activity)


async def recusal(here: Population, person: UUID) -> None:
    """Half of them are out of one of the cases, so that its footage is hidden from them."""
    state, at = here.one_of(("pending", "granted")), here.at()
    asked = await here.put(
        "recusal", person=person, organ=here.one_of(here.organs), case_ref=here.one_of(CASES), words="认识",
        case_kind="administrative", capacity="party", applicant="王某", oral=False, ground="other_relation",
        taken_by=here.one_of([one for one in here.officers if one != person]), asked_at=at, state=state,
        decided_in=here.organs[0], due_at=None if state == "granted" else at, version=2,
    )  # fmt: skip
    if state == "granted":
        step = {"recusal": asked, "version": 2, "step": "grant", "by_person": here.officers[0], "at": at, "words": "准"}
        await here.put("recusal_step", **step)


async def finding(here: Population) -> None:
    began, subject = here.maybe(here.at(), 0.8), here.facts.pop(here.chance.randrange(len(here.facts)))
    await here.put(
        "finding", kind=here.one_of(KINDS), subject=subject, organ=here.one_of(here.organs), found_at=here.at(),
        person=here.maybe(here.one_of(here.auxiliaries), 0.8), started_at=began, withdrawn_at=here.maybe(SLOTS[-1]),
        ended_at=began and here.maybe(began + timedelta(minutes=40)), explained=here.chance.random() < 0.3,
    )  # fmt: skip


async def call_for_help(here: Population) -> None:
    call = await here.put(
        "assistance", person=here.one_of(here.auxiliaries), organ=here.one_of(here.organs), kind="crowd",
        called_at=here.at(), asked_in=here.organs[0],
    )  # fmt: skip
    await here.put("assistance_called", call=call, person=here.one_of(here.officers), at=SLOTS[0])
    if step := here.maybe(here.one_of(("acknowledge", "close"))):
        words = "散了" if step == "close" else None
        by = here.one_of(here.officers)
        await here.put("assistance_step", call=call, step=step, by_person=by, at=SLOTS[0], words=words)


async def complaint(here: Population) -> None:
    at, outcome = here.at(), here.maybe("partly")
    made = await here.put(
        "complaint", organ=here.one_of(here.organs), channel="desk", anonymous=True, words="态度", started_at=at,
        ended_at=at, taken_by=here.one_of(here.officers), received_at=at, notice_by=at, end_by=at, outcome=outcome,
        concluded_at=outcome and at, version=1, kind="petition", accepted_at=at,
    )  # fmt: skip
    for person in here.chance.sample(here.auxiliaries + here.officers, 2):
        await here.put("complaint_person", complaint=made, person=person)


async def matter_and_hold(here: Population) -> None:
    person, against = here.chance.sample(here.auxiliaries + here.officers, 2)
    await here.put(
        "matter", person=person, organ=here.one_of(here.organs), kind="appeal", against=here.maybe(against),
        of_relative=False, words="申诉", raised_at=here.at(), answer_by=SLOTS[-1],
    )  # fmt: skip
    await here.put(
        "hold", organ=here.one_of(here.organs), origin="placed", person=person, started_at=here.at(), permanent=False,
        reason="留存", placed_by=against, placed_at=here.at(),
    )  # fmt: skip


async def injury(here: Population) -> None:
    person, organ, at = here.one_of(here.auxiliaries), here.one_of(here.organs), here.at()
    later = at + timedelta(days=30)
    hurt = await here.put(
        "injury", person=person, organ=organ, handled_in=organ, injured_at=at, reported_at=at, fatal=False,
        recognition="reported", apply_by=later, window_until=later, version=1,
    )  # fmt: skip
    for _ in range(2):
        await here.put(
            "injury_report", injury=hurt, by_person=here.one_of(here.auxiliaries + here.officers), at=at, how="摔",
            injured_at=at, doing="巡逻", body_part="手", severity="minor",
        )  # fmt: skip


async def review(here: Population) -> None:
    recording, wearer = here.one_of(here.recordings)
    purpose, at = here.one_of(("case", "complaint")), here.at()
    complaints = await fetch("SELECT id FROM complaint WHERE organ = ANY ($1) ORDER BY id", here.organs)
    await here.put(
        "review", recording=recording, wearer=wearer, organ=here.one_of(here.organs), purpose=purpose, number="1",
        reviewer=here.one_of(here.officers + here.auxiliaries), tasked=True, opened_at=at, over_at=at,
        about=here.one_of(complaints)["id"] if purpose == "complaint" else None, needs_approval=False,
    )  # fmt: skip


async def spot_check(here: Population, recording: UUID) -> None:
    organ, at = here.one_of(here.organs), here.at()
    await here.put("spot_check", recording=recording, organ=organ, week=at.date(), drawn_at=at, due_at=at)


class Undone(Exception):
    """Raised to roll the population back, because other tests read whole tables."""


@asynccontextmanager
async def a_population(seed: int) -> AsyncIterator[Population]:
    with suppress(Undone):
        async with tx():
            yield await grown(seed)
            raise Undone


async def paged(ask: Callable[[str | None, int], Awaitable[Any]], limit: int) -> list[UUID]:
    """All pages of a list, put together."""
    page = await ask(None, limit)
    ids = [item.id for item in page.items]
    while page.next is not None:
        assert limit == len(page.items)
        page = await ask(page.next, limit)
        ids += [item.id for item in page.items]
        assert len(set(ids)) == len(ids)
    return ids


async def plainly(table: str, condition: str, by: str, *values: Any) -> list[UUID]:
    """The whole table, row by row."""
    id = f"{by.partition('.')[0]}.id"
    sql = f"SELECT {id} FROM {table} WHERE {condition} ORDER BY {by} DESC, {id} DESC"  # noqa: S608
    return [row["id"] for row in await fetch(sql, *values)]


@pytest.mark.parametrize("seed", range(4))
async def test_all_pages_together_are_the_plain_list(app: Litestar, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every list, every viewer and every page size."""
    if seed % 2:
        monkeypatch.setattr(paging, "_rows_to_read", lambda limit: limit)
    rows_seen = dict.fromkeys((listing.name for listing in LISTS), 0)
    async with a_population(seed) as here:
        for listing in LISTS:
            for actor in here.viewers():
                limit = here.one_of((1, 4, 7, 50, 200)) if listing.table.startswith("shift") else here.one_of((7, 50))
                pages = await paged(partial(listing.ask, actor, *listing.asked), limit)
                plain = await plainly(listing.table, listing.plain, listing.by, *viewer(actor, listing.roles))
                assert plain == pages, (listing.name, actor, limit)
                rows_seen[listing.name] += len(pages)
    assert all(rows_seen.values()), rows_seen


STANDING: dict[findings_lists.FindingStatus, str] = {
    "standing": "f.withdrawn_at IS NULL", "open": "f.withdrawn_at IS NULL AND NOT f.explained",
    "explained": "f.withdrawn_at IS NULL AND f.explained", "withdrawn": "f.withdrawn_at IS NOT NULL", "all": "true",
}  # fmt: skip
HERE = "30.27,120.15,200"
IS_HERE = "({}->>'lat')::float8 < 30.3"
TOLD_HERE = f"""SELECT FROM activity_telling t JOIN activity a ON a.id = t.activity
    WHERE {IS_HERE.format("t.place")} AND {SEEN_ACT}"""
# The filters, written once more: for each of the lists, by values from $3 on.
WANTED = """
($3::uuid IS NULL OR {person} = $3) AND ($5::text IS NULL OR {organ} IN (SELECT organs_under(ARRAY[$5])))
AND ($4::text IS NULL OR {person} IN (SELECT x.person FROM stint x WHERE x.badge = $4))
AND ($7::timestamptz IS NULL OR {began} < $7)
AND ($6::timestamptz IS NULL OR {began} >= $6 OR {lasts} @> $6)
AND ($8::text IS NULL AND $9::text IS NULL OR EXISTS (SELECT FROM activity a WHERE {acts} AND {seen}
    AND ($8 IS NULL OR a.case_ref = $8)) AND EXISTS (SELECT FROM activity a WHERE {acts} AND {seen}
    AND ($9 IS NULL OR a.work = $9)))
AND ($10::text IS NULL OR {near})
AND ($11::text IS NULL OR {own} OR EXISTS (SELECT FROM activity a WHERE {acts} AND {seen} AND a.incident_ref = $11))
"""
LED_BY_WEARER = """EXISTS (SELECT FROM led l WHERE l.auxiliary = a.person AND l.officer = r.wearer
    AND l.during && ({filmed} * acted(a)))"""
FILMED_ACT = f"acted(a) && {FILMED} AND (a.person = r.wearer OR {LED_BY_WEARER.format(filmed=FILMED)})"
FILTERED = {
    "shifts": WANTED.format(
        person="s.person", organ="s.organ", began="s.started_at", lasts="s.during", seen=SEEN_ACT,
        acts="a.person = s.person AND acted(a) && s.during", near=IS_HERE.format("s.place"),
        own="false",
    ),
    "activities": WANTED.format(
        person="a.person", organ="a.organ", began="a.started_at", lasts="acted(a)", acts="a.id = o.id", seen="true",
        own="false",
        near=f"EXISTS (SELECT FROM activity_telling t WHERE t.activity = a.id AND {IS_HERE.format('t.place')})",
    ).replace("FROM activity a", "FROM activity o").replace("AND a.", "AND o.").replace("a.case_ref", "o.case_ref")
    .replace("a.work", "o.work").replace("WHERE a.id = o.id", "WHERE o.id = a.id"),
    "recordings": WANTED.format(
        person="r.wearer", organ="r.organ", began="r.started_at", lasts=FILMED.replace(", '[]'", ""), seen=SEEN_ACT,
        acts=FILMED_ACT, own="r.incident_ref = $11", near=f"EXISTS ({TOLD_HERE} AND {FILMED_ACT})",
    ),
    "findings": WANTED.format(  # noqa: S608 - constants
        person="f.person", organ="f.organ", began="coalesce(f.started_at, f.found_at)", lasts=HAPPENED, seen=SEEN_ACT,
        acts="a.id IN (SELECT t.activity FROM activity_telling t WHERE t.id = f.subject)",
        own="false",
        near=f"""(EXISTS ({TOLD_HERE} AND t.id = f.subject) OR EXISTS (SELECT FROM shift s WHERE s.id = f.subject
            AND {IS_HERE.format("s.place")} AND {seen("s.person", organ="s.organ", led=("s.person", "s.during"))}))""",
    ) + " AND ($12::text IS NULL OR f.kind = $12)",
}  # fmt: skip


def something_wanted(here: Population) -> dict[str, Any]:
    """One to three of the filters, also of what the viewer does not see."""
    filters = {
        "person": here.one_of(here.auxiliaries + here.officers), "organ": here.one_of(here.organs),
        "badge": f"L-{here.organs[0][4:6]}-{here.one_of(range(13))}", "since": here.at(), "until": here.at(),
        "case": here.one_of(CASES), "work": here.one_of(WORKS), "near": HERE, "incident": here.one_of(INCIDENTS),
    }  # fmt: skip
    return {name: filters[name] for name in here.chance.sample(list(filters), here.one_of((1, 1, 2, 3)))}


def values_of(wanted: ListFilter) -> list[Any]:
    """In the order of WANTED."""
    return [getattr(wanted, name) for name in ListFilter.__struct_fields__]


def found_among_the_newest(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """For half of the seeds, as if every work and every place had many acts, and a page only few of them."""
    if seed % 2:
        monkeypatch.setattr(filters, "FEW", 0)
        monkeypatch.setattr(filters, "NEWEST", 3)


@pytest.mark.parametrize("seed", range(4))
async def test_findings_sought_are_those_of_the_plain_list(
    app: Litestar, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """By everything that the other lists are filtered by, and by kind and standing."""
    found_among_the_newest(monkeypatch, seed)
    rows_seen: dict[str, int] = {}
    async with a_population(seed) as here:
        for actor in here.viewers() * 24:
            kind, standing = here.maybe(here.one_of(KINDS), 0.3), here.one_of(list(STANDING))
            sought = findings_lists.FindingsFilter(**something_wanted(here), kind=kind, standing=standing)
            limit = here.one_of((1, 3, 50))
            pages = await paged(lambda *page: findings_lists.findings(actor, sought, "zh", *page), limit)  # noqa: B023 - awaited here
            condition = f"{FINDING} AND {STANDING[standing]} AND {FILTERED['findings']}"
            plain = await plainly("finding f", condition, "f.found_at", *viewer(actor), *values_of(sought), kind)
            assert plain == pages, (actor, sought, limit)
            note_rows(rows_seen, sought, pages)
    assert all(rows_seen.get(name) for name in ListFilter.__struct_fields__), rows_seen


def note_rows(rows_seen: dict[str, int], wanted: ListFilter, rows: Sequence[UUID]) -> None:
    """Count the rows that each filter let through, so that none of them passes by finding nothing."""
    for name in ListFilter.__struct_fields__:
        if getattr(wanted, name) is not None:
            rows_seen[name] = rows_seen.get(name, 0) + len(rows)


@pytest.mark.parametrize("seed", range(4))
async def test_filters_narrow_what_one_sees_and_show_nothing_more(
    app: Litestar, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Shifts, footage and acts by person, badge, organ, period, case, incident, work and place, for whoever asks.

    An act that the viewer may not see finds nothing.
    """
    found_among_the_newest(monkeypatch, seed)
    rows_seen: dict[str, int] = {}
    async with a_population(seed) as here:
        for listing in (listing for listing in LISTS if listing.name in FILTERED):
            for actor in here.viewers() * 2:
                wanted, limit = ListFilter(**something_wanted(here)), here.one_of((7, 50))
                pages = await paged(partial(listing.ask, actor, wanted), limit)
                condition = f"{listing.plain} AND {FILTERED[listing.name]}"
                plain = await plainly(listing.table, condition, listing.by, *viewer(actor), *values_of(wanted))
                assert plain == pages, (listing.name, actor, wanted)
                note_rows(rows_seen, wanted, pages)
    assert all(rows_seen.get(name) for name in ListFilter.__struct_fields__), rows_seen


INDEXED = """
SELECT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = $1::regclass AND i.indpred IS NULL
    AND pg_get_indexdef(i.indexrelid, 1, true) = $2 AND pg_get_indexdef(i.indexrelid, 2, true) = $3)
"""


async def test_each_index_path_of_a_list_has_its_index(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the column of the path and the list's time, so that a page costs the same in a house of any size."""
    paths: set[tuple[str, str, str]] = set()

    def noted(listed: ListQuery, path: IndexPath, limit: int) -> str:
        paths.add((listed.table.split()[0], path.column.partition(".")[2], listed.by))
        return written(listed, path, limit)

    written, anybody = paging._rows_on, Actor(person=uuid4(), badge="X", kind="officer", organ="X", session=uuid4())
    monkeypatch.setattr(paging, "_rows_on", noted)
    for listing in LISTS:
        await listing.ask(anybody, *listing.asked, None, 50)
    await findings_lists.findings(anybody, findings_lists.FindingsFilter(), "zh", None, 50)
    assert len(paths) > 20
    for path in sorted(paths):
        assert path[1] == "id" or await value(INDEXED, *path), path


async def test_a_statement_of_a_list_is_short_enough_to_be_prepared_once(app: Litestar) -> None:
    """asyncpg does not keep longer statements, and would plan them again at every call."""
    assert len(paging._page(duty_lists.RECORDING_LIST, 201)) < 15_000
    some: dict[str, Any] = {"organ": "330100000000", "since": SLOTS[0], "until": SLOTS[1]}
    each = [ListFilter(**some, **more) for more in ({"badge": "FJ1"}, {"case": "1"}, {"work": "9.6"}, {"near": HERE})]
    for query, how in (
        (duty_lists.SHIFT_LIST, duty_lists.SHIFT_FILTERS), (duty_lists.RECORDING_LIST, duty_lists.RECORDING_FILTERS),
        (duty_lists.ACTIVITY_LIST, duty_lists.ACTIVITY_FILTERS),
        (findings_lists.FINDING_LIST, findings_lists.FINDING_FILTERS),
    ):  # fmt: skip
        for wanted in each:
            listed, _ = await narrowed(query, how, wanted)
            assert len(paging._page(listed, 201)) < 15_000
