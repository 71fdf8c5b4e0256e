"""The works: every item of Articles 8 to 12 is there, word for word, with its conditions and where they come from."""

import re
from functools import cache

import pytest

from backend.law.catalogue import HERE, Work, law

DIGITS = "零一二三四五六七八九"
PERMITTED = sorted(code for code, work in law().works.items() if work.kind != "none")
SOURCES = (
    "officers_source",
    "recording_source",
    "enforcement_source",
    "restraint_source",
    "cases_source",
    "equipment_source",
    "training_source",
    "never_refused_source",
    "never_on_source",
)
EVERY_CASE = {"administrative", "criminal", "none"}


def number(numeral: str) -> int:
    """一 to 九十九."""
    tens, ten, ones = numeral.rpartition("十")
    return (10 * DIGITS.index(tens or "一") if ten else 0) + DIGITS.index(ones or "零")


@cache
def articles() -> dict[int, str]:
    """The regulation by article, as it was published."""
    text = (HERE / "regulation.zh.txt").read_text(encoding="utf-8")
    parts = re.split(r"第([一二三四五六七八九十]+)条　", text)
    return dict(zip(map(number, parts[1::2]), map(str.strip, parts[2::2]), strict=True))


def items(article: int) -> dict[str, str]:
    """Its items by code, without the number and without the ； or 。 that closes each."""
    items = re.findall(r"^（([一二三四五六七八九十]+)）(.+)[；。]$", articles()[article], re.MULTILINE)
    return {f"{article}.{number(numeral)}": text for numeral, text in items}


def works_of(article: int) -> dict[str, Work]:
    return {code: work for code, work in law().works.items() if code.startswith(f"{article}.")}


def test_the_regulation_has_43_articles() -> None:
    """The text that everything is compared with is whole."""
    assert list(range(1, 44)) == list(articles())
    assert [4, 8, 9, 7] == [len(items(article)) for article in (8, 9, 10, 12)]


@pytest.mark.parametrize("article", [8, 9, 10, 12])
def test_every_item_is_a_work_word_for_word(article: int) -> None:
    """R.8, 9, 10, 12: nothing is left out, added or worded otherwise."""
    whole = {code: work.text for code, work in works_of(article).items() if work.part_of is None}
    assert items(article) == whole


def test_article_11_is_there_word_for_word() -> None:
    """It has no numbered items: equipment, vehicles and restraint implements together are its one sentence."""
    equipment, vehicle, restraint = (law().works[f"11.{name}"].text for name in ("equipment", "vehicle", "restraint"))
    assert f"勤务辅警履行职责期间，{equipment}，{vehicle}；{restraint}。" == articles()[11]


def test_no_work_stands_outside_the_five_articles() -> None:
    """What is not in the regulation is no work."""
    assert set(law().works) == set().union(*(works_of(article) for article in range(8, 13)))


def test_whose_work_it_is_follows_the_article() -> None:
    """R.8 civilian; R.9, 10, 11 duty; R.12 nobody."""
    kinds = {article: {work.kind for work in works_of(article).values()} for article in range(8, 13)}
    assert {8: {"civilian"}, 9: {"duty"}, 10: {"duty"}, 11: {"duty"}, 12: {"none"}} == kinds
    persons = {work.kind: set(work.kinds) for work in law().works.values()}
    assert {"civilian": {"civilian_auxiliary"}, "duty": {"duty_auxiliary"}, "none": set()} == persons


def test_command_or_lead_follows_the_article() -> None:
    """R.9: commanded by the organ or led; R.10: led by an officer, who is there in person; R.11: restraint is led."""
    assert {"command"} == {work.leadership for article in (8, 9) for work in works_of(article).values()}
    assert {"led"} == {work.leadership for work in works_of(10).values()}
    assert "led" == law().works["11.restraint"].leadership
    assert all(work.officers >= 1 for work in law().works.values() if work.leadership == "led")


def test_what_one_officer_may_do_with_auxiliaries_and_what_needs_two() -> None:
    """程序规定 52: para 2 names the work of 10.4, fully recorded; para 1 asks two for questioning and compulsion."""
    works = law().works
    assert (1, "required", True) == (works["10.4"].officers, works["10.4"].recording, works["10.4"].legality)
    assert (2, 2, 2) == tuple(works[code].officers for code in ("10.3", "10.3.question", "10.5"))


def test_a_drunk_person_is_held_by_belt_or_rope_and_watched() -> None:
    """程序规定 58: 约束带或者警绳等, never hand- or leg-cuffs, and somebody is named who watches."""
    work = law().works["10.5"]
    assert ({"restraint_belt", "police_rope", "other_soft"}, True) == (set(work.restraints), work.watcher)


def test_no_cuffs_on_a_drunk_person_in_an_emergency_either() -> None:
    """程序规定 58 protects the person: R.11 allows in an emergency, and only on others."""
    cuffs = {"handcuffs", "leg_cuffs"}
    assert cuffs == set(law().works["11.restraint"].never_on["drunk"])
    for work in law().works.values():
        assert not cuffs & set(work.restraints) or cuffs == set(work.never_on["drunk"])


def test_two_officers_restrain_by_the_law_of_compulsion() -> None:
    """行政强制法 18(2) stands before 程序规定 52."""
    work = law().works["10.5"]
    assert (2, "行政强制法 18, 程序规定 52") == (work.officers, work.officers_article)
    assert "行政强制法 18(2)" in str(work.officers_source)


