"""Prints what a roster would change in the histories of people, by kind, before anything is written."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mobile_api.cli.terminal import say
from storage.language import by_locale

if TYPE_CHECKING:
    from backend.people.histories import Change, Term
    from backend.people.roster import Missing, Preview

KINDS = {
    "new": ("新增", "new"),
    "returned": ("复职", "returned"),
    "moved": ("调动", "moved"),
    "continued": ("续任", "continued"),
    "corrected": ("更正", "corrected"),
    "ended": ("离岗", "ended"),
    "extended": ("延期", "extended"),
    "renamed": ("改名（须确认）", "renamed (to confirm)"),
    "reissued": ("警号改发他人（须确认）", "badge given to somebody else (to confirm)"),
}


def show(preview: "Preview", *, everybody: bool) -> None:
    """Print the changes, and whom the file no longer names. `everybody`: new people one by one, not only how many."""
    for kind, (zh, en) in KINDS.items():
        changes = [change for change in preview.changes if change.kind == kind]
        if changes:
            say(f"{zh} {len(changes)}", f"{en}: {len(changes)}")
        if everybody or kind != "new":
            for change in changes:
                say(*(f"  {words}" for words in _words(change)))
    for line in _missing(preview.missing):
        say(*line)
    for group in preview.alike:
        badges = " ".join(group)
        say(f"系统中已有易混的警号：{badges}", f"badges known from before that look alike: {badges}")


def _words(change: "Change") -> tuple[str, str]:
    """A change in one line, in Chinese and in English."""
    after, before = change.after, change.before
    if change.kind == "ended":
        return f"{_who(after)}，至 {after.until}", f"{_who(after)}, until {after.until}"
    if change.kind == "extended":
        return f"{_who(after)}，至 {after.until or '不定'}", f"{_who(after)}, until {after.until or 'open'}"
    if before is None or change.kind == "returned":
        place = f"{after.kind} {after.organ}"
        return f"{_who(after)}，{place}，自 {after.since}", f"{_who(after)}, {place}, from {after.since}"
    what = f"{after.badge} {_difference(before, after)}"
    return f"{what}，自 {after.since}", f"{what}, from {after.since}"


def _who(term: "Term") -> str:
    return f"{term.badge} {term.name}"


def _difference(before: "Term", after: "Term") -> str:
    """What differs, as `before → after`; the name alone where nothing else does."""
    pairs = ((getattr(before, field), getattr(after, field)) for field in ("name", "kind", "organ"))
    parts = [old if old == new else f"{old} → {new}" for old, new in pairs]
    return " ".join(part for number, part in enumerate(parts) if number == 0 or "→" in part)


def _missing(missing: "Missing") -> Iterator[tuple[str, str]]:
    if missing.people or missing.roles:
        yield (
            "文件中不再出现（用 --end-missing 终止，截至昨日）：",
            "no longer named by the file (--end-missing ends them, as of yesterday):",
        )
    for term in missing.people:
        yield (f"  {_who(term)} {term.kind} {term.organ}",) * 2
    for role in missing.roles:
        yield (f"  {role.badge} {role.name} {role.role} {role.organ}",) * 2


def question(count: int) -> str:
    """What a person at a terminal is asked before anything is written."""
    return by_locale(f"以上 {count} 项改名或改发确认无误，请输入 yes", f"type yes to confirm these {count}")
