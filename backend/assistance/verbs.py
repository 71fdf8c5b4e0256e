"""The verbs of assistance, with everything that is said of each."""

from backend.assistance import service as assistance
from backend.assistance.schemas import AcknowledgeCall, ArriveAtCall, CallForHelp, CallReceipt, CloseCall
from backend.core.examples import OTHER, PLACE, example
from backend.core.verb import FIELD, OFFICERS, Event, Verb

VERBS = (
    Verb(
        name="assistance/call", entry=CallForHelp, receipt=CallReceipt, record=assistance.call, may=FIELD,
        told_to="readers", urgent=True,
        tag="Help · 求助", zh="请求支援", en="Call for help",
        codes=(),
        example=example(kind="violence", words="一人持械，需要增援", place=PLACE),
    ),
    Verb(
        name="assistance/acknowledge", entry=AcknowledgeCall, receipt=CallReceipt, record=assistance.acknowledge,
        may=OFFICERS, concerned=assistance.concerned, told_to="readers",
        tag="Help · 求助", zh="接警响应", en="Acknowledge a call for help",
        codes=("unknown_call", "own_matter", "call_acknowledged", "call_closed"),
        example=example(call=OTHER),
    ),
    Verb(
        name="assistance/arrive", entry=ArriveAtCall, receipt=CallReceipt, record=assistance.arrive, may=FIELD,
        concerned=assistance.concerned, told_to="readers",
        tag="Help · 求助", zh="到达现场", en="Record arrival at a call for help",
        codes=("unknown_call", "call_closed"),
        example=example(call=OTHER),
    ),
    Verb(
        name="assistance/close", entry=CloseCall, receipt=CallReceipt, record=assistance.close, may=FIELD,
        concerned=assistance.concerned, told_to="readers",
        tag="Help · 求助", zh="结束求助", en="Close a call for help",
        codes=("unknown_call", "call_closed"),
        example=example(call=OTHER, words="两人被控制，无人受伤"),
    ),
)  # fmt: skip
EVENTS = (Event("assistance/escalate", told_to="readers"),)
