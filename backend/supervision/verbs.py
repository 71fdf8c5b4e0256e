"""The verbs of supervision, with everything that is said of each."""

from backend.core.examples import OFFICER, OTHER, example
from backend.core.roles import INSPECTING
from backend.core.verb import AUXILIARIES, FIELD, OFFICERS, Event, HeldRule, Verb
from backend.supervision import orders
from backend.supervision import service as supervision
from backend.supervision.orders import DeclinedReceipt, DeclineOrder, DisputeOrder, OrderReceipt
from backend.supervision.schemas import (
    ConfirmLeading,
    DeclineLeading,
    EndLeading,
    HandOverLeading,
    NameOfficer,
    ProveLeading,
    SupervisionReceipt,
)

NAMES_OFFICER = HeldRule(named=lambda entry: [entry.officer])
VERBS = (
    Verb(
        name="supervisions/name", changes=("supervision",),
        entry=NameOfficer, receipt=SupervisionReceipt, record=supervision.name,
        may=AUXILIARIES, told_to="readers", held=NAMES_OFFICER,
        tag="Leading · 带班", zh="指定带班民警", en="Name the leading officer",
        codes=("not_an_officer", "not_on_shift"),
        example=example(officer=OFFICER),
    ),
    Verb(
        name="supervisions/confirm", changes=("supervision", "supervision_answer"),
        entry=ConfirmLeading, receipt=SupervisionReceipt, record=supervision.confirm,
        may=OFFICERS, concerned=supervision.concerned, told_to="readers",
        tag="Leading · 带班", zh="确认带班", en="Confirm that you lead",
        codes=(
            "unknown_supervision", "not_the_named_officer", "already_answered",
        ),
        example=example(supervision=OTHER),
    ),
    Verb(
        name="supervisions/prove", changes=("supervision", "supervision_answer"),
        entry=ProveLeading, receipt=SupervisionReceipt, record=supervision.prove,
        may=FIELD, concerned=supervision.concerned, told_to="readers",
        tag="Leading · 带班", zh="上报离线确认", en="Submit an offline confirmation of leading",
        codes=(
            "unknown_supervision", "leading_not_proved", "signer_revoked", "already_answered", "already_ended",
        ),
        example=example(supervision=OTHER, signature="eyJhbGciOiJFUzI1NiJ9.eyJuYW1pbmciOiIwMTkyIn0.c2lnbmVk"),
    ),
    Verb(
        name="supervisions/decline", changes=("supervision", "supervision_answer"),
        entry=DeclineLeading, receipt=SupervisionReceipt, record=supervision.decline,
        may=OFFICERS, concerned=supervision.concerned, told_to="readers",
        tag="Leading · 带班", zh="否认带班", en="Decline to lead",
        codes=(
            "unknown_supervision", "not_the_named_officer", "already_answered", "already_ended",
        ),
        example=example(supervision=OTHER),
    ),
    Verb(
        name="supervisions/end", changes=("supervision", "supervision_end"),
        entry=EndLeading, receipt=SupervisionReceipt, record=supervision.end, may=FIELD,
        concerned=supervision.concerned, told_to="readers",
        tag="Leading · 带班", zh="结束带班", en="End the leading",
        codes=("unknown_supervision", "already_ended"),
        example=example(supervision=OTHER),
    ),
    Verb(
        name="supervisions/hand-over", changes=("supervision", "supervision_end"),
        entry=HandOverLeading, receipt=SupervisionReceipt,
        record=supervision.hand_over, may=OFFICERS, concerned=supervision.concerned, told_to="readers",
        held=NAMES_OFFICER,
        tag="Leading · 带班", zh="移交带班", en="Hand the leading over to another officer",
        codes=(
            "unknown_supervision", "not_the_named_officer", "not_an_officer", "handed_to_oneself", "already_ended",
        ),
        example=example(supervision=OTHER, officer=OFFICER),
    ),
    Verb(
        name="orders/dispute", entry=DisputeOrder, receipt=OrderReceipt, record=orders.dispute, may=OFFICERS,
        concerned=orders.concerned, desk=True, told_to="concerned",
        tag="Leading · 带班", zh="否认下令", en="Dispute that you ordered it",
        codes=("unknown_order", "order_disputed", "dispute_too_late"),
        example=example(order=OTHER, words="当时未下达该命令"),
    ),
    Verb(
        name="orders/decline", entry=DeclineOrder, receipt=DeclinedReceipt, record=orders.decline, may=AUXILIARIES,
        told_to="actor",
        held=HeldRule(
            listed_to=INSPECTING, shown_to=INSPECTING, decided_by=INSPECTING, named=lambda entry: [entry.officer],
            about=orders.kept_from_who_ordered,
        ),
        tag="Leading · 带班", zh="依法不能做", en="Decline an order that the law forbids",
        codes=("not_an_officer", "unknown_work", "work_not_forbidden"),
        example=example(officer=OFFICER, work="12.3", words="要求单独执行拘留"),
    ),
)  # fmt: skip
EVENTS = (Event("orders/given", told_to="concerned"),)
