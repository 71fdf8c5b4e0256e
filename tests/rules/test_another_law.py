"""Another province's law is another directory: it loads without a change of code, or its mistakes are named by line."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from msgspec import structs

from backend.activities.service import requirements_of
from backend.law.catalogue import HERE, LAW_FILES, Days, Law, LawError, law, load, use
from backend.law.verdict import Facts, Verdict, verdict

# A regulation that numbers by chapter and letter, has civilians led and two officers at a post that is commanded.
ANOTHER = """
    # 另一省的条例

    ["3.a"]
    text = "巡逻防控、现场救助"
    gloss = "Patrol and rescue"
    kind = "duty"
    leadership = "led"
    officers = 3
    officers_source = "its Article 3"
    recording = "required"
    recording_source = "its Article 3"
    never_waits_for_leader = true

    ["3.a.patrol"]
    part_of = "3.a"
    text = "巡逻防控"
    gloss = "Patrol"
    kind = "duty"
    leadership = "command"
    officers = 2
    officers_source = "its Article 3"
    recording = "not"
    recording_source = "its Article 3"
    cases = ["criminal"]
    cases_source = "its Article 3"
    equipment = ["whistle", "radio"]
    equipment_source = "its Article 4"

    ["27.14"]
    text = '''
    ["99.9"] 在这里只是文字
    心理疏导'''
    gloss = "Counselling"
    kind = "civilian"
    leadership = "led"
    officers = 0
    officers_source = "its Article 27"
    recording = "not"
    recording_source = "its Article 27"
    qualification = "counsellor"
    emergency_only = true

    ["5.1"]
    text = "佩带枪支"
    gloss = "Carrying firearms"
    kind = "none"

    [qualifications.counsellor]
    zh = "心理咨询师"
    en = "Counsellor"
    source = "its Article 27"

    [equipment.whistle]
    zh = "哨子"
    en = "Whistle"
    source = "its Article 4"

    [equipment.radio]
    zh = "对讲机"
    en = "Radio"
    source = "its Article 4"
"""
WHOSE = """
[whose.duty]
zh = "勤务辅警"
en = "Duty auxiliaries"
source = "its Article 2"
kinds = ["duty_auxiliary"]

[whose.civilian]
zh = "文职辅警"
en = "Civilian auxiliaries"
source = "its Article 2"
kinds = ["civilian_auxiliary"]
"""
LIN = Facts(kind="duty_auxiliary", on_shift=True, trained=True)
SU = Facts(kind="civilian_auxiliary", on_shift=True, trained=True)


@pytest.fixture(autouse=True)
def the_law_before() -> Iterator[None]:
    """Put the built-in law back in force after each test."""
    yield
    use(None)


# Every article of the built-in regulation that something kept still cites, under the same number here.
THEIRS = """
    [regulation]
    zh = '另一省的条例'
    en = 'Another regulation'
    in_force_from = 2020-07-01
    source = 'R.50'

    [articles]
