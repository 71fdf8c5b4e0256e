"""A regulation names itself and confirms what it keeps; its editions follow each other; its sources are dated."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from backend.law.calendar import EDITIONS
from backend.law.catalogue import Law, LawError, law, law_at, laws, load, read, tables_of, use
from backend.law.checking import check
from backend.law.regulation import (
    cited_by_article,
    cited_by_source,
    renumbered_article,
    renumbered_source,
    sources_in,
)
from backend.law.sources import named_in, past_review, standing_of

BUILT_IN = load()
NAMED = "[regulation]\nzh = '另一省的条例'\nen = 'Another'\nin_force_from = {since}\nsource = 'R.50'\n"
TODAY = date(2026, 11, 30)


@pytest.fixture(autouse=True)
def the_law_before() -> Iterator[None]:
    """Put the built-in law back in force after each test."""
    yield
    use(None)


def cited(over: Law) -> set[str]:
    """Every article that a sentence or a source of this law cites."""
    articles = {article for message in over.messages.values() for article in cited_by_article(message.article)}
    tables = [table.entries for table in tables_of(over) if table.name != "regulation"]  # which names itself anew
    entries = [entry for table in tables for entry in table.values()]
    return articles | {article for entry in entries for text in sources_in(entry) for article in cited_by_source(text)}


def a_directory(path: Path, since: str = "2020-07-01", *, without: str = "", also: str = "", **renumbered: str) -> Path:
    """A directory that names a regulation and confirms every article but one."""
    ours = {article: article for article in sorted(cited(BUILT_IN), key=int) if article != without}
    ours |= {article.removeprefix("_"): number for article, number in renumbered.items()}
    articles = "".join(f"{article} = '{number}'\n" for article, number in ours.items())
    path.mkdir(exist_ok=True)
    text = f"{NAMED.format(since=since)}{also}\n[articles]\n{articles}"
    (path / "regulation.toml").write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "articles"),
    [
        ("32", ["32"]), ("8, 9, 10", ["8", "9", "10"]), ("11, 程序规定 58", ["11"]), ("程序规定 55, 86", []),
        ("刑事程序规定 37", []), (None, []),
    ],
)  # fmt: skip
def test_which_articles_a_sentence_cites(text: str | None, articles: list[str]) -> None:
    """What follows another law's name is that law's."""
    assert articles == cited_by_article(text)


@pytest.mark.parametrize(
    ("text", "articles"),
    [
        ("R.11, R.13(1) (F); 执勤规范 72", ["11", "13"]), ("R.8, 24, 30", ["8", "24", "30"]),
        ("R.32 para 3 (F)", ["32"]), ("R.26 para 2, 3", ["26"]), ("14号 (F); GA/T 947-2015", []),
    ],
)  # fmt: skip
def test_which_articles_a_source_cites(text: str, articles: list[str]) -> None:
    """R. is the regulation; every number after it in a list is an article."""
    assert articles == cited_by_source(text)


def test_numbers_become_those_of_the_other_regulation() -> None:
    """In a sentence's article and in a source; what has no counterpart is cited no more."""
    ours = {"11": "17", "24": "", "8": "8"}
    assert "17, 程序规定 58" == renumbered_article("11, 程序规定 58", ours)
    assert None is renumbered_article("24", ours)
    assert "程序规定 55, 86" == renumbered_article("程序规定 55, 86", {"86": "1"})
    assert "R.8, 17 (F); R.(none)" == renumbered_source("R.8, 11 (F); R.24", ours)


def test_what_another_regulation_keeps_cites_its_own_numbers(tmp_path: Path) -> None:
    """Issue 20: five provinces' texts loaded, and then cited this regulation's articles."""
    theirs = load(a_directory(tmp_path, _33="41", _24="19", _31=""), over=BUILT_IN)
    assert ("41", "19") == (theirs.messages["recused"].article, theirs.messages["uninsured"].article)
    assert theirs.provisions.insurances["accident_insurance"].source.startswith("R.19 (F)")
    assert not [text for entry in theirs.terms.values() for text in sources_in(entry) if "33" in cited_by_source(text)]
    assert theirs.regulation is not None
    assert "另一省的条例" == theirs.regulation.zh


