"""The verbs of shifts, with everything that is said of each."""

from backend.core.examples import OFFICER, OTHER, PLACE, example
from backend.core.verb import AUXILIARIES, HeldRule, Verb
from backend.shifts import service as shifts
from backend.shifts.schemas import CheckIn, CheckOut, ShiftReceipt

VERBS = (
    Verb(
        name="shifts/check-in", changes=("shift",),
        entry=CheckIn, receipt=ShiftReceipt, record=shifts.check_in, may=AUXILIARIES,
        told_to="readers", held=HeldRule(named=lambda entry: [entry.ordered_by] if entry.ordered_by else []),
        tag="Shifts · 班次", zh="签到", en="Check in: begin a shift",
        codes=("dress_reason_missing", "plain_without_id_card", "without_id_card", "not_ordered", "not_an_officer"),
        example=example(duty_type="patrol", dress="uniform", id_card_carried=True, equipment=["执法记录仪"],
                         ordered_by=OFFICER, place=PLACE),
    ),
    Verb(
        name="shifts/check-out", changes=("check_out", "shift"),
        entry=CheckOut, receipt=ShiftReceipt, record=shifts.check_out, may=AUXILIARIES,
        told_to="readers",
        tag="Shifts · 班次", zh="签退", en="Check out: end a shift",
        codes=("unknown_shift", "already_checked_out"),
        example=example(shift=OTHER, place=PLACE),
    ),
)  # fmt: skip
