"""Says what a roster would change, by kind, before anything is written.

In a Chinese terminal kinds, roles and the like are Chinese words. An organ is its code and its name.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from backend.people import roster_words as words
from storage.language import by_locale

if TYPE_CHECKING:
    from backend.people.histories import Change, Term
    from backend.people.roster import Missing, Preview
    from backend.people.standing_records import RecordChange, Standing

KINDS = {
    "new": ("新增人员", "new person"),
    "returned": ("复职", "returned"),
    "moved": ("调动", "moved"),
    "continued": ("续任", "continued"),
    "corrected": ("更正", "corrected"),
    "ended": ("离岗", "ended"),
    "extended": ("延期", "extended"),
    "renamed": ("改名（须确认）", "renamed (to confirm)"),
    "reissued": ("警号改发他人（须确认）", "badge given to somebody else (to confirm)"),
}
FIELDS = {
    "name": ("名称", "name"),
    "kind": ("类型", "kind"),
    "organ": ("单位", "organ"),
    "valid_until": ("至", "until"),
}
Organs = Mapping[str, str]  # names by code


def told(preview: "Preview", *, everything: bool) -> Iterator[str]:
    """The changes line by line, and whom the file no longer names. `everything`: also each thing that is new, not only
    how many."""
    organs = preview.organs
    for kind, heading in KINDS.items():
        people = [_person(change, organs) for change in preview.changes if change.kind == kind]
        yield from _group(by_locale(*heading), people, one_by_one=everything or kind != "new")
    for record, meant in words.RECORDS.items():
        changes = [change for change in preview.records if change.after.record == record]
        new = [_new(change.after, organs) for change in changes if change.before is None]
        yield from _group(by_locale(f"新增{meant[0]}", f"new {record}"), new, one_by_one=everything)
        changed = [_record(change, organs) for change in changes if change.before is not None]
        yield from _group(by_locale(f"变更{meant[0]}", f"changed {record}"), changed, one_by_one=True)
    yield from _missing(preview.missing, organs)
    for group in preview.alike:
        yield by_locale("系统中已有易混的警号：", "badges known from before that look alike: ") + " ".join(group)


def _group(heading: str, lines: Sequence[str], *, one_by_one: bool) -> Iterator[str]:
    """How many there are, and each of them."""
    if lines:
        yield by_locale(f"{heading} {len(lines)}", f"{heading}: {len(lines)}")
    if one_by_one:
        yield from (f"  {line}" for line in lines)


def _person(change: "Change", organs: Organs) -> str:
    """A change of one person's history."""
    after, before = change.after, change.before
    if change.kind in ("ended", "extended"):
        return _listed(_who(after), _until(after.until))
    if before is None or change.kind == "returned":
        return _listed(_who(after), _post(after, organs), _since(after.since))
    return _listed(f"{after.badge} {_difference(before, after, organs)}", _since(after.since))


def _new(record: "Standing", organs: Organs) -> str:
    """A new organ, role, qualification or device."""
    parts = [f"{record.code} {record.name}"]
    if record.record == "organ":
        parts += [f"{_label('organ', 'organ')} {_organ(record.organ, organs)}"] if record.organ else []
        return _listed(*parts)
    parts.append(_what(record, organs))
    if record.valid_from is not None:
        parts += [_since(record.valid_from), _until(record.valid_until)]
    return _listed(*parts)


def _record(change: "RecordChange", organs: Organs) -> str:
    """What differs in a record that was known, as `before → after`."""
    after, before = change.after, change.before
    assert before is not None  # noqa: S101 - for the type checker: what is new is told by _new
    parts = [f"{after.code} {before.name}"]
    if after.valid_from is not None:
        parts += [_what(after, organs), _since(after.valid_from)]
    for field in change.differing:
        old, new = (_value(each, field, organs) for each in (before, after))
        parts.append(f"{_label(after.record, field)} {old} → {new}")
    return _listed(*parts)


def _what(record: "Standing", organs: Organs) -> str:
    """The kind, role or qualification, and the organ where there is one."""
    return f"{_kind(record.record, record.kind)} {_organ(record.organ, organs)}".strip()


def _label(record: str, field: str) -> str:
    return by_locale("上级单位", "parent") if (record, field) == ("organ", "organ") else by_locale(*FIELDS[field])


def _value(record: "Standing", field: str, organs: Organs) -> str:
    """A field as it is read; a dash where it is empty."""
    texts = {"kind": _kind(record.record, record.kind), "organ": _organ(record.organ, organs), "name": record.name}
    return texts[field] or "—" if field in texts else _day(record.valid_until)


def _who(term: "Term") -> str:
    return f"{term.badge} {term.name}"


def _post(term: "Term", organs: Organs) -> str:
    return f"{_kind('person', term.kind)} {_organ(term.organ, organs)}"


def _kind(record: str, code: str) -> str:
    """A kind, role or qualification in the words of the terminal."""
    known = words.choices(record)
    return by_locale(known[code][0], code) if code in known else code


def _organ(code: str, organs: Organs) -> str:
    return f"{code} {organs.get(code, '')}".strip()


def _since(day: date) -> str:
    return by_locale(f"自 {day}", f"from {day}")


def _until(day: date | None) -> str:
    return by_locale(f"至 {_day(day)}", f"until {_day(day)}")


def _day(day: date | None) -> str:
    return by_locale("长期", "open") if day is None else str(day)


def _listed(*parts: str) -> str:
    return by_locale("，", ", ").join(parts)


def _difference(before: "Term", after: "Term", organs: Organs) -> str:
    """What differs, as `before → after`; the name alone where nothing else does."""
    told = [(term.name, _kind("person", term.kind), _organ(term.organ, organs)) for term in (before, after)]
    parts = [old if old == new else f"{old} → {new}" for old, new in zip(*told, strict=True)]
    return " ".join(part for number, part in enumerate(parts) if number == 0 or "→" in part)


def _missing(missing: "Missing", organs: Organs) -> Iterator[str]:
    if missing.people or missing.roles:
        yield by_locale(
            "文件中不再出现（--end-missing 终止，截至昨日）：",
            "no longer named by the file (--end-missing ends them, as of yesterday):",
        )
    for term in missing.people:
        yield f"  {_who(term)} {_post(term, organs)}"
    for role in missing.roles:
        yield f"  {role.badge} {role.name} {_kind('role', role.role)} {_organ(role.organ, organs)}"


def question(count: int) -> str:
    """What a person at a terminal is asked before anything is written."""
    return by_locale(f"以上 {count} 项改名或改发确认无误，请输入 yes", f"type yes to confirm these {count}")