@pytest.mark.parametrize("article", sorted(cited(BUILT_IN), key=int))
def test_an_article_that_is_not_confirmed_is_refused_with_what_cites_it(tmp_path: Path, article: str) -> None:
    """Each of them, by a list of everything kept that would cite it."""
    with pytest.raises(LawError) as caught:
        load(a_directory(tmp_path, without=article), over=BUILT_IN)
    (line,) = str(caught.value).split("\n")
    assert line.startswith(f'regulation.toml: [articles] does not confirm "{article}"')
    assert ".toml [" in line.partition('here"): ')[2]


def test_what_it_says_anew_needs_no_confirmation(tmp_path: Path) -> None:
    """A sentence with its own article cites nothing of the law before."""
    directory = a_directory(tmp_path, without="12")
    assert ["forbidden_work"] == [kept.entry for kept in read(directory, BUILT_IN).unconfirmed if kept.file[0] == "m"]
    (directory / "messages.toml").write_text('[forbidden_work]\narticle = "5"\n', encoding="utf-8")
    assert not [kept for kept in read(directory, BUILT_IN).unconfirmed if kept.file == "messages.toml"]


def test_who_answers_for_a_kind_of_finding_is_data(tmp_path: Path) -> None:
    """Another law says it of single kinds; the others stay, and cite our articles only where these are confirmed."""
    directory = a_directory(tmp_path, _14="50")
    text = (
        '[findings.off_post]\nanswers = "organ"\nsource = "R.21"\n[objective]\ncauses = ["battery"]\nsource = "R.22"\n'
    )
    (directory / "findings.toml").write_text(text, encoding="utf-8")
    theirs = load(directory, over=BUILT_IN)
    assert {"off_post"} == {*BUILT_IN.answers.counted()} - {*theirs.answers.counted()}
    assert ["battery"] == theirs.answers.objective_causes
    assert ("R.21", "R.50(8)") == tuple(theirs.answers.findings[code].source for code in ("off_post", "absent"))
    told = {(each.file, each.entry, each.here) for each in check(directory, TODAY)[0].differences}
    assert {("findings.toml", "off_post", "organ"), ("findings.toml", "objective", "battery")} <= told


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('[findings.off_post]\nanswers = "chief"\nsource = "R.1"\n', "answers must be auxiliary or officer"),
        ('[findings.no_such_kind]\nanswers = "organ"\nsource = "R.1"\n', "no_such_kind is no kind of finding"),
        ('[findings.untrained]\nanswers = "organ"\nsource = "R.1"\n', 'about must be "training"'),
        ('[objective]\ncauses = ["sleep"]\nsource = "R.1"\n', "causes must be fault or damage"),
        ("[causes]\n", "is no table of this file"),
    ],
)
def test_a_mistake_about_findings_is_named(tmp_path: Path, text: str, mistake: str) -> None:
    """And nothing is put into force."""
    (tmp_path / "findings.toml").write_text(text, encoding="utf-8")
    with pytest.raises(LawError, match=mistake) as caught:
        load(tmp_path, over=BUILT_IN)
    assert "findings.toml:" in str(caught.value)


def test_a_house_of_this_regulation_confirms_nothing(tmp_path: Path) -> None:
    """Its own terms are a decision of the house, not another regulation."""
    terms = '[page_size]\ncount = 30\nsource = "product decision of the house"\nversion = "2"\n'
    (tmp_path / "terms.toml").write_text(terms, encoding="utf-8")
    assert BUILT_IN.regulation == load(tmp_path, over=BUILT_IN).regulation


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[articles]\n'33' = '1'\n", "[articles] needs [regulation] first"),
        (NAMED.format(since="'soon'"), "in_force_from is not usable"),
        (NAMED.format(since="2020-07-01") + "in_force_until = 2020-06-30\n", "ends before it begins"),
        (NAMED.format(since="2020-07-01") + "[articles]\n'R.33' = '1'\n", 'takes the form "24" = "19"'),
        ("[kinds.officer]\nzh='民警'\nen='x'\nsource='x'\n", "is a kind of the program itself"),
        ("[kinds]\n", "needs one kind of auxiliary at least"),
        ("[kinds.Duty]\nzh='甲'\nen='x'\nsource='x'\n", "takes small letters, digits and _"),
        ("[ranks.one]\nzh='一'\nen='x'\nsource='x'\norder=1\nkinds=['third']\n", "there is no [kinds.third]"),
        ("[ranks.one]\nzh='一'\nen='x'\nsource='x'\norder=0\n", "order is not usable"),
        ("[insurances.x]\nzh='一'\nen='x'\nsource='x'\nworks='some'\n", "works must be marked or every"),
        ("[dress]\nid_card='never'\nsource='x'\n", "id_card must be plain or always"),
        ("[decisions.lunch]\nlevel='county'\nsource='x'\n", "is none of recusal, injury"),
        ("[decisions.recusal]\nlevel='village'\nsource='x'\n", "level must be station or county or city"),
        ("[hats]\n", "is no table of this file"),
    ],
)
def test_a_mistake_in_the_regulation_is_named(tmp_path: Path, text: str, mistake: str) -> None:
    """By entry, as in every file of the law."""
    (tmp_path / "regulation.toml").write_text(text, encoding="utf-8")
    with pytest.raises(LawError) as caught:
        load(tmp_path, over=BUILT_IN)
    assert mistake in str(caught.value)


