"""The verbs of rosters, with everything that is said of each."""

from backend.core.examples import OFFICER, OTHER, PLACE, example
from backend.core.verb import DECIDERS, Event, Verb
from backend.rosters import duty
from backend.rosters import service as rosters
from backend.rosters.schemas import DutyReceipt, EndDuty, NameDuty, PlanReceipt, PlanShifts, WithdrawPlanned

VERBS = (
    Verb(
        name="rosters/plan", entry=PlanShifts, receipt=PlanReceipt, record=rosters.plan, may=DECIDERS,
        concerned=rosters.concerned, field=False, told_to="readers",
        tag="Rosters · 排班", zh="排班", en="Plan shifts",
        codes=("unknown_person", "not_an_officer", "end_before_start", "post_without_radius", "planned_already"),
        example=example(shifts=[{"id": OTHER, "person": OTHER, "post": "南门", "duty_type": "post", "officer": OFFICER,
                                  "starts_at": "2026-03-02T08:00:00+08:00", "ends_at": "2026-03-02T16:00:00+08:00",
                                  "place": PLACE, "radius_m": 200}]),
    ),
    Verb(
        name="rosters/withdraw", entry=WithdrawPlanned, receipt=PlanReceipt, record=rosters.withdraw, may=DECIDERS,
        concerned=rosters.concerned, field=False, told_to="readers",
        tag="Rosters · 排班", zh="撤回排班", en="Withdraw a planned shift",
        codes=("unknown_planned", "planned_withdrawn", "planned_began"),
        example=example(planned=OTHER, why="人员调整"),
    ),
    Verb(
        name="rosters/duty", entry=NameDuty, receipt=DutyReceipt, record=duty.name, may=DECIDERS,
        concerned=duty.concerned, field=False, told_to="readers",
        tag="Rosters · 排班", zh="值班安排", en="Name who commands a duty",
        codes=("unknown_organ", "not_an_officer", "end_before_start", "duty_named_already"),
        example=example(organ="330102010000", starts_at="2026-03-02T08:00:00+08:00",
                         ends_at="2026-03-03T08:00:00+08:00", leader=OFFICER, officers=[OFFICER]),
    ),
    Verb(
        name="rosters/end-duty", entry=EndDuty, receipt=DutyReceipt, record=duty.end, may=DECIDERS,
        concerned=duty.concerned, field=False, told_to="readers",
        tag="Rosters · 排班", zh="结束值班", en="End a duty",
        codes=("unknown_duty", "duty_over"),
        example=example(duty=OTHER, why="临时出差，由他人接班"),
    ),
)  # fmt: skip
EVENTS = (Event("rosters/import", told_to="readers", zh="导入排班", en="Import a plan of shifts"),)