""" + "".join(f"    '{number}' = '{number}'\n" for number in range(1, 44))


THREE_KINDS = "".join(
    f"\n    [kinds.{kind}_auxiliary]\n    zh = '{zh}'\n    en = '{kind} auxiliary'\n    source = 'its Article 3'\n"
    for kind, zh in (("first", "一类辅警"), ("second", "二类辅警"), ("civilian", "文职辅警"))
)


def a_law(directory: Path, **files: str) -> Path:
    """A directory of the law. Other works are those of another regulation, which is named."""
    named = {"regulation": THEIRS} if "works" in files else {}
    for name, text in (named | files).items():
        (directory / f"{name}.toml").write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return directory


def laid_over(directory: Path, **files: str) -> Law:
    return load(a_law(directory, **files), over=load())


def mistakes(directory: Path, **files: str) -> list[str]:
    with pytest.raises(LawError) as caught:
        laid_over(directory, **files)
    return str(caught.value).split("\n")


def test_another_regulation_is_judged_by_the_same_code(tmp_path: Path) -> None:
    """Other numbers, other leading, other conditions: verdicts follow from the file alone."""
    works = laid_over(tmp_path, works=ANOTHER).works
    assert ["3.a", "3.a.patrol", "27.14", "5.1"] == list(works)
    assert Verdict("conditional", ("too_few_officers",)) == verdict(works["3.a.patrol"], LIN)
    assert Verdict("conditional", ("not_recording",), ("not_led", "too_few_officers")) == verdict(works["3.a"], LIN)
    assert Verdict("forbidden", ("unqualified", "not_led", "no_emergency")) == verdict(works["27.14"], SU)
    assert Verdict("forbidden", ("forbidden_work",)) == verdict(works["5.1"], LIN)


def test_what_only_warns_is_found_against_nobody(tmp_path: Path) -> None:
    """Led in this regulation, but it waits for no leader: then no missing leader is found at its end either."""
    theirs = laid_over(tmp_path, works=ANOTHER)
    assert (False, True) == tuple(
        requirements_of(theirs.works[code], theirs, "duty_auxiliary").needs_leading for code in ("3.a", "27.14")
    )


def test_its_works_take_the_place_of_ours_as_a_whole(tmp_path: Path) -> None:
    """Another regulation has its own numbers, so none of our items may stay among its own."""
    theirs = laid_over(tmp_path, works=ANOTHER)
    assert not set(theirs.works) & set(law().works)
    assert ["counsellor"] == list(theirs.qualifications)
    assert ["whistle", "radio"] == list(theirs.equipment)


def test_it_says_in_which_cases_and_with_which_equipment(tmp_path: Path) -> None:
    """A work without `cases` fits every kind of case; one without `equipment` needs none."""
    works = laid_over(tmp_path, works=ANOTHER).works
    patrol, rescue = works["3.a.patrol"], works["3.a"]
    assert (("criminal",), ("whistle", "radio")) == (patrol.cases, patrol.equipment)
    assert (("administrative", "criminal", "none"), ()) == (rescue.cases, rescue.equipment)


def test_what_it_leaves_out_is_as_built_in(tmp_path: Path) -> None:
    """A province that keeps footage for a year overrides that term only."""
    theirs = laid_over(
        tmp_path, terms='[footage_retention]\nyears = 1\ncounts = "plain"\nsource = "its own"\nversion = "2020"\n'
    )
    assert Days(1, 0, carries_over=False) == theirs.days("footage_retention")
    assert law().span("live_window") == theirs.span("live_window")
    assert (law().works, law().messages) == (theirs.works, theirs.messages)
    assert (law().qualifications, law().equipment) == (theirs.qualifications, theirs.equipment)


def test_a_term_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Another unit takes the place of the first, and the source is its own."""
    theirs = laid_over(
        tmp_path, terms='[footage_retention]\nhours = 9000\nsource = "its own circular"\nversion = "2020"\n'
    )
    assert {"hours": 9000} == theirs.terms["footage_retention"].units()


def test_renumbering_an_article_repeats_no_sentence(tmp_path: Path) -> None:
    """Only the given fields of a message are replaced."""
    theirs = laid_over(tmp_path, messages='[not_led]\narticle = "17"\n').messages["not_led"]
    assert ("17", law().messages["not_led"].zh, 409) == (theirs.article, theirs.zh, theirs.status)


def test_the_law_in_use_is_the_one_chosen(tmp_path: Path) -> None:
    """FUJING_LAW_DIR is put in force once, before anything asks."""
    theirs = use(a_law(tmp_path, works=ANOTHER))
    assert theirs is law()
    assert "3.a" in law().works
    assert "10.3" in use(None).works
    assert "10.3" in law().works


def test_a_law_with_mistakes_is_not_put_in_force(tmp_path: Path) -> None:
    """The law before stays in force."""
    before = law()
    with pytest.raises(LawError):
        use(a_law(tmp_path, works='["3.a"]\ntext = "巡逻"\n'))
    assert before is law()


WRONG_WORKS = """
    ["10.3"]
    text = "盘查"
    gloss = "Stop-and-question"
    kind = "duty"
    leadership = "guided"
    officers = -1
    officers_source = "its Article 10"
    recording = "required"

    ["10.4"]
    text = "接报案"
    gloss = "Take reports"
    kind = "duty"
    leadership = "led"
    officers = 1
    officers_source = "its Article 10"
    recording = "not"
    recording_source = "its Article 10"
    legality = true
    enforcement = true
    qualification = "clerk"
    colour = "blue"

    ["10.5"]
    text = "约束"
    gloss = "Restraint"
    part_of = "10.6"
    kind = "none"
    watcher = true
    cases = ["none"]
    equipment = ["whistle"]

    [11.1]
    text = "驾驶"

    ["twelve"]
    text = "保密"
    gloss = "Secrets"
    kind = "none"
"""
WRONG_TERMS = """
    [footage_retention]
    days = 1
    hours = 2
    source = "its own"
    version = "2020"

    [footage_retension]
    days = 1
    counts = "plain"
    source = "its own"
    version = "2020"

    [page_size]
    count = 3
    source = "its own"
"""
WRONG_MESSAGES = """
    [not_lead]
    article = "17"

    [not_led]
    tone = 3
"""


