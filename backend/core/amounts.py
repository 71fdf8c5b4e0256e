"""Amounts of money in the capitals of Chinese accounts (大写金额).

By 支付结算办法 annex 1 (正确填写票据和结算凭证的基本规定) and 会计基础工作规范 52: 整 stands after 元 and after 角,
never after 分; zeros between figures are one 零; a 角 of zero before a 分 is one 零. Where both spellings are allowed
(a zero at the end of the 元 or the 万, before a figure) no 零 is written. Compared with cn2an 0.5.24, which writes no
整 after 角 and loses the 零 of 壹亿零壹仟元, and num2words 0.5.14, which has no Chinese currency: neither keeps these
rules.
"""

FIGURES = "零壹贰叁肆伍陆柒捌玖"
PLACES = ("", "拾", "佰", "仟")
GROUPS = ("", "万", "亿")
LIMIT = 10**14  # fen: a million million yuan, more than three groups of four figures


def in_capitals(fen: int) -> str:
    """An amount in capitals: 105 fen are 壹元零伍分. Raises ValueError below 0 and from 10**14 fen on."""
    if not 0 <= fen < LIMIT:
        raise ValueError(fen)
    yuan, jiao, rest = fen // 100, fen // 10 % 10, fen % 10
    if fen == 0:
        return "零元整"
    whole = f"{_whole(yuan)}元" if yuan else ""
    if not jiao and not rest:
        return f"{whole}整"
    gap = "零" if whole and not jiao else ""
    return whole + gap + (f"{FIGURES[jiao]}角" if jiao else "") + (f"{FIGURES[rest]}分" if rest else "整")


def _whole(yuan: int) -> str:
    """Whole yuan, in groups of four figures."""
    text, skipped = "", False
    for at in reversed(range(len(GROUPS))):
        group = yuan // 10_000**at % 10_000
        if group == 0:
            skipped = True
            continue
        if text and (skipped or group < 1000):
            text += "零"
        text += _group(group) + GROUPS[at]
        skipped = False
    return text


def _group(group: int) -> str:
    """A group of four figures, without zeros at its ends."""
    text, skipped = "", False
    for place in reversed(range(4)):
        figure = group // 10**place % 10
        if figure:
            text += ("零" if skipped and text else "") + FIGURES[figure] + PLACES[place]
        skipped = not figure
    return text
