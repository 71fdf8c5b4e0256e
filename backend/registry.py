"""The one list of verbs and events, made from the verbs.py of every feature.

The routes, the sync union, the contract, the feed and the tables in the documents are made from it. How to add a verb:
CONTRIBUTING.md.
"""

from backend import documents
from backend.activities import verbs as activities
from backend.assistance import verbs as assistance
from backend.complaints import verbs as complaints
from backend.core.verb import Event, ToldTo, Verb
from backend.evidence import verbs as evidence
from backend.held import verbs as held
from backend.hours import verbs as hours
from backend.injuries import verbs as injuries
from backend.items import verbs as items
from backend.packages import verbs as packages
from backend.people import verbs as people
from backend.recusals import verbs as recusals
from backend.reviews import verbs as reviews
from backend.rosters import verbs as rosters
from backend.shifts import verbs as shifts
from backend.supervision import verbs as supervision

VERBS: tuple[Verb, ...] = (
    *shifts.VERBS, *supervision.VERBS, *activities.VERBS, *evidence.VERBS, *reviews.VERBS, *recusals.VERBS,
    *assistance.VERBS, *injuries.VERBS, *complaints.VERBS, *hours.VERBS, *rosters.VERBS,
    *items.VERBS, *people.VERBS, *held.VERBS,
)  # fmt: skip
# Journal lines that no entry makes.
EVENTS: tuple[Event, ...] = (
    *people.EVENTS, *supervision.EVENTS, *evidence.EVENTS, *assistance.EVENTS, *complaints.EVENTS,
    *reviews.EVENTS, *packages.EVENTS, *held.EVENTS, *documents.EVENTS,
    *items.EVENTS, *rosters.EVENTS,
    Event("erasure/erase", told_to="nobody"),
    Event("house/baseline", told_to="nobody"),
    # Commands about the whole house. Those whose effect lies outside the database write one line before it, and one
    # after it.
    Event("house/migrate", told_to="administrators", zh="更新数据库结构", en="Bring the schema up to date"),
    Event("house/backup", told_to="administrators", zh="开始备份", en="Begin a backup"),
    Event("house/backed-up", told_to="administrators", zh="备份完成", en="Backup finished"),
    Event("house/restore", told_to="administrators", zh="从备份恢复", en="Restore a backup"),
    Event(
        "house/mark-store", told_to="administrators", changes=("store_marker",), zh="记下本系统的存储桶",
        en="Mark the bucket of this house",
    ),
    Event("keys/rotate", told_to="administrators", zh="开始更换密钥", en="Key rotation begins"),
    Event("keys/rotated", told_to="administrators", zh="已更换密钥", en="Key rotated"),
    Event("calendar/take-in", told_to="administrators", zh="开始录入放假安排", en="Notice on days off: begin"),
    Event("calendar/taken-in", told_to="administrators", zh="已录入放假安排", en="Notice on days off was taken in"),
)  # fmt: skip
BY_NAME = {verb.name: verb for verb in VERBS}
TOLD_TO: dict[str, ToldTo] = {verb.name: verb.told_to for verb in VERBS} | {
    event.name: event.told_to for event in EVENTS
}
# The tables whose facts a line of this verb may change. No line of another verb does.
MAY_CHANGE: dict[str, frozenset[str]] = {verb.name: frozenset(verb.changes) for verb in VERBS} | {
    event.name: frozenset(event.changes) for event in EVENTS
}
# The same, by verb and outcome of the line: what an entry changes is recorded; what the server does by itself is done.
MAY_CHANGE_BY_LINE = {(verb.name, "recorded"): MAY_CHANGE[verb.name] for verb in VERBS} | {
    (event.name, "done"): MAY_CHANGE[event.name] for event in EVENTS
}
