"""The verbs of held: name, structs, function, refusals, and who gets each in the feed."""

from backend.core.examples import OTHER, example
from backend.core.verb import DECIDERS, Event, Verb
from backend.held import contests
from backend.held import service as held_entries
from backend.held.contests import ResolveContest, RulingReceipt
from backend.held.service import AdmitHeld, HeldReceipt, RefuseHeld

VERBS = (
    Verb(
        name="contests/resolve", changes=("ruling", "shift", "supervision"),
        entry=ResolveContest, receipt=RulingReceipt, record=contests.resolve, may=DECIDERS,
        concerned=contests.whose_contest, field=False, told_to="readers",
        tag="Oversight · 监督", zh="认定冲突记录", en="Resolve a contest between two records",
        codes=("unknown_contest", "own_matter", "not_contested"),
        example=example(contested=OTHER, stands="contested", why="调取门岗监控，以该次签到为准"),
    ),
    Verb(
        name="held/admit", entry=AdmitHeld, receipt=HeldReceipt, record=held_entries.admit, may=DECIDERS,
        concerned=held_entries.whose_decision, field=False, told_to="concerned",
        tag="Sync · 同步", zh="准予入库", en="Admit a held entry",
        codes=("unknown_held", "own_matter", "already_decided"),
        example=example(held=OTHER, why="设备丢失前的记录，经本人核实"),
    ),
    Verb(
        name="held/refuse", entry=RefuseHeld, receipt=HeldReceipt, record=held_entries.refuse, may=DECIDERS,
        concerned=held_entries.whose_decision, field=False, told_to="concerned",
        tag="Sync · 同步", zh="不予入库", en="Refuse a held entry",
        codes=("unknown_held", "own_matter", "already_decided", "waits_for_reference"),
        example=example(held=OTHER, why="设备丢失后由他人录入"),
    ),
)  # fmt: skip
EVENTS = (Event("held/keep", told_to="nobody"),)
