"""What runs out (R.8, 24, 30): soon, already, or never there; and how a report tells it."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from litestar import Litestar
from rich.console import Console

from backend.activities import duty_check
from backend.activities.duty_check import DutyQuestion
from backend.core.days import last_day
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.law.catalogue import law, use
from backend.oversight.expiring import Expiring, expiring, notice_days
from backend.people import roster
from mobile_api.cli.reports import as_text, of_expiring
from tests.builders import DISTRICT, OTHER_DISTRICT, SIBLING, STATION, a_badge, a_day, a_row, rows_of
from tests.houses import LIN, succeeded
from tests.prepared import Templates

TODAY = a_day()
NOW = datetime.fromisoformat(f"{TODAY}T12:00:00+08:00")  # noon, so that no midnight falls into a test
LONG = TODAY + timedelta(days=400)
COVERED = {"pre_job_training": (-30, 400), "yearly_training": (-30, 400), "accident_insurance": (-30, 400)}


def day(offset: int | None) -> date | None:
    return None if offset is None else TODAY + timedelta(days=offset)


async def somebody_with(
    kind: str = "duty_auxiliary", organ: str = STATION, **held: tuple[int | None, ...] | None
) -> str:
    """A person in service; each thing held as (first, last) day from today, or more pairs. Their badge number."""
    badge = a_badge("E")
    rows = rows_of(badge, "林小川", kind, organ, [])
    for code, days in held.items():
        for first, last in zip((days or ())[::2], (days or ())[1::2], strict=True):
            rows.append(
                a_row(record="qualification", code=badge, kind=code, valid_from=day(first), valid_until=day(last))
            )
    await roster.bring_in(rows)
    return badge


async def listed(badge: str, days: int = 30, organ: str | None = None) -> dict[str, tuple[str, date | None]]:
    """What the report says of one person: state and last day, by code."""
    rows = [row for row in await expiring(NOW, days, organ) if row.badge == badge]
    by_code = {row.code: (row.state, row.valid_until) for row in rows}
    assert len(rows) == len(by_code), "nothing is listed twice"
    return by_code  # type: ignore[return-value]


async def test_a_special_training_that_some_work_asks_for_runs_out_too(app: Litestar) -> None:
    """R.30: whoever has it is told before it ends, by its name; whoever never had it is not asked for it."""
    badge = await somebody_with(**COVERED, restraint_training=(-30, 10))
    assert {"restraint_training": ("expires", day(10))} == await listed(badge)
    (row,) = [row for row in await expiring(NOW, 30) if row.badge == badge]
    assert ("约束和约束性警械使用专项培训", "Special training in restraint and restraint implements") == row.words()
    assert {} == await listed(await somebody_with(**COVERED))


async def test_a_person_who_has_everything_is_not_listed(app: Litestar) -> None:
    """The list holds only what needs action."""
    assert {} == await listed(await somebody_with(**COVERED))


@pytest.mark.parametrize(
    ("held", "state"),
    [
        ((-300, 29), "expires"), ((-300, 30), "expires"), ((-300, 31), None), ((-300, 0), "expires"),
        ((-300, -1), "expired"), ((-300, None), None), ((1, 400), "missing"), (None, "missing"),
        ((-300, 10, 11, 400), None), ((-300, 10, 5, 400), None), ((-300, 10, 12, 400), "expires"),
        ((-300, 10, 11, 20), "expires"), ((-300, -10, 5, 400), "expired"), ((-300, -10, -5, 400), None),
    ],
)  # fmt: skip
async def test_what_expires_has_expired_or_is_missing(
    app: Litestar, held: tuple[int | None, ...] | None, state: str | None
) -> None:
    """The last day still counts; a renewal without a gap is no running out, one that comes too late is."""
    badge = await somebody_with(**(COVERED | {"accident_insurance": held}))  # type: ignore[arg-type]
    found = await listed(badge)
    assert state == (found["accident_insurance"][0] if found else None)
    assert not found.keys() - {"accident_insurance"}


async def test_the_last_day_of_a_chain_of_renewals_is_listed(app: Litestar) -> None:
    """Not the first that ends in it."""
    badge = await somebody_with(**(COVERED | {"accident_insurance": (-300, 10, 11, 20)}))
    assert {"accident_insurance": ("expires", day(20))} == await listed(badge)
    assert {} == await listed(badge, days=19)


@pytest.mark.parametrize(
    "held",
    [
        {}, {"pre_job_training": (-10, None)}, {"pre_job_training": (-365, None)}, {"pre_job_training": (-367, None)},
        {"pre_job_training": (-900, None)}, {"yearly_training": (-10, 400)}, {"yearly_training": (-10, -5)},
        {"yearly_training": (-700, -400)}, {"yearly_training": (-700, None)}, {"yearly_training": (5, 400)},
        {"pre_job_training": (-900, None), "yearly_training": (-365, -300)},
        {"pre_job_training": (-900, None), "yearly_training": (-367, -300)},
    ],
)  # fmt: skip
async def test_yearly_training_is_judged_as_the_verdict_judges_it(
    app: Litestar, held: dict[str, tuple[int | None, ...]]
) -> None:
    """R.30: nobody is in order for the report and out of order in the street."""
    badge = await somebody_with(**held)
    person = await roster.person_id_of(badge)
    assert person is not None
    actor = Actor(person=person, badge=badge, kind="duty_auxiliary", organ=STATION, session=uuid4())
    facts = await duty_check.facts_at(actor, DutyQuestion(), NOW)
    found = await listed(badge, days=0)
    lapsed = {code for code, (state, _) in found.items() if state != "expires"}
    assert facts.yearly_training_expired == ("yearly_training" in lapsed)
    assert facts.trained == ("pre_job_training" not in lapsed)


async def test_a_year_after_the_training_is_the_last_day(app: Litestar) -> None:
    """Without a date of its own, training counts for the year from its first day."""
    badge = await somebody_with(**(COVERED | {"pre_job_training": (-350, None), "yearly_training": None}))  # type: ignore[arg-type]
    trained = TODAY - timedelta(days=350)
    assert {"yearly_training": ("expires", last_day(law(), "yearly_training_period", trained))} == await listed(badge)


async def test_the_works_say_who_must_have_what(app: Litestar) -> None:
    """R.30 trains every auxiliary; R.24 insures those whose works require it; officers are not listed."""
    trainings = {"pre_job_training", "yearly_training"}
    assert trainings | {"accident_insurance"} == (await listed(await somebody_with())).keys()
    assert trainings == (await listed(await somebody_with("civilian_auxiliary"))).keys()
    assert {} == await listed(await somebody_with("officer")) == await listed(await somebody_with("staff"))


async def test_professional_qualifications_are_those_that_the_works_name(app: Litestar) -> None:
    """R.8 last paragraph: one that lapsed is listed; one never held is not, nor one that no work requires."""
    badge = await somebody_with("civilian_auxiliary", **COVERED, translation=(-300, 7), cooking=(-300, 7))
    assert {"translation": ("expires", day(7))} == await listed(badge)
    driver = await somebody_with(**COVERED, driving_licence=(-3000, -1))
    assert {"driving_licence": ("expired", day(-1))} == await listed(driver)


async def test_a_person_who_left_service_is_not_listed(app: Litestar) -> None:
    """Nor whoever has not begun."""
    for dates in ({"valid_until": day(-1)}, {"valid_from": day(1)}):
        badge = a_badge("E")
        await roster.bring_in(rows_of(badge, "朱新", "duty_auxiliary", STATION, [], **dates))
        assert {} == await listed(badge)
    badge = a_badge("E")
    await roster.bring_in(rows_of(badge, "朱新", "duty_auxiliary", STATION, [], valid_until=TODAY))
    assert 3 == len(await listed(badge))


@pytest.mark.parametrize(
    ("organ", "seen"), [(STATION, True), (DISTRICT, True), (SIBLING, False), (OTHER_DISTRICT, False)]
)
async def test_an_organ_includes_all_below_it(app: Litestar, organ: str, seen: bool) -> None:
    """The bureau reads of its stations."""
    assert seen == bool(await listed(await somebody_with(), organ=organ))


async def test_an_unknown_organ_is_refused(app: Litestar) -> None:
    """A mistyped code must not look like an empty list."""
    with pytest.raises(Refusal) as caught:
        await expiring(NOW, 30, "330199999999")
    assert "unknown_organ" == caught.value.code


@contextmanager
def a_law_with(directory: Path, term: str) -> Iterator[None]:
    (directory / "terms.toml").write_text(term)
    use(directory)
    yield
    use(None)


def test_how_many_days_ahead_is_a_term(tmp_path: Path) -> None:
    """Another deployment looks two months ahead."""
    assert 30 == notice_days()
    term = 'days = 60\ncounts = "plain"\nsource = "its own circular"\nversion = "2020"\n'
    with a_law_with(tmp_path, f"[expiring_notice]\n{term}"):
        assert 60 == notice_days()


# -- how it is printed


def a_line(**fields: object) -> Expiring:
    common = {
        "organ": STATION, "organ_name": "城关派出所", "badge": "FJ1001", "name": "林小川", "code": "medicine",
        "valid_until": LONG, "state": "expires",
    }  # fmt: skip
    return Expiring(**(common | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", ["=1+1", "+86", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_a_name_is_no_formula_in_a_spreadsheet(cell: str) -> None:
    """A roster may hold anything."""
    (_, row) = csv.reader(io.StringIO(of_expiring([a_line(name=cell)], 30).csv().removeprefix("\ufeff"), newline=""))
    assert f"'{cell}" == row[2] == as_text(cell)
    assert "林小川" == as_text("林小川")


def test_a_spreadsheet_reads_chinese(app: Litestar) -> None:
    """UTF-8 with its mark; six columns; what is missing has no date."""
    text = of_expiring([a_line(), a_line(state="missing", valid_until=None, code="pre_job_training")], 30).csv()
    assert text.startswith("\ufeff")
    head, held, missing = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert ["organ", "badge", "name", "what", "valid until", "state"] == head
    assert [f"城关派出所 {STATION}", "FJ1001", "林小川"] == held[:3]
    assert [f"{law().qualifications['medicine'].zh} {law().qualifications['medicine'].en}", str(LONG)] == held[3:5]
    assert ["岗前培训 Training before the job", "", "没有记录 missing"] == missing[3:]


def test_a_name_is_no_markup_in_the_terminal() -> None:
    """The table shows what the roster says."""
    console = Console(width=200, file=io.StringIO())
    console.print(of_expiring([a_line(name="[red]林[/] [/nothing]")], 30).table())
    assert "[red]林[/] [/nothing]" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_narrow_terminal_hides_nothing() -> None:
    """Cells are folded, not cut."""
    console = Console(width=60, file=io.StringIO())
    console.print(of_expiring([a_line(code="accident_insurance")], 30).table())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert all(word in text for word in ("林小川", "FJ1001", "Accident", "insurance", "expires"))


def test_an_empty_report_is_a_sentence() -> None:
    """An empty screen is no answer."""
    assert "Nothing expires within 30 days, has expired or is missing." == of_expiring([], 30).sentence
    counted = of_expiring([a_line(), a_line(state="expired"), a_line(state="missing")], 7).sentence
    assert "1 expire within 7 days, 1 expired, 1 missing" == counted


def test_the_command_prints_and_writes_the_report(tmp_path: Path, templates: Templates) -> None:
    """`fujing report expiring`, as an operator runs it."""
    place, _ = templates.place(tmp_path / "whole")
    file = tmp_path / "到期.csv"
    output = succeeded(place.run("report", "expiring", "--organ", "330102000000", "--csv", str(file)))
    rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline="")))
    assert f"0 expire within 30 days, 0 expired, {len(rows) - 1} missing" in output
    assert (3, 0o600) == ([row[1] for row in rows].count(LIN), file.stat().st_mode & 0o777)
    wrong = place.run("report", "expiring", "--organ", "999999999999")
    assert (1, True) == (wrong.returncode, "No organ has this code" in wrong.stderr)
