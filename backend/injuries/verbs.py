"""The verbs of injuries, with everything that is said of each."""

from backend.core.examples import OTHER, PLACE, example
from backend.core.roles import COMMANDING, HANDLING
from backend.core.verb import DECIDERS, FIELD, HeldRule, Verb
from backend.injuries import advances_service as advances
from backend.injuries import service as injuries
from backend.injuries.schemas import (
    AdvanceReceipt,
    ApproveAdvance,
    AttachPapers,
    CareForSurvivors,
    DisposeAdvance,
    InjuryReceipt,
    PayAdvance,
    RefuseAdvance,
    ReportInjury,
    RequestAdvance,
    SettleAdvance,
    StepRecognition,
)

HELD = HeldRule(listed_to=HANDLING, shown_to=HANDLING, decided_by=COMMANDING, about=injuries.organ_of_the_injured)
VERBS = (
    Verb(
        name="injuries/report", changes=("hold",),
        entry=ReportInjury, receipt=InjuryReceipt, record=injuries.report, may=FIELD,
        concerned=injuries.concerned, told_to="concerned", held=HELD,
        tag="Injury · 工伤与垫付", zh="报告负伤", en="Report an injury",
        codes=("not_an_auxiliary", "unknown_person", "unknown_activity", "unknown_document"),
        example=example(injured_at="2026-03-01T07:58:00+08:00", how="制止斗殴时被推倒", doing="巡逻中处置纠纷",
                         body_part="右前臂", severity="serious", hospital="市第一人民医院", place=PLACE,
                         witnesses=[OTHER], costs=[{"kind": "medical", "fen": 500_000, "words": "急诊押金"}]),
    ),
    Verb(
        name="injuries/attach", entry=AttachPapers, receipt=InjuryReceipt, record=injuries.attach,
        may=DECIDERS | FIELD, concerned=injuries.concerned, desk=True, told_to="concerned", held=HELD,
        tag="Injury · 工伤与垫付", zh="补充材料", en="Attach papers to an injury",
        codes=("unknown_injury", "unknown_document"),
        example=example(injury=OTHER, papers=[OTHER]),
    ),
    Verb(
        name="injuries/recognition", changes=("hold",),
        entry=StepRecognition, receipt=InjuryReceipt, record=injuries.record_step,
        may=DECIDERS, concerned=injuries.concerned, field=False, told_to="concerned",
        tag="Injury · 工伤与垫付", zh="工伤认定进展", en="Record a step of work-injury recognition",
        codes=(
            "unknown_injury", "not_the_handler", "own_matter", "stale", "recognition_out_of_order",
            "not_an_extension", "unknown_document", "time_ahead",
        ),
        example=example(injury=OTHER, version=1, step="apply", on_day="2026-03-05", words="已向人社部门提交申请"),
    ),
    Verb(
        name="injuries/survivors", entry=CareForSurvivors, receipt=InjuryReceipt,
        record=injuries.care_for_survivors, may=DECIDERS, concerned=injuries.concerned, field=False,
        told_to="concerned",
        tag="Injury · 工伤与垫付", zh="遗属事项", en="Record help for survivors",
        codes=("unknown_injury", "not_the_handler", "own_matter", "not_fatal", "survivor_item_done"),
        example=example(injury=OTHER, item="orphan_support", words="子女已纳入孤儿保障"),
    ),
    Verb(
        name="advances/request", entry=RequestAdvance, receipt=AdvanceReceipt, record=advances.request, may=FIELD,
        concerned=injuries.concerned, told_to="concerned", held=HELD,
        tag="Injury · 工伤与垫付", zh="申请垫付", en="Request an advance payment",
        codes=("unknown_injury", "unknown_document"),
        example=example(injury=OTHER, kind="medical", fen=1_200_000, words="手术押金"),
    ),
    Verb(
        name="advances/approve", entry=ApproveAdvance, receipt=AdvanceReceipt, record=advances.approve, may=DECIDERS,
        concerned=advances.concerned, field=False, told_to="concerned",
        tag="Injury · 工伤与垫付", zh="批准垫付", en="Approve an advance payment",
        codes=("unknown_item", "stale", "not_the_handler", "own_matter", "item_decided", "beyond_requested",
               "second_person_needed", "beyond_first_approval"),
        example=example(item=OTHER, version=2, fen=1_000_000, why="按医院预估费用批准"),
    ),
    Verb(
        name="advances/refuse", entry=RefuseAdvance, receipt=AdvanceReceipt, record=advances.refuse, may=DECIDERS,
        concerned=advances.concerned, field=False, told_to="concerned",
        tag="Injury · 工伤与垫付", zh="不予垫付", en="Refuse an advance payment",
        codes=("unknown_item", "stale", "not_the_handler", "own_matter", "item_decided"),
        example=example(item=OTHER, version=2, why="与本次负伤无关"),
    ),
    Verb(
        name="advances/pay", entry=PayAdvance, receipt=AdvanceReceipt, record=advances.pay, may=DECIDERS,
        concerned=advances.concerned, field=False, told_to="concerned",
        tag="Injury · 工伤与垫付", zh="登记支付", en="Record a payment",
        codes=(
            "unknown_item", "stale", "not_the_handler", "own_matter", "not_approved", "beyond_approved",
            "unknown_document", "receipt_used",
        ),
        example=example(item=OTHER, version=3, fen=1_000_000, receipt=OTHER, words="转账至医院"),
    ),
    Verb(
        name="advances/settle", entry=SettleAdvance, receipt=AdvanceReceipt, record=advances.settle, may=DECIDERS,
        concerned=advances.concerned, field=False, told_to="concerned",
        tag="Injury · 工伤与垫付", zh="登记结算", en="Record who bears a cost",
        codes=("unknown_item", "stale", "not_the_handler", "own_matter", "beyond_paid", "not_recognised_yet"),
        example=example(item=OTHER, version=4, payer="accident_insurer", fen=800_000, words="意外险理赔"),
    ),
    Verb(
        name="advances/dispose", entry=DisposeAdvance, receipt=AdvanceReceipt, record=advances.dispose, may=DECIDERS,
        concerned=advances.concerned, field=False, told_to="concerned",
        tag="Injury · 工伤与垫付", zh="未认定费用处置", en="Decide on costs of an injury that was not recognised",
        codes=("unknown_item", "stale", "not_the_handler", "own_matter", "not_refused_recognition"),
        example=example(item=OTHER, version=4, then_what="employer", why="因公受伤，由单位承担"),
    ),
)  # fmt: skip
