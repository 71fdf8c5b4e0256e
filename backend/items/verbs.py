"""The verbs of things handed out, with everything that is said of each."""

from backend.core.examples import OTHER, example
from backend.core.verb import DECIDERS, Verb
from backend.items import service as items
from backend.items.schemas import IssueItem, ItemReceipt, ReturnItem

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
)  # fmt: skip
