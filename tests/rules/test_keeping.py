"""Which facts keep footage for ever is the law's: what it may name, what it leaves out, and from when. No database."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from backend.assistance.schemas import CallKind
from backend.complaints.schemas import MatterKind
from backend.evidence.retention.category_holds import KeepingRule, rules
from backend.injuries.schemas import Severity
from backend.law.catalogue import Case, LawError, law, load, use
from backend.law.checking import check
from backend.law.keeping import FIXED

BUILT_IN = load()
TODAY = datetime(2026, 11, 30, tzinfo=UTC).date()
SAID = 'zh = "保存"\nen = "Kept"\nsource = "its own circular"\n'


@pytest.fixture(autouse=True)
def the_law_before() -> Iterator[None]:
    """Put the built-in law back in force after each test."""
    yield
    use(None)


def a_law(directory: Path, text: str, **files: str) -> Path:
    """A directory whose regulation.toml is this, and the other files named."""
    directory.mkdir(exist_ok=True)
    for name, content in ({"regulation": text} | files).items():
        (directory / f"{name}.toml").write_text(content, encoding="utf-8")
    return directory


def rule(code: str, **fields: str) -> str:
    """One table of [keeps]; the values of the fields as TOML has them."""
    return f"[keeps.{code}]\n{SAID}" + "".join(f"{name} = {value}\n" for name, value in fields.items())


def in_short() -> list[tuple[str, str | None, str | None, float]]:
    """What keeps footage: fact, value, category, hours around."""
    return [(one.fact, one.value, one.category, one.around / timedelta(hours=1)) for one in rules()]


def literals(annotated: Any) -> set[str]:
    """The values of a list of them, as an entry's field has it."""
    kind = get_args(annotated)[0] if hasattr(annotated, "__metadata__") else annotated
    return set(get_args(kind))


def test_the_law_knows_the_values_that_entries_have() -> None:
    """The law may not import a feature, so the lists stand twice and are compared here."""
    for fact, told, without in (("case", Case, {"none"}), ("call", CallKind, set()), ("matter", MatterKind, set()),
                                ("injury", Severity, set())):  # fmt: skip
        assert literals(told) - without == set(FIXED[fact])


def test_the_built_in_law_keeps_what_it_kept() -> None:
    """As the view of migration 0045 had it: no fact more, no fact less."""
    use(None)
    assert [
        ("case", "administrative", "case_evidence", 0),
        ("case", "criminal", "case_evidence", 0),
        ("call", "violence", "violence", 2),
        ("matter", "harassment", "harassment", 2),
        ("key_mark", None, "key_mark", 0),
        ("described", None, None, 0),
    ] == in_short()
    assert {(None, None)} == {(one.since, one.until) for one in rules()}


@pytest.mark.parametrize("term", sorted({str(rule.term) for rule in law().provisions.keeps.values()}))
def test_a_house_switches_one_fact_off_by_a_term(tmp_path: Path, term: str) -> None:
    """Without repeating the others."""
    off = f'[{term}]\npermanent = false\nsource = "its own circular"\nversion = "1"\n'
    use(a_law(tmp_path, "", terms=off))
    (fact,) = (one.fact for one in BUILT_IN.provisions.keeps.values() if one.term == term)
    assert fact not in {one[0] for one in in_short()}
    assert {one.fact for one in BUILT_IN.keeping()} - {fact} == {one[0] for one in in_short()}


def test_another_law_adds_a_fact_and_narrows_another(tmp_path: Path) -> None:
    """Its table takes the place of ours as a whole: it keeps criminal cases alone, every use of cuffs, two works."""
    text = (
        rule("case", fact='"case"', values='["criminal"]', category='"case_evidence"')
        + rule("cuffs", fact='"restraint"', values='["handcuffs"]', category='"restraint"', around='"kept_around"')
        + rule("works", fact='"work"', values='["9.4", "10.3"]', category='"other_major"')
        + rule("hurt", fact='"injury"', category='"other_major"', term='"kept_violence"')
    )
    use(a_law(tmp_path, text))
    assert [
        ("case", "criminal", "case_evidence", 0),
        ("restraint", "handcuffs", "restraint", 2),
        ("work", "9.4", "other_major", 0),
        ("work", "10.3", "other_major", 0),
        ("injury", None, "other_major", 0),
    ] == in_short()
    assert {"保存"} == {one.reason for one in rules()}