def test_restraint_implements_are_for_emergencies_only() -> None:
    """R.11: an emergency, an officer leading, assisting only."""
    assert {"11.restraint"} == {code for code, work in law().works.items() if work.emergency_only}


def test_rescue_and_stopping_a_crime_never_wait_for_a_leader() -> None:
    """DESIGN: nobody waits for a leader while somebody is being hurt."""
    assert {"9.4", "9.7"} == {code for code, work in law().works.items() if work.never_waits_for_leader}
    assert {"9.4", "9.7"} == {code for code, work in law().works.items() if work.never_refused}


def test_full_recording_is_asked_of_led_work_only() -> None:
    """R.32 para 3: whenever an officer leads work related to enforcement."""
    required = [work for work in law().works.values() if work.recording == "required"]
    assert required
    assert {("led", True)} == {(work.leadership, work.enforcement) for work in required}


def test_what_must_be_recorded_asks_for_a_recorder() -> None:
    """R.11: the organ owes the equipment that the work needs; 14号: nothing is recorded without one."""
    works = law().works
    needing = {code for code, work in works.items() if "body_worn_recorder" in work.equipment}
    assert {code for code, work in works.items() if work.recording == "required"} == needing


def test_whoever_works_on_the_carriageway_is_seen() -> None:
    """R.13(1): safety at work."""
    assert {"9.3", "10.2"} == {code for code, work in law().works.items() if "reflective_vest" in work.equipment}


@pytest.mark.parametrize("code", ["9.4", "9.6", "9.7", "10.5", "11.equipment", "11.vehicle", "11.restraint"])
def test_work_in_the_street_is_owed_its_equipment(code: str) -> None:
    """R.11, R.13(1): 必要的执勤和安全防护装备."""
    assert law().works[code].equipment


def test_every_means_and_manner_and_training_is_asked_for() -> None:
    """What nothing asks for is no rule. The training before the job and the yearly one are asked of everybody."""
    works = law().works.values()
    assert set(law().means) == {means for work in works for means in work.restraints}
    assert set(law().manners) == {manner for work in works for manner in work.manner}
    assert {person for work in works for person in work.never_on} < set(law().restrained)
    assert {code for work in works for code in work.training} < set(law().certificates)


def test_whoever_is_led_assists_and_acts_not_in_their_own_name() -> None:
    """R.10, R.11: 在人民警察的带领下协助."""
    assert all("assists" in work.manner for work in law().works.values() if work.leadership == "led")


def test_a_qualification_binds_only_where_a_law_asks_for_it() -> None:
    """R.8 last paragraph; driving is asked for by the traffic law (道路交通安全法 19)."""
    rules = {code: work.qualification_rule for code, work in law().works.items() if work.qualification}
    assert {
        "8.2": "law", "8.2.medicine": "law", "8.2.counselling": "advised", "8.2.translation": "advised",
        "11.vehicle": "licence", "11.vehicle.vessel": "licence",
    } == rules  # fmt: skip


def test_every_piece_of_equipment_is_asked_for() -> None:
    """Every item of equipment is needed by some work."""
    assert set(law().equipment) == {name for work in law().works.values() for name in work.equipment}


def test_in_which_cases_a_work_may_be_done() -> None:
    """Publicity belongs to no case; most works fit any case, since a wrong refusal in the field does harm."""
    narrower = {code: set(work.cases) for code, work in law().works.items() if set(work.cases) != EVERY_CASE}
    assert {"none"} == narrower["9.2"] == narrower["9.5"] == narrower["10.7"]
    assert not narrower.keys() & {"10.3", "10.4", "10.5", "10.8", "9.4", "9.7", "8.2.translation"}


def test_professional_work_asks_for_its_qualification() -> None:
    """R.8 last paragraph; the item as a whole frees nobody from what its parts ask for."""
    qualifications = {code: work.qualification for code, work in works_of(8).items() if work.qualification}
    assert {"8.2", "8.2.counselling", "8.2.medicine", "8.2.translation"} == set(qualifications)
    assert set(law().qualifications) == {work.qualification for work in law().works.values()} - {None}


def test_the_parts_of_professional_work_are_those_the_regulation_lists() -> None:
    """R.8(2) names seven; other professional work is the item as a whole."""
    parts = [work.text for work in law().works.values() if work.part_of == "8.2"]
    assert f"{'、'.join(parts)}等专业技术工作" == law().works["8.2"].text


@pytest.mark.parametrize("code", PERMITTED)
def test_every_condition_says_where_it_comes_from(code: str) -> None:
    """F read, M known, I inferred: a lawyer sees which sources to check."""
    sources = [source for name in SOURCES if (source := getattr(law().works[code], name)) is not None]
    assert len(sources) >= 2
    for source in sources:
        assert re.search(r"R\.\d|程序规定|14号|条例|规范", source)


@pytest.mark.parametrize("code", sorted(law().works))
def test_every_work_is_told_in_both_languages(code: str) -> None:
    """The text is Chinese, the gloss English."""
    work = law().works[code]
    assert re.search("[一-鿿]", work.text)
    assert work.gloss.strip()
    assert not re.search("[一-鿿]", work.gloss)
