"""The words of a roster as HR writes them: headings, kinds, roles, and the sheets of a workbook.

The first word of each list is what our template says. The codes are those of the tables and of the API.
"""

from collections.abc import Mapping, Sequence

from backend.law.catalogue import laws

Words = Mapping[str, Sequence[str]]

RECORDS: Words = {
    "organ": ("单位", "机构", "公安机关"),
    "person": ("人员", "辅警", "民警", "名册", "花名册", "辅警名册", "辅警花名册"),
    "role": ("角色", "职务", "权限"),
    "qualification": ("资质", "资格", "培训", "证书", "资质与培训", "保险"),
    "device": ("设备", "终端"),
}
OFFICER: Words = {"officer": ("民警", "人民警察", "警察", "在编民警")}
OTHERS: Words = {"staff": ("职员", "职工"), "dock": ("采集工作站", "采集站")}
ROLES: Words = {
    "commander": ("单位负责人", "负责人", "指挥", "领导"),
    "treasurer": ("警务保障", "财务", "警务保障（财务）", "警务保障(财务)"),
    "inspector": ("督察",),
    "administrator": ("系统管理员", "系统管理", "管理员"),
}
DEVICES: Words = {
    "handheld": ("手持终端", "警务通", "移动警务终端"),
    "desk": ("办公电脑", "桌面"),
    "dock": ("采集工作站", "采集站"),
}
NO_END = {"长期", "至今", "无", "无固定期限", "永久", "-", "—", "/"}  # in the column of the last day
EXPLAINING = {"说明", "填写说明", "使用说明", "示例", "选项"}  # sheets that hold no record

RECORD = ("记录", "记录类型")
FROM = (
    "开始日期", "开始", "起", "起始日期", "生效日期", "入职日期", "入职时间", "任职日期", "任职时间", "取得日期",
    "发证日期", "有效期起", "服务期限起", "任职期限起", "有效期限起", "起始时间",
)  # fmt: skip
UNTIL = (
    "结束日期", "结束", "止", "截止日期", "终止日期", "离职日期", "离职时间", "免职日期", "有效期止", "有效期至",
    "到期日期", "服务期限止", "任职期限止", "有效期限止", "截止时间",
)  # fmt: skip
BADGE_HEADS = ("警号", "辅警编号", "警号/辅警编号", "辅警号", "人员编号", "编号", "代码")
ORGAN_HEADS = ("单位", "单位代码", "所属单位", "所在单位", "工作单位", "机构", "机构代码", "所属机构", "部门")


def headings(record: str) -> dict[str, Sequence[str]]:
    """The headings of a sheet that holds this kind of record, by column."""
    special: dict[str, dict[str, Sequence[str]]] = {
        "organ": {
            "code": ("代码", "单位代码", "机构代码", "编号"),
            "name": ("名称", "单位名称", "机构名称", "单位", "机构"),
            "organ": ("上级代码", "上级单位", "上级单位代码", "上级机构", "上级机构代码", "上级", "上级单位名称"),
        },
        "role": {"kind": ("角色", "职务", "类别")},
        "qualification": {"kind": ("资质", "资质代码", "资格", "培训", "证书", "保险", "类别")},
        "device": {
            "code": ("序列号", "设备序列号", "设备编号", "编号", "代码"),
            "name": ("名称", "设备名称"),
            "kind": ("类型", "设备类型", "类别"),
        },
    }
    common: dict[str, Sequence[str]] = {
        "record": RECORD,
        "code": BADGE_HEADS,
        "name": ("姓名", "名称"),
        "kind": ("类别", "人员类别", "辅警类别", "身份", "类型"),
        "organ": ORGAN_HEADS,
        "from": FROM,
        "until": UNTIL,
        "formerly": ("原警号", "此前警号", "原编号", "原辅警编号"),
    }
    return common | special.get(record, {})


def kinds() -> Words:
    """The kinds of person: those of the program, and the kinds of auxiliaries of every law that is judged by."""
    auxiliaries = {code: (kind.zh, *kind.words) for each in laws() for code, kind in each.kinds.items()}
    return {**OFFICER, **auxiliaries, **OTHERS}


def choices(record: str) -> Words:
    """What the column `kind` takes for this kind of record: codes, and the words that mean each."""
    if record == "qualification":
        return {code: (kind.zh, kind.en) for each in laws() for code, kind in each.recorded.items()}
    return {"person": kinds(), "role": ROLES, "device": DEVICES}.get(record, {})


def chosen(words: Words, text: str) -> str | None:
    """The code that a text means: the code, a word of it, or both as in `officer 民警`; None: none of them."""
    for code, meant in words.items():
        if text == code or text in meant or any(text in (f"{code} {word}", f"{word} {code}") for word in meant):
            return code
    return None


def record_of(title: str) -> str | None:
    """The kind of record that the tab of a sheet tells; None: it tells none.

    Of several words the last one tells: 本单位辅警花名册 is of persons, 人员角色 of roles.
    """
    if title in RECORDS:
        return title
    found = [(word, record) for record, words in RECORDS.items() for word in words if word in title]
    return max(found, key=lambda each: title.rfind(each[0]) + len(each[0]), default=("", None))[1]