def test_every_mistake_is_named_by_file_and_line(tmp_path: Path) -> None:
    """All mistakes are listed at once, so that they can be corrected in one go."""
    assert [
        "works.toml:5: [10.3] leadership must be command or led",
        "works.toml:6: [10.3] officers is not usable: Expected `int` >= 0",
        "works.toml:22: [10.4] colour is not known here",
        "works.toml:27: [10.5] there is no [10.6] to be a part of",
        "works.toml:29: [10.5] watcher is said of a forbidden work (kind none), which has no conditions",
        "works.toml:30: [10.5] cases is said of a forbidden work (kind none), which has no conditions",
        "works.toml:31: [10.5] equipment is said of a forbidden work (kind none), which has no conditions",
        'works.toml:33: [11.1] needs quotes: ["11.1"]',
        "works.toml:36: [twelve] must be a code like 10.3: chapter.item",
        "terms.toml:1: [footage_retention] needs exactly one unit, not negative",
        "terms.toml:7: [footage_retension] is no term of the built-in law",
        "terms.toml:13: [page_size] version is missing",
        "messages.toml:1: [not_lead] is no message of the built-in law",
        "messages.toml:5: [not_led] tone is not known here",
    ] == mistakes(tmp_path, works=WRONG_WORKS, terms=WRONG_TERMS, messages=WRONG_MESSAGES)


CONTRADICTIONS = """
["10.4"]
text = "接报案"
gloss = "Take reports"
kind = "duty"
leadership = "led"
officers = 1
recording = "not"
recording_source = "its Article 10"
legality = true
enforcement = true
restraints = ["rope"]
qualification = "clerk"
cases = ["criminal", "criminal"]
equipment = ["radio", "radio"]

["10.4.x"]
part_of = "10.4"
text = "巡逻"
gloss = "Patrol"
kind = "none"

["10.6"]
text = "值守"
gloss = "Post"
kind = "duty"
leadership = "command"
officers = 0
officers_source = "its Article 10"
recording = "not"
recording_source = "its Article 10"
cases = []
cases_source = "its Article 10"
"""


def test_conditions_that_contradict_each_other_are_mistakes(tmp_path: Path) -> None:
    """Entries that are well formed but contradict each other are mistakes too."""
    assert [
        "works.toml:1: [10.4] officers_source is missing",
        "works.toml:1: [10.4] enforcement_source is missing",
        "works.toml:1: [10.4] restraint_source is missing",
        "works.toml:1: [10.4] cases_source is missing",
        "works.toml:1: [10.4] equipment_source is missing",
        "works.toml:9: [10.4] legality needs recording required",
        "works.toml:11: [10.4] there is no [means.rope]",
        "works.toml:12: [10.4] there is no [qualifications.clerk]",
        "works.toml:13: [10.4] cases names one twice",
        "works.toml:14: [10.4] there is no [equipment.radio]",
        "works.toml:14: [10.4] equipment names one twice",
        "works.toml:17: [10.4.x] its text does not stand in the text of [10.4]",
        "works.toml:31: [10.6] cases is empty: a work is done in some case or in none",
    ] == mistakes(tmp_path, works=CONTRADICTIONS)