def test_a_law_may_keep_nothing_for_ever(tmp_path: Path) -> None:
    """An empty table is one too."""
    use(a_law(tmp_path, "[keeps]\n"))
    assert [] == rules()


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ({"fact": '"arrest"', "category": '"x"'}, ":5: [keeps.a] fact must be case or call or"),
        ({"fact": '"case"', "values": '["civil"]', "category": '"x"'},
         ":6: [keeps.a] civil is no value of case, which are administrative, criminal"),
        ({"fact": '"call"', "values": '["noise"]', "category": '"x"'}, ":6: [keeps.a] noise is no value of call"),
        ({"fact": '"work"', "values": '["99.1"]', "category": '"x"'}, ":6: [keeps.a] 99.1 is no value of work"),
        ({"fact": '"restraint"', "values": '["net"]', "category": '"x"'}, ":6: [keeps.a] net is no value of restraint"),
        ({"fact": '"described"', "values": '["flood"]'}, ":6: [keeps.a] flood is no value of described"),
        ({"fact": '"key_mark"', "values": '["red"]', "category": '"x"'},
         ":6: [keeps.a] red is said of key_mark, which has no values"),
        ({"fact": '"case"'}, ":1: [keeps.a] category is missing"),
        ({"fact": '"described"', "category": '"x"'}, ":6: [keeps.a] the category of described is its value"),
        ({"fact": '"case"', "category": '"X y"'}, ":6: [keeps.a] category is not usable"),
        ({"fact": '"case"', "category": '"x"', "around": '"footage_retention"'},
         ":7: [keeps.a] there is no term by the clock [footage_retention]"),
        ({"fact": '"case"', "category": '"x"', "term": '"kept_around"'},
         ":7: [keeps.a] there is no [kept_around] that says permanent"),
        ({"fact": '"case"', "category": '"x"', "colour": '"red"'}, ":7: [keeps.a] colour is not known here"),
    ],
)  # fmt: skip
def test_what_a_rule_cannot_name_is_a_mistake(tmp_path: Path, fields: dict[str, str], mistake: str) -> None:
    """With its file and line; `fujing law check` tells the same and puts nothing into force."""
    directory = a_law(tmp_path, rule("a", **fields))
    with pytest.raises(LawError) as caught:
        load(directory, over=BUILT_IN)
    (line,) = str(caught.value).split("\n")
    assert line.startswith(f"regulation.toml{mistake}")
    (found,) = check(directory, TODAY)
    assert ([line], False) == (found.mistakes, found.usable)


@pytest.mark.parametrize("values", ['["violence"]', '["crowd", "violence"]', None])
def test_no_value_is_in_two_rules(tmp_path: Path, values: str | None) -> None:
    """Footage would be kept as of two categories, and nobody could say for which reason."""
    second = {"fact": '"call"', "category": '"y"'} | ({} if values is None else {"values": values})
    text = rule("a", fact='"call"', values='["violence"]', category='"x"') + rule("b", **second)
    with pytest.raises(LawError, match=r"\[keeps\.b\] another rule has the same value of call"):
        load(a_law(tmp_path, text), over=BUILT_IN)


def test_other_works_leave_no_rule_that_names_what_is_gone(tmp_path: Path) -> None:
    """An edition that has other works says anew which of them keep footage."""
    before = load(a_law(tmp_path / "a", rule("w", fact='"work"', values='["9.4"]', category='"x"')), over=BUILT_IN)
    works = '["1.1"]\ntext = "禁止"\ngloss = "Forbidden"\nkind = "none"\n'
    articles = "".join(f"{number} = '{number}'\n" for number in range(1, 44))
    named = f"[regulation]\nzh = '新'\nen = 'New'\nin_force_from = 2027-07-01\nsource = 'R.50'\n[articles]\n{articles}"
    with pytest.raises(LawError, match=r"\[keeps\.w\] 9\.4 is no value of work"):
        load(a_law(tmp_path / "b", named, works=works), over=before)


def test_each_edition_keeps_what_happened_in_its_time(tmp_path: Path) -> None:
    """From a day on the law keeps pursuits too: what was before stays as it was judged then."""
    articles = "".join(f"{number} = '{number}'\n" for number in range(1, 44))
    named = (
        "[regulation]\nzh = '新'\nen = 'New'\nin_force_from = 2027-07-01\nsource = 'R.50'\nfollows_built_in = true\n"
        f"[articles]\n{articles}"
    )
    use(a_law(tmp_path, named + rule("call", fact='"call"', values='["pursuit"]', category='"pursuit"')))
    begins = datetime(2027, 6, 30, 16, tzinfo=UTC)
    assert {None: begins, begins: None} == {one.since: one.until for one in rules()}
    assert [KeepingRule("call", "pursuit", "pursuit", "保存", timedelta(), begins, None)] == [
        one for one in rules() if one.since == begins
    ]
    assert len(in_short()) == 1 + 6


def test_what_differs_is_told_before_it_is_adopted(tmp_path: Path) -> None:
    """A row for each rule that is new, gone or other."""
    (found,) = check(a_law(tmp_path, rule("case", fact='"case"', values='["criminal"]', category='"x"')), TODAY)
    told = {(one.entry, one.field) for one in found.differences}
    assert {("keeps.case", "values"), ("keeps.case", "category"), ("keeps.violence", "")} <= told
