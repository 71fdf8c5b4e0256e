"""Amounts in capitals, by the payment rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.amounts import FIGURES, LIMIT, in_capitals

UNITS = {"拾": 10, "佰": 100, "仟": 1000}


@pytest.mark.parametrize(
    ("yuan", "words"),
    [
        ("0.05", "伍分"), ("1.05", "壹元零伍分"), ("10.50", "壹拾元伍角整"), ("100.00", "壹佰元整"),
        ("10010.10", "壹万零壹拾元壹角整"), ("100000001.05", "壹亿零壹元零伍分"), ("0.00", "零元整"),
        ("0.50", "伍角整"),
        ("0.55", "伍角伍分"), ("10000000.00", "壹仟万元整"), ("100001000.00", "壹亿零壹仟元整"),
        ("1409.50", "壹仟肆佰零玖元伍角整"), ("6007.14", "陆仟零柒元壹角肆分"), ("1680.32", "壹仟陆佰捌拾元叁角贰分"),
        ("107000.53", "壹拾万柒仟元伍角叁分"), ("16409.02", "壹万陆仟肆佰零玖元零贰分"),
        ("325.04", "叁佰贰拾伍元零肆分"),
        ("100200003000.00", "壹仟零贰亿零叁仟元整"), ("20000001.00", "贰仟万零壹元整"),
    ],
)  # fmt: skip
def test_an_amount_is_written_as_the_payment_rules_say(yuan: str, words: str) -> None:
    """The examples of 支付结算办法 annex 1 among them: 1409.50, 6007.14, 1680.32, 107000.53, 16409.02, 325.04."""
    assert words == in_capitals(int(yuan.replace(".", "")))


def value_of(words: str) -> int:
    """The fen of an amount in capitals, read back."""
    total = section = figure = 0
    for sign in words.replace("整", ""):
        if sign in FIGURES:
            figure = FIGURES.index(sign)
        elif sign in UNITS:
            section, figure = section + figure * UNITS[sign], 0
        elif sign in "万亿":
            total, section, figure = total + (section + figure) * (10**4 if sign == "万" else 10**8), 0, 0
        elif sign == "元":
            total, section, figure = (total + section + figure) * 100, 0, 0
        else:
            total, figure = total + figure * (10 if sign == "角" else 1), 0
    return total


@given(st.one_of(st.integers(0, LIMIT - 1), st.integers(0, 10**6).map(lambda n: n * 10**6 % LIMIT)))
def test_an_amount_in_capitals_reads_back_as_itself(fen: int) -> None:
    """No two 零 stand together, none before a unit; 整 stands at the end unless there is a 分."""
    words = in_capitals(fen)
    assert fen == value_of(words)
    assert "零零" not in words
    assert not any(f"零{unit}" in words for unit in "拾佰仟万亿角分")
    assert ("分" in words) != words.endswith("整")


@pytest.mark.parametrize("fen", [-1, LIMIT])
def test_what_no_bill_says_is_refused(fen: int) -> None:
    """Below nothing, and a million million yuan."""
    with pytest.raises(ValueError, match=str(fen)):
        in_capitals(fen)
