"""The verbs of things handed out, with everything that is said of each."""

from backend.core.examples import OTHER, example
from backend.core.verb import DECIDERS, Event, Verb
from backend.items import service as items
from backend.items import uniforms
from backend.items.schemas import IssueItem, ItemReceipt, ReportUniform, ReturnItem, SightingReceipt

VERBS = (
    Verb(
        name="items/issue", entry=IssueItem, receipt=ItemReceipt, record=items.issue, may=DECIDERS,
        concerned=items.concerned, field=False, told_to="readers",
        tag="Items · 领用归还", zh="领用", en="Hand a thing out",
        codes=("unknown_item_kind", "unknown_person", "item_with_somebody"),
        example=example(kind="recorder", serial="DSJ-0042", person=OTHER),
    ),
    Verb(
        name="items/return", entry=ReturnItem, receipt=ItemReceipt, record=items.give_back, may=DECIDERS,
        concerned=items.concerned, field=False, told_to="readers",
        tag="Items · 领用归还", zh="归还", en="Take a thing back",
        codes=("unknown_issued_item", "item_returned", "end_before_start"),
        example=example(item=OTHER),
    ),
    Verb(
        name="uniforms/report", entry=ReportUniform, receipt=SightingReceipt, record=uniforms.report, may=DECIDERS,
        concerned=uniforms.concerned, field=False, told_to="readers",
        tag="Items · 领用归还", zh="登记非履职着装", en="Report a uniform worn off duty",
        codes=("unknown_person", "own_matter", "on_duty_then"),
        example=example(person=OTHER, seen_at="2026-02-28T20:30:00+08:00", words="在商场购物时着全套制服、佩戴标识"),
    ),
)  # fmt: skip
EVENTS = (
    Event("items/unreturned", told_to="readers"),
    Event("items/import", told_to="readers", zh="导入领用登记", en="Import what was handed out"),
)
