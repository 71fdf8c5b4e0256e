"""Initials in pinyin: a surname has its own reading, and where nobody can know, every reading finds the person."""

import pytest

from backend.people.pinyin import begins_with


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("林思", "ls"), ("单雄信", "sxx"), ("曾国华", "zgh"), ("仇英", "qy"), ("区志远", "ozy"), ("解珍", "xz"),
        ("查良镛", "zly"), ("尉迟恭", "ycg"), ("万俟卨", "mqx"), ("单于明", "cym"), ("翟让", "zr"), ("翟让", "dr"),
        ("王长乐", "wcl"), ("王长乐", "wzy"), ("阿卜杜拉·买买提", "abdlmmt"), ("赵　立", "zl"), ("林思", "ＬＳ"),
    ],
)  # fmt: skip
def test_a_person_is_found_by_the_initials_of_their_name(name: str, typed: str) -> None:
    """As they say it themselves; of a name that can be read in two ways, by both."""
    assert begins_with(name, typed)
    assert begins_with(name, typed[:1])


@pytest.mark.parametrize(
    ("name", "typed"),
    [("单雄信", "dxx"), ("曾国华", "cgh"), ("仇英", "cy"), ("区志远", "qzy"), ("解珍", "jz"), ("查良镛", "cly"),
     ("林思", "s"), ("林思", "lsm"), ("林思", "")],
)  # fmt: skip
def test_a_surname_is_not_read_as_the_common_word(name: str, typed: str) -> None:
    """单 is Shan as a surname, not Dan."""
    assert not begins_with(name, typed)


def test_a_character_that_no_dictionary_has_stands_for_any_letter() -> None:
    """Nobody is lost for a rare character in their name."""
    assert begins_with("张\uf8a0\U000f0001", "zqx")
