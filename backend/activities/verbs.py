"""The verbs of activities, with everything that is said of each."""

from backend.activities import service as activities
from backend.activities.schemas import (
    ActivityReceipt,
    AmendActivity,
    CoverGap,
    ExplainGap,
    FinishActivity,
    GapReceipt,
    StartActivity,
)
from backend.core.examples import NOTICE, OTHER, PLACE, example
from backend.core.verb import AUXILIARIES, FIELD, HeldRule, Verb

RESTRAINS = HeldRule(named=lambda entry: [each.ordered_by for each in entry.restraints])
VERBS = (
    Verb(
        name="activities/start", changes=("activity", "activity_telling", "restraint"),
        entry=StartActivity, receipt=ActivityReceipt, record=activities.start,
        may=AUXILIARIES, told_to="readers", held=RESTRAINS,
        tag="Activities · 工作", zh="开始工作", en="Start an activity",
        codes=(
            "unknown_work", "case_ref_without_case", "case_kind_unfit", "forbidden_work", "not_your_kind",
            "untrained", "prerequisite_missing", "unqualified", "unlicensed", "recused", "not_on_shift", "not_led",
            "too_few_officers", "too_few_people", "no_emergency", "not_recording", "led_not_recording",
            "restraint_not_allowed", "not_on_this_person", "no_watcher", "not_an_officer", "unknown_person",
            "end_before_start",
        ),
        example=example(work="10.3.question", case_kind="none", officers_present=2, recording=True, place=PLACE,
                         public_notice=NOTICE),
    ),
    Verb(
        name="activities/finish", changes=("activity", "activity_telling", "restraint"),
        entry=FinishActivity, receipt=ActivityReceipt, record=activities.finish,
        may=AUXILIARIES, told_to="readers", held=RESTRAINS,
        tag="Activities · 工作", zh="结束工作", en="Finish an activity",
        codes=(
            "unknown_activity", "already_finished", "not_released", "restraint_not_allowed", "not_on_this_person",
            "no_watcher", "not_an_officer", "unknown_person",
        ),
        example=example(activity=OTHER, notes="未发现违禁物品"),
    ),
    Verb(
        name="activities/amend", changes=("activity", "activity_telling", "restraint"),
        entry=AmendActivity, receipt=ActivityReceipt, record=activities.amend,
        may=AUXILIARIES, told_to="readers", held=RESTRAINS,
        tag="Activities · 工作", zh="更正工作记录", en="Amend an activity",
        codes=(
            "unknown_activity", "nothing_amended", "end_before_start", "unknown_work", "case_ref_without_case",
            "case_kind_unfit", "forbidden_work", "not_your_kind", "untrained", "prerequisite_missing", "unqualified",
            "unlicensed", "recused", "too_few_officers", "too_few_people", "no_emergency", "restraint_not_allowed",
            "not_on_this_person", "no_watcher", "not_an_officer", "unknown_person",
        ),
        example=example(activity=OTHER, why="接警编号漏填", case_kind="administrative", case_ref="A3301022026030001"),
    ),
    Verb(
        name="recordings/explain", changes=("gap_account",),
        entry=ExplainGap, receipt=GapReceipt, record=activities.explain, may=FIELD,
        concerned=activities.concerned, told_to="readers",
        tag="Evidence · 视音频资料", zh="说明记录中断", en="Explain a gap",
        codes=("unknown_activity", "end_before_start", "not_an_officer", "no_gap"),
        example=example(activity=OTHER, cause="battery", words="电池耗尽，更换后继续", spoken=True),
    ),
    Verb(
        name="recordings/cover", changes=("gap_account",),
        entry=CoverGap, receipt=GapReceipt, record=activities.cover, may=FIELD,
        concerned=activities.concerned, told_to="readers",
        tag="Evidence · 视音频资料", zh="说明其他来源", en="Name another source that recorded a gap",
        codes=("unknown_activity", "end_before_start", "unknown_person", "colleague_unfit", "no_gap"),
        example=example(activity=OTHER, covered_by="fixed_camera", source="南门卡口 3 号球机"),
    ),
)  # fmt: skip
