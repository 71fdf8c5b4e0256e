"""The initials of a Chinese name in pinyin (拼音首字母), as people type them to find somebody: 林思 is `ls`.

Guarantees: computed here alone. A surname has the reading that it has as a surname (单 Shan, 曾 Zeng, 仇 Qiu, 区 Ou,
解 Xie, 查 Zha), and several where families differ. Any other character has every reading that it may have, because
nobody asked the person: 长 is found by `c` and by `z`. A character without a known reading stands for any letter.

Source: readings of single characters from pypinyin; surnames: 现代汉语词典 and 中国姓氏大辞典, as listed below.
"""

import functools
import unicodedata

LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
# Surnames whose reading as a surname is not, or not only, the usual one of the character.
SURNAMES = {
    "单": "shan", "曾": "zeng", "仇": "qiu", "区": "ou", "解": "xie", "查": "zha", "任": "ren", "华": "hua",
    "盖": "ge gai", "朴": "piao", "翟": "zhai di", "尉": "wei yu", "乐": "yue le", "缪": "miao", "召": "shao zhao",
    "种": "chong", "重": "chong", "繁": "po", "秘": "bi", "祭": "zhai", "宓": "mi fu", "宁": "ning", "员": "yun",
    "乜": "nie", "冼": "xian", "洗": "xian", "覃": "qin tan", "谌": "chen shen", "卜": "bu", "薄": "bo", "柏": "bai bo",
    "逄": "pang", "郗": "xi chi", "佴": "nai", "能": "nai", "黑": "he", "句": "gou", "长": "chang", "折": "she",
    "纪": "ji", "燕": "yan", "过": "guo", "牟": "mu mou", "隗": "wei kui", "郇": "xun huan", "晟": "cheng", "么": "yao",
    "沈": "shen", "冯": "feng", "陆": "lu", "叶": "ye", "贾": "jia", "褚": "chu", "车": "che", "石": "shi", 
    "万": "wan", "万俟": "mo qi", "尉迟": "yu chi", "单于": "chan yu", "长孙": "zhang sun", "令狐": "ling hu",
    "澹台": "tan tai", "夏侯": "xia hou", "呼延": "hu yan", "拓跋": "tuo ba", "亓官": "qi guan", "宿": "su",
    "葛": "ge", "费": "fei bi", "俞": "yu", "余": "yu", "於": "yu", "都": "du", "阚": "kan", "哈": "ha", "那": "na",
    "占": "zhan", "相": "xiang", "卓": "zhuo", "臧": "zang", "殷": "yin", "盛": "sheng cheng", "干": "gan",
    "邵": "shao", "许": "xu", "贲": "ben", "行": "xing", "适": "kuo shi", "谷": "gu",
    "丁": "ding", "何": "he", "彭": "peng", "吴": "wu", "于": "yu", "江": "jiang",
}  # fmt: skip
COMPOUND = 2  # characters of the longest surnames that are listed


def initials(name: str) -> tuple[frozenset[str], ...]:
    """For each character that is read, the letters that it may begin with; of an unknown character, every letter."""
    text = [character for character in unicodedata.normalize("NFKC", name) if _is_read(character)]
    surname = _surname("".join(text))
    return surname + tuple(_letters(character) for character in text[len(surname) :])


def begins_with(name: str, typed: str) -> bool:
    """Whether the name's initials begin with these letters, by some reading."""
    return _begins_with(name, "".join(unicodedata.normalize("NFKC", typed).lower().split()))


@functools.lru_cache(maxsize=65_536)
def _initials(name: str) -> tuple[frozenset[str], ...]:
    return initials(name)


def _begins_with(name: str, typed: str) -> bool:
    letters = _initials(name)
    return 0 < len(typed) <= len(letters) and all(map(frozenset.__contains__, letters, typed))


def _is_read(character: str) -> bool:
    """Letters, digits, and characters of private use or newer than this Python; no dots and spaces."""
    return character.isalnum() or unicodedata.category(character) in ("Co", "Cn")


def _surname(name: str) -> tuple[frozenset[str], ...]:
    """The initials of a listed surname, one for each of its characters; empty where none is listed."""
    if len(name) > COMPOUND and name[:COMPOUND] in SURNAMES:
        return tuple(frozenset(reading[0]) for reading in SURNAMES[name[:COMPOUND]].split())
    if name[:1] in SURNAMES:
        return (frozenset(reading[0] for reading in SURNAMES[name[0]].split()),)
    return ()


def _letters(character: str) -> frozenset[str]:
    from pypinyin import Style, pinyin  # here, because its dictionary takes a tenth of a second to load

    if character.isascii():
        return frozenset(character.lower())
    readings = pinyin(character, style=Style.NORMAL, heteronym=True)
    found = {unicodedata.normalize("NFD", reading)[:1].lower() for each in readings for reading in each}
    return frozenset(found & LETTERS) or LETTERS