@pytest.mark.parametrize(
    ("works", "mistake"),
    [
        ("", "works.toml:1: [works] there is no work in this file"),
        ('["3.a"\n', "works.toml:1: is no TOML"),
        ('\n\n["3.a"]\ntext = "没有引号收尾\n', "works.toml:4: is no TOML"),
        ("\n'3.a' = 5\n", "works.toml:2: [3.a] must be a table"),
        ("\nqualifications = 5\n", "works.toml:2: [qualifications] must be a table"),
        ("\nequipment = 5\n", "works.toml:2: [equipment] must be a table"),
        ("[equipment.x]\nzh = ''\nen = 'x'\nsource = 'x'\n", "works.toml:2: [equipment.x] zh is not usable"),
        ("[equipment.x]\nzh = '哨'\nen = 'x'\n", "works.toml:1: [equipment.x] source is missing"),
        ("'3.a'.cases = ['civil']\n", "works.toml:1: [3.a] cases must be administrative or criminal or none"),
        ("'3.a'.cases = 'none'\n", "works.toml:1: [3.a] cases must be administrative or criminal or none"),
        ("[qualifications.x]\nzh = ''\nen = 'x'\nsource = 'x'\n", "works.toml:2: [qualifications.x] zh is not usable"),
        ("'3.a' = { kind = 'duty' }\n", "works.toml:1: [3.a] text is missing"),
        ("'3.a'.kind = 'nobody'\n", "works.toml:1: [3.a] kind must be civilian or duty or none"),
    ],
)
def test_a_file_that_is_odd_in_another_way_is_told_too(tmp_path: Path, works: str, mistake: str) -> None:
    """Broken TOML, wrong types and missing fields are named with their line."""
    (tmp_path / "works.toml").write_text(works.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")
    with pytest.raises(LawError) as caught:
        load(tmp_path, over=load())
    assert any(line.startswith(mistake) for line in str(caught.value).split("\n"))


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    """GB 18030 is what many editors in China save."""
    (tmp_path / "works.toml").write_bytes('# law\n# 条例\n["3.a"]\n'.encode("gb18030"))
    with pytest.raises(LawError, match=r"^works\.toml:2: is not UTF-8"):
        use(tmp_path)


def test_a_directory_that_would_silently_change_nothing_is_refused(tmp_path: Path) -> None:
    """A path mistyped, or a file misspelt, must not mean the built-in law."""
    with pytest.raises(LawError, match="holds none of"):
        use(tmp_path / "nowhere")
    with pytest.raises(LawError, match="holds none of"):
        use(tmp_path)
    files = ", ".join(LAW_FILES)
    assert [f"work.toml: is no file of the law, which are {files}"] == mistakes(tmp_path, work=ANOTHER)


def test_a_whole_law_lacks_no_file(tmp_path: Path) -> None:
    """Without a law to build on, each file must be there."""
    with pytest.raises(LawError) as caught:
        load(a_law(tmp_path, works=dedent(ANOTHER) + WHOSE))
    missing = dict.fromkeys(line.split(":")[0] for line in str(caught.value).split("\n"))
    assert [name for name in LAW_FILES if name != "works.toml"] == [*missing]


def test_no_code_knows_the_number_of_an_article() -> None:
    """Codes of articles and items stand only in the data files."""
    for name in ("verdict", "catalogue", "reading", "works", "regulation", "keeping", "checking", "sources"):
        nodes = ast.walk(ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8")))
        texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        assert set() == {text for text in texts if re.fullmatch(r"\d+(\.[0-9a-z_.]*)?", text)}


SHENZHEN = """
    ["1.1"]
    text = "巡逻"
    gloss = "Patrol"
    kind = "patrol"
    leadership = "command"
    officers = 0
    officers_source = "its Article 1"
    recording = "not"
    recording_source = "its Article 1"
    crews = [{ unled = true, least = [{ auxiliaries = 2 }, { officers = 1 }], source = "its Article 2" }]
    training = ["dog_handling", "first_aid"]
    training_source = "its Article 3"
    prerequisites = ["oath"]
    prerequisites_source = "its Article 4"
    self_protection = ["shield"]
    self_protection_source = "its Article 5"
    manner = ["never_alone"]

    ["1.2"]
    text = "窗口"
    gloss = "Window"
    kind = "everybody"
    kinds = ["civilian_auxiliary", "second_auxiliary"]
    leadership = "led"
    officers = 1
    officers_source = "its Article 1"
    recording = "not"
    recording_source = "its Article 1"

    [whose.patrol]
    zh = "一类、二类勤务辅警"
    en = "Duty auxiliaries of both sorts"
    source = "its Article 1"
    kinds = ["first_auxiliary", "second_auxiliary"]

    [whose.everybody]
    zh = "所有辅警"
    en = "All auxiliaries"
    source = "its Article 1"
    kinds = ["first_auxiliary", "second_auxiliary", "civilian_auxiliary"]

    [certificates.oath]
    zh = "宣誓"
    en = "Oath"
    source = "its Article 4"

    [certificates.dog_handling]
    zh = "警犬专项培训"
    en = "Training with dogs"
    source = "its Article 3"

    [means.shield]
    zh = "盾牌"
    en = "Shield"
    source = "its Article 5"

    [manners.never_alone]
    zh = "不得单独执勤"
    en = "Never alone on duty"
    source = "its Article 2"
"""


def test_kinds_numbers_trainings_and_implements_are_data(tmp_path: Path) -> None:
    """Two sorts of duty auxiliaries, two of them where nobody leads, an oath, a shield only for oneself."""
    works = laid_over(tmp_path, works=SHENZHEN, regulation=THEIRS + THREE_KINDS).works
    patrol, window = works["1.1"], works["1.2"]
    ready = frozenset({"oath", "dog_handling", "first_aid"})
    someone = Facts(kind="first_auxiliary", on_shift=True, trained=True, auxiliaries_present=2, qualifications=ready)
    assert Verdict("allowed") == verdict(patrol, someone)
    alone = structs.replace(someone, auxiliaries_present=1)
    assert Verdict("conditional", ("too_few_people",)) == verdict(patrol, alone)
    assert Verdict("allowed") == verdict(patrol, structs.replace(alone, leader="named", officers_present=1))
    assert Verdict("forbidden", ("prerequisite_missing",), ("special_training_missing",)) == verdict(
        patrol, structs.replace(someone, qualifications=frozenset({"first_aid"}))
    )
    shield = structs.replace(someone, means=frozenset({"shield"}))
    assert Verdict("conditional", ("restraint_not_allowed",)) == verdict(patrol, shield)
    assert Verdict("allowed") == verdict(patrol, structs.replace(shield, self_protection=True))
    assert ("first_auxiliary", "second_auxiliary") == patrol.kinds
    led = structs.replace(someone, leader="confirmed", officers_present=1)
    assert Verdict("forbidden", ("not_your_kind",)) == verdict(window, led)
    assert Verdict("allowed") == verdict(window, structs.replace(led, kind="second_auxiliary"))


UNKNOWN_CODES = """
    ["1.1"]
    text = "巡逻"
    gloss = "Patrol"
    kind = "dogs"
    kinds = ["dog"]
    leadership = "command"
    officers = 0
    officers_source = "its Article 1"
    recording = "not"
    recording_source = "its Article 1"
    crews = [{ places = ["moon"], least = [], source = "its Article 2" }]
    qualification_rule = "advised"
    training = ["dog_handling", "dog_handling"]
    prerequisites = ["oath"]
    self_protection = ["shield"]
    never_on = { cats = ["shield"] }
    manner = ["never_alone"]
    never_refused = true
"""


def test_a_condition_that_refers_to_nothing_is_a_mistake(tmp_path: Path) -> None:
    """It would be a rule that nobody can meet, or one that holds for nobody."""
    without_crews = "\n".join(line for line in UNKNOWN_CODES.splitlines() if "crews" not in line)
    assert [
        "works.toml:1: [1.1] never_refused_source is missing",
        "works.toml:1: [1.1] training_source is missing",
        "works.toml:1: [1.1] prerequisites_source is missing",
        "works.toml:1: [1.1] self_protection_source is missing",
        "works.toml:1: [1.1] never_on_source is missing",
        "works.toml:4: [1.1] kind must be civilian or duty or none",
        "works.toml:5: [1.1] no [whose] names the kind of person dog",
        "works.toml:11: [1.1] qualification_rule without a qualification",
        "works.toml:12: [1.1] there is no [certificates.dog_handling]",
        "works.toml:12: [1.1] training names one twice",
        "works.toml:13: [1.1] there is no [certificates.oath]",
        "works.toml:14: [1.1] there is no [means.shield]",
        "works.toml:15: [1.1] there is no [restrained.cats]",
        "works.toml:15: [1.1] there is no [means.shield]",
        "works.toml:16: [1.1] there is no [manners.never_alone]",
    ] == mistakes(tmp_path, works=without_crews)
    (only,) = [line for line in mistakes(tmp_path, works=UNKNOWN_CODES) if ":11:" in line]
    assert only.startswith("works.toml:11: [1.1] crews")


def test_what_is_kept_for_ever_is_data(tmp_path: Path) -> None:
    """A house says so in its own file; a period is no answer to that question, nor the other way round."""
    marks = '[kept_key_mark]\npermanent = false\nsource = "its own circular"\nversion = "2020"\n'
    theirs = laid_over(tmp_path, terms=marks)
    assert (False, True) == (theirs.is_permanent("kept_key_mark"), theirs.is_permanent("kept_case"))
    for ask, name in ((theirs.is_permanent, "kept_around"), (theirs.count, "kept_case"), (theirs.span, "kept_case")):
        with pytest.raises(LawError, match=name):
            ask(name)