# Editions


def test_an_act_is_judged_by_the_law_in_force_when_it_happened(tmp_path: Path) -> None:
    """A new edition is loaded ahead of its day; the day begins at midnight in China."""
    a_directory(tmp_path / "new", "2027-07-01", _41="50")
    a_directory(tmp_path / "old", "2020-07-01", _33="41")
    use(tmp_path)
    before, after = datetime(2027, 6, 30, 15, 59, 59, tzinfo=UTC), datetime(2027, 6, 30, 16, tzinfo=UTC)
    assert ["41", "50"] == [law_at(moment).messages["recused"].article for moment in (before, after)]
    assert "41" == law_at(datetime(2019, 1, 1, tzinfo=UTC)).messages["recused"].article
    assert law() is law_at(datetime.now(UTC))
    assert ["2020-07-01", "2027-07-01"] == [str(each.regulation and each.regulation.in_force_from) for each in laws()]


def test_an_edition_may_follow_the_built_in_law(tmp_path: Path) -> None:
    """Until its day the built-in regulation is in force."""
    use(a_directory(tmp_path, "2027-07-01", also="follows_built_in = true", _33="41"))
    assert "33" == law_at(datetime(2027, 6, 30, tzinfo=UTC)).messages["recused"].article
    assert "41" == law_at(datetime(2027, 7, 2, tzinfo=UTC)).messages["recused"].article


@pytest.mark.parametrize("until", ["2027-06-29", "2027-07-01"])
def test_editions_neither_overlap_nor_leave_a_gap(tmp_path: Path, until: str) -> None:
    """On every day one law is in force, and one alone."""
    a_directory(tmp_path / "old", "2020-07-01", also=f"in_force_until = {until}")
    a_directory(tmp_path / "new", "2027-07-01")
    with pytest.raises(LawError, match="has to end on 2027-06-30"):
        use(tmp_path)


def test_an_edition_names_its_first_day(tmp_path: Path) -> None:
    """Among several nothing else tells which one is in force."""
    a_directory(tmp_path / "old")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "terms.toml").write_text("", encoding="utf-8")
    with pytest.raises(LawError, match=r"new/regulation\.toml: each edition names in_force_from"):
        use(tmp_path)


@pytest.mark.parametrize("begins", ["regulation = 3", "[regulation]\nin_force_from = 2027-07-01T00:00:00"])
def test_an_edition_begins_with_a_day(tmp_path: Path, begins: str) -> None:
    """Anything else is a sentence, and no crash."""
    a_directory(tmp_path / "old")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "regulation.toml").write_text(begins, encoding="utf-8")
    for look in (use, lambda directory: check(directory, TODAY)):
        with pytest.raises(LawError, match=r"new/regulation\.toml: each edition names in_force_from"):
            look(tmp_path)


def test_the_check_tells_of_editions_that_overlap(tmp_path: Path) -> None:
    """Each is in order by itself, and the server would not start."""
    a_directory(tmp_path / "old", "2020-07-01", also="in_force_until = 2027-12-31")
    a_directory(tmp_path / "new", "2027-07-01")
    old, new = check(tmp_path, TODAY)
    assert (True, False) == (old.usable, new.usable)
    assert "has to end on 2027-06-30" in new.mistakes[0]


