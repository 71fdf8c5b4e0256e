"""The verbs of hours, with everything that is said of each."""

from backend.core.examples import OTHER, example
from backend.core.verb import DECIDERS, Verb
from backend.hours import service as hours
from backend.hours.schemas import TakeTimeOff, TimeOffReceipt, WithdrawTimeOff

VERBS = (
    Verb(
        name="hours/take-off", entry=TakeTimeOff, receipt=TimeOffReceipt, record=hours.take_time_off, may=DECIDERS,
        concerned=hours.concerned, field=False, told_to="readers",
        tag="Hours · 工时", zh="安排补休", en="Grant time off in lieu",
        codes=("unknown_person", "own_matter", "time_off_that_day", "time_off_not_owed"),
        example=example(person=OTHER, month="2026-02", on_day="2026-03-04", minutes=480, words="补春节值守"),
    ),
    Verb(
        name="hours/withdraw", entry=WithdrawTimeOff, receipt=TimeOffReceipt, record=hours.withdraw_time_off,
        may=DECIDERS, concerned=hours.concerned, field=False, told_to="readers",
        tag="Hours · 工时", zh="撤回补休", en="Withdraw time off in lieu",
        codes=("unknown_time_off", "own_matter", "time_off_withdrawn"),
        example=example(time_off=OTHER, why="当日临时任务，未能补休"),
    ),
)  # fmt: skip