@pytest.mark.parametrize(
    ("file", "name"),
    [("recusals", "grounds"), ("recusals", "about"), ("recusals", "terms"), ("complaints", "kinds")],
)
def test_what_is_no_table_is_a_mistake_and_not_left_out(tmp_path: Path, file: str, name: str) -> None:
    """Left out without a word, the law before would go on."""
    (tmp_path / f"{file}.toml").write_text(f"{name} = 3\n", encoding="utf-8")
    with pytest.raises(LawError, match=rf"{file}\.toml:1: \[{name}\] must be a table"):
        load(tmp_path, over=BUILT_IN)


# Sources


def every_source() -> list[tuple[str, str]]:
    """(entry, source) of everything in the built-in law."""
    tables = [table.entries for table in tables_of(BUILT_IN) if table.name != "sources"]
    return [(code, text) for table in tables for code, entry in table.items() for text in sources_in(entry)]


def test_every_rule_rests_on_a_document_that_is_dated() -> None:
    """Source, edition and day of the check, by the words in which a rule names its document."""
    assert [] == [each for each in every_source() if not named_in(each[1], BUILT_IN.sources)]
    used = {code for _, text in every_source() for code in named_in(text, BUILT_IN.sources)}
    assert {"regulation", "administrative_cases", "criminal_cases", "recording_rule", "product"} <= used
    assert all(each.standing == "decision" or each.review for each in BUILT_IN.sources.values())


def test_each_edition_of_the_rule_on_holidays_is_dated() -> None:
    """It is data too, each edition with its source."""
    editions = {entry.since: entry for table in tables_of(BUILT_IN) if table.name == "editions"
                for entry in table.entries.values()}  # fmt: skip
    documents = {since: named_in(each.source, BUILT_IN.sources) for since, each in editions.items()}
    assert {2000: ["holidays_before"], 2008: ["holidays_before"], 2014: ["holidays_before"], 2025: ["holidays"]} == (
        documents
    )
    assert [2000, 2008, 2014, 2025] == [edition.since for edition in EDITIONS]


def test_of_two_marks_the_longer_one_counts() -> None:
    """刑事程序规定 is not 程序规定."""
    assert ["criminal_cases"] == named_in("刑事程序规定 37", BUILT_IN.sources)
    assert ["administrative_cases", "criminal_cases"] == named_in("程序规定 52; 刑事程序规定 37", BUILT_IN.sources)


def test_a_rule_is_as_well_known_as_its_weakest_document() -> None:
    """Read in full text, told by another, or assumed."""
    assert "full_text" == standing_of("R.24 (F)", BUILT_IN.sources)
    assert "secondary" == standing_of("R.32 para 3 (F); 14号", BUILT_IN.sources)
    assert None is standing_of("somebody said so", BUILT_IN.sources)


def test_a_document_past_its_review_is_told() -> None:
    """On the day after, not on the day itself."""
    due = BUILT_IN.sources["public_security_penalties"].review
    assert due is not None
    assert "public_security_penalties" not in past_review(BUILT_IN.sources, due)
    assert "public_security_penalties" in past_review(BUILT_IN.sources, due + timedelta(days=1))
    assert "product" not in past_review(BUILT_IN.sources, date.max)


# fujing law check


def test_the_check_tells_what_differs_and_what_is_not_confirmed(tmp_path: Path) -> None:
    """Without putting anything into force."""
    (found,) = check(a_directory(tmp_path, without="24", _33="41"), TODAY)
    assert not found.usable
    assert {"24"} == {kept.article for kept in found.unconfirmed}
    told = {(each.file, each.entry, each.field, each.before, each.here) for each in found.differences}
    assert ("messages.toml", "recused", "article", "33", "41") in told
    assert ("regulation.toml", "regulation", "in_force_from", "2021-03-01", "2020-07-01") in told
    assert "33" == law().messages["recused"].article


def test_the_built_in_law_has_nothing_to_tell() -> None:
    """Everything in it is dated, and nothing is past its review."""
    (found,) = check(None, TODAY)
    assert ([], [], [], [], []) == (
        found.differences, found.mistakes, found.unconfirmed, found.past_review, found.undated
    )  # fmt: skip
