"""The one list of verbs: what it is called, its struct on the wire, the function that records it, and who may.

Routes, documentation and the sync union are made from it.
"""

from typing import Any

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
from backend.assistance import service as assistance
from backend.assistance.schemas import AcknowledgeCall, ArriveAtCall, CallForHelp, CallReceipt, CloseCall
from backend.complaints import matters
from backend.complaints import service as complaints
from backend.complaints.schemas import (
    AnswerMatter,
    ComplaintReceipt,
    ConcludeComplaint,
    ExtendComplaint,
    FeedBack,
    IdentifyPerson,
    LinkFootage,
    MatterReceipt,
    NotifyComplainant,
    RaiseMatter,
    ReceiveComplaint,
    StepAsideFromComplaint,
)
from backend.core.verb import Verb
from backend.evidence import declaring, describing
from backend.evidence.retention import legal_holds
from backend.evidence.schemas import (
    DeclareDocument,
    DeclareRecording,
    DescribeRecording,
    DescriptionReceipt,
    HoldReceipt,
    PlaceHold,
    ReleaseHold,
    UploadReceipt,
)
from backend.held import contests
from backend.held import service as held_entries
from backend.held.contests import ResolveContest, RulingReceipt
from backend.held.service import AdmitHeld, HeldReceipt, RefuseHeld
from backend.hours import service as hours
from backend.hours.schemas import TakeTimeOff, TimeOffReceipt, WithdrawTimeOff
from backend.injuries import advances
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
from backend.recusals import service as recusals
from backend.recusals.schemas import (
    ApplyForRecusal,
    DecideRecusal,
    DeclareRecusal,
    JudgeActs,
    PassOnRecusal,
    ReconsiderRecusal,
    RecusalReceipt,
    StandAside,
    TellApplicant,
)
from backend.reviews import service as reviews
from backend.reviews.schemas import (
    ApproveReview,
    CloseReview,
    LiftRestriction,
    NoteInReview,
    OpenReview,
    RefuseReview,
    ReplyReceipt,
    ReplyToFinding,
    RestrictFootage,
    RestrictionReceipt,
    ReviewReceipt,
)
from backend.rosters import service as rosters
from backend.rosters.schemas import PlanReceipt, PlanShifts, WithdrawPlanned
from backend.shifts import service as shifts
from backend.shifts.schemas import CheckIn, CheckOut, ShiftReceipt
from backend.supervision import service as supervision
from backend.supervision.schemas import (
    ConfirmLeading,
    DeclineLeading,
    EndLeading,
    HandOverLeading,
    NameOfficer,
    ProveLeading,
    SupervisionReceipt,
)

AUXILIARIES = frozenset({"duty_auxiliary", "civilian_auxiliary"})
OFFICERS = frozenset({"officer"})
FIELD = AUXILIARIES | OFFICERS
DOCKS = frozenset({"dock"})
DECIDERS = OFFICERS | {"staff"}  # who decides also needs the role, on the organ concerned

ID = "0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0001"
OTHER = "0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0002"
OFFICER = "0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0003"
CASE = "A3301022026030001"
PLACE = {"lat": 30.2741, "lon": 120.1551, "accuracy_m": 8.0, "datum": "WGS84"}
NOTICE = {"id_shown": True, "told": "向被盘查人说明身份和依据", "recusal_right_told": True}
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def _example(**fields: Any) -> dict[str, Any]:
    common = {"sent_at": "2026-03-01T08:00:01+08:00", "id": ID, "occurred_at": "2026-03-01T08:00:00+08:00"}
    return {**common, "device_seq": 17, **fields}


VERBS: tuple[Verb, ...] = (
    Verb(
        name="shifts/check-in", entry=CheckIn, receipt=ShiftReceipt, record=shifts.check_in, may=AUXILIARIES,
        summary="Begin a shift · 签到",
        example=_example(duty_type="patrol", dress="uniform", id_card_carried=True, equipment=["执法记录仪"],
                         ordered_by=OFFICER, place=PLACE),
    ),
    Verb(
        name="shifts/check-out", entry=CheckOut, receipt=ShiftReceipt, record=shifts.check_out, may=AUXILIARIES,
        summary="End a shift · 签退", example=_example(shift=OTHER, place=PLACE),
    ),
    Verb(
        name="supervisions/name", entry=NameOfficer, receipt=SupervisionReceipt, record=supervision.name,
        may=AUXILIARIES, summary="Name the officer who leads · 指定带班民警", example=_example(officer=OFFICER),
    ),
    Verb(
        name="supervisions/confirm", entry=ConfirmLeading, receipt=SupervisionReceipt, record=supervision.confirm,
        may=OFFICERS, concerned=supervision.the_led, summary="Confirm that you lead · 确认带班",
        example=_example(supervision=OTHER),
    ),
    Verb(
        name="supervisions/prove", entry=ProveLeading, receipt=SupervisionReceipt, record=supervision.prove, may=FIELD,
        concerned=supervision.the_led, summary="Bring home a signed leading · 上报离线确认",
        example=_example(supervision=OTHER, signature="eyJhbGciOiJFUzI1NiJ9.eyJuYW1pbmciOiIwMTkyIn0.c2lnbmVk"),
    ),
    Verb(
        name="supervisions/decline", entry=DeclineLeading, receipt=SupervisionReceipt, record=supervision.decline,
        may=OFFICERS, concerned=supervision.the_led, summary="Say that you do not lead · 否认带班",
        example=_example(supervision=OTHER),
    ),
    Verb(
        name="supervisions/end", entry=EndLeading, receipt=SupervisionReceipt, record=supervision.end, may=FIELD,
        concerned=supervision.the_led, summary="End the leading · 结束带班", example=_example(supervision=OTHER),
    ),
    Verb(
        name="supervisions/hand-over", entry=HandOverLeading, receipt=SupervisionReceipt, record=supervision.hand_over,
        may=OFFICERS, concerned=supervision.the_led, summary="Hand over to another officer · 移交带班",
        example=_example(supervision=OTHER, officer=OFFICER),
    ),
    Verb(
        name="activities/start", entry=StartActivity, receipt=ActivityReceipt, record=activities.start,
        may=AUXILIARIES, summary="Begin a work · 开始工作",
        example=_example(work="10.3.question", case_kind="none", officers_present=2, recording=True, place=PLACE,
                         public_notice=NOTICE),
    ),
    Verb(
        name="activities/finish", entry=FinishActivity, receipt=ActivityReceipt, record=activities.finish,
        may=AUXILIARIES, summary="End a work · 结束工作", example=_example(activity=OTHER, notes="未发现违禁物品"),
    ),
    Verb(
        name="activities/amend", entry=AmendActivity, receipt=ActivityReceipt, record=activities.amend,
        may=AUXILIARIES, summary="Correct what was told of a work · 更正工作记录",
        example=_example(activity=OTHER, why="接警编号漏填", case_kind="administrative", case_ref="A3301022026030001"),
    ),
    Verb(
        name="recordings/explain", entry=ExplainGap, receipt=GapReceipt, record=activities.explain, may=FIELD,
        concerned=activities.whose_activity, summary="Explain a gap · 说明记录中断",
        example=_example(activity=OTHER, cause="battery", words="电池耗尽，更换后继续", spoken=True),
    ),
    Verb(
        name="recordings/cover", entry=CoverGap, receipt=GapReceipt, record=activities.cover, may=FIELD,
        concerned=activities.whose_activity, summary="Say what else recorded it · 说明其他来源",
        example=_example(activity=OTHER, covered_by="fixed_camera", source="南门卡口 3 号球机"),
    ),
    Verb(
        name="recordings/declare", entry=DeclareRecording, receipt=UploadReceipt,
        record=declaring.declare_recording, may=FIELD | DOCKS, concerned=declaring.the_wearer,
        summary="Declare footage · 申报视音频资料",
        example=_example(camera_serial="DSJ-0042", file_name="DSJ0042_FJ1001_20260301080000_0001.mp4",
                         media_type="video/mp4", started_at="2026-03-01T07:50:00+08:00",
                         ended_at="2026-03-01T08:00:00+08:00", bytes=433586176, sha256=SHA256),
    ),
    Verb(
        name="recordings/describe", entry=DescribeRecording, receipt=DescriptionReceipt, record=describing.describe,
        may=FIELD, concerned=describing.the_wearer, summary="Describe key content · 说明重点内容",
        example=_example(recording=OTHER, content=[
            {"from_ms": 0, "to_ms": 95_000, "words": "到场，表明身份，说明依据"},
            {"from_ms": 95_000, "to_ms": 412_000, "words": "当事人陈述经过，出示身份证件"},
        ]),
    ),
    Verb(
        name="documents/declare", entry=DeclareDocument, receipt=UploadReceipt, record=declaring.declare_document,
        may=FIELD | DECIDERS, summary="Declare a paper or photo · 申报文书或照片",
        example=_example(title="诊断证明", file_name="diagnosis.pdf", media_type="application/pdf", bytes=18234,
                         sha256=SHA256),
    ),
    Verb(
        name="holds/place", entry=PlaceHold, receipt=HoldReceipt, record=legal_holds.place, may=DECIDERS, field=False,
        summary="Keep footage · 保全资料",
        example=_example(number="督〔2026〕17号", reason="投诉涉及当日盘查", person=OTHER,
                         started_at="2026-03-01T08:00:00+08:00", ended_at="2026-03-01T12:00:00+08:00"),
    ),
    Verb(
        name="holds/release", entry=ReleaseHold, receipt=HoldReceipt, record=legal_holds.release, may=DECIDERS,
        field=False, concerned=legal_holds.whose_hold, summary="Let it go · 解除保全",
        example=_example(hold=OTHER, why="核查办结，无需继续保存"),
    ),
    Verb(
        name="reviews/open", entry=OpenReview, receipt=ReviewReceipt, record=reviews.open_one, may=DECIDERS,
        field=False, summary="Ask to watch footage · 申请调阅",
        example=_example(recording=OTHER, purpose="case", number="杭公（城）受案字〔2026〕118号"),
    ),
    Verb(
        name="reviews/approve", entry=ApproveReview, receipt=ReviewReceipt, record=reviews.approve, may=DECIDERS,
        field=False, concerned=reviews.which, summary="Let them watch it · 同意调阅",
        example=_example(review=OTHER, why="办案需要"),
    ),
    Verb(
        name="reviews/refuse", entry=RefuseReview, receipt=ReviewReceipt, record=reviews.refuse, may=DECIDERS,
        field=False, concerned=reviews.which, summary="Do not · 不同意调阅",
        example=_example(review=OTHER, why="与所述案件无关"),
    ),
    Verb(
        name="reviews/note", entry=NoteInReview, receipt=ReviewReceipt, record=reviews.note, may=DECIDERS, field=False,
        concerned=reviews.which, summary="A note at a moment · 记录所见",
        example=_example(review=OTHER, at_ms=92000, words="画面中断约两分钟"),
    ),
    Verb(
        name="reviews/close", entry=CloseReview, receipt=ReviewReceipt, record=reviews.close, may=DECIDERS, field=False,
        concerned=reviews.which_spot_check, summary="Close with what was found · 办结调阅",
        example=_example(review=OTHER, found=["interrupted"], words="中断两分钟，已核实为更换电池"),
    ),
    Verb(
        name="recordings/restrict", entry=RestrictFootage, receipt=RestrictionReceipt, record=reviews.restrict,
        may=FIELD | DECIDERS, desk=True, summary="Mark as restricted · 标记限制调阅",
        example=_example(recording=OTHER, category="minor"),
    ),
    Verb(
        name="recordings/lift", entry=LiftRestriction, receipt=RestrictionReceipt, record=reviews.lift, may=DECIDERS,
        field=False, concerned=reviews.which_restriction, summary="Lift a restriction · 解除限制调阅",
        example=_example(restriction=OTHER, why="经核实不涉及未成年人"),
    ),
    Verb(
        name="findings/reply", entry=ReplyToFinding, receipt=ReplyReceipt, record=reviews.reply, may=FIELD | DECIDERS,
        desk=True, summary="Reply to a finding · 说明情况",
        example=_example(finding=OTHER, words="当时更换电池，已口头说明"),
    ),
    Verb(
        name="recusals/declare", entry=DeclareRecusal, receipt=RecusalReceipt, record=recusals.declare,
        may=AUXILIARIES, summary="Declare that you must step aside · 自行回避",
        example=_example(case_ref=CASE, case_kind="administrative", ground="party_or_relative",
                         words="当事人是我表弟"),
    ),
    Verb(
        name="recusals/apply", entry=ApplyForRecusal, receipt=RecusalReceipt, record=recusals.apply, may=OFFICERS,
        concerned=recusals.the_person, summary="Take down a party's application · 记录回避申请",
        example=_example(person=OTHER, case_ref=CASE, case_kind="administrative", applicant="王某", capacity="party",
                         ground="interest", words="称该辅警与对方经营同一店铺", oral=True),
    ),
    Verb(
        name="recusals/stand-aside", entry=StandAside, receipt=RecusalReceipt, record=recusals.stand_aside,
        may=DECIDERS, field=False, concerned=recusals.the_person, summary="Stand aside until decided · 决定前暂停参与",
        example=_example(recusal=OTHER, version=1, why="关系明确，先行暂停参与"),
    ),
    Verb(
        name="recusals/decide", entry=DecideRecusal, receipt=RecusalReceipt, record=recusals.decide, may=DECIDERS,
        field=False, concerned=recusals.the_person, summary="Decide on a recusal · 决定是否回避",
        example=_example(recusal=OTHER, version=2, outcome="granted", why="系当事人近亲属"),
    ),
    Verb(
        name="recusals/pass-on", entry=PassOnRecusal, receipt=RecusalReceipt, record=recusals.pass_on, may=DECIDERS,
        field=False, concerned=recusals.the_person, summary="Leave it to the organ above · 报上级机关决定",
        example=_example(recusal=OTHER, version=1, why="本人与当事人有利害关系"),
    ),
    Verb(
        name="recusals/reconsider", entry=ReconsiderRecusal, receipt=RecusalReceipt, record=recusals.reconsider,
        may=FIELD, concerned=recusals.the_person, summary="Ask for reconsideration · 申请复议",
        example=_example(recusal=OTHER, version=3, words="不服驳回决定，补充亲属关系证明"),
    ),
    Verb(
        name="recusals/tell", entry=TellApplicant, receipt=RecusalReceipt, record=recusals.tell, may=DECIDERS,
        field=False, concerned=recusals.the_person, summary="The applicant was told · 告知申请人",
        example=_example(recusal=OTHER, version=3, how="in_person", words="已告知决定及理由"),
    ),
    Verb(
        name="recusals/judge", entry=JudgeActs, receipt=RecusalReceipt, record=recusals.judge, may=DECIDERS,
        field=False, concerned=recusals.the_person, summary="Whether earlier acts stand · 认定此前行为效力",
        example=_example(recusal=OTHER, version=3, acts=[{"activity": OTHER, "stands": True, "why": "仅维持秩序"}]),
    ),
    Verb(
        name="assistance/call", entry=CallForHelp, receipt=CallReceipt, record=assistance.call, may=FIELD,
        summary="Call for help · 请求支援",
        example=_example(kind="violence", words="一人持械，需要增援", place=PLACE),
    ),
    Verb(
        name="assistance/acknowledge", entry=AcknowledgeCall, receipt=CallReceipt, record=assistance.acknowledge,
        may=OFFICERS, concerned=assistance.whose_call, summary="Take a call · 接警响应", example=_example(call=OTHER),
    ),
    Verb(
        name="assistance/arrive", entry=ArriveAtCall, receipt=CallReceipt, record=assistance.arrive, may=FIELD,
        concerned=assistance.whose_call, summary="Somebody is there · 到达现场", example=_example(call=OTHER),
    ),
    Verb(
        name="assistance/close", entry=CloseCall, receipt=CallReceipt, record=assistance.close, may=FIELD,
        concerned=assistance.whose_call, summary="It is over · 结束求助",
        example=_example(call=OTHER, words="两人被控制，无人受伤"),
    ),
    Verb(
        name="injuries/report", entry=ReportInjury, receipt=InjuryReceipt, record=injuries.report, may=FIELD,
        concerned=injuries.the_injured, summary="Report an injury · 报告负伤",
        example=_example(injured_at="2026-03-01T07:58:00+08:00", how="制止斗殴时被推倒", doing="巡逻中处置纠纷",
                         body_part="右前臂", severity="serious", hospital="市第一人民医院", place=PLACE,
                         witnesses=[OTHER], costs=[{"kind": "medical", "fen": 500_000, "words": "急诊押金"}]),
    ),
    Verb(
        name="injuries/attach", entry=AttachPapers, receipt=InjuryReceipt, record=injuries.attach, may=DECIDERS | FIELD,
        desk=True,
        concerned=injuries.the_injured, summary="Papers that came later · 补充材料",
        example=_example(injury=OTHER, papers=[OTHER]),
    ),
    Verb(
        name="injuries/recognition", entry=StepRecognition, receipt=InjuryReceipt, record=injuries.step, may=DECIDERS,
        field=False, concerned=injuries.the_injured, summary="A step towards recognition · 工伤认定进展",
        example=_example(injury=OTHER, version=1, step="apply", on_day="2026-03-05", words="已向人社部门提交申请"),
    ),
    Verb(
        name="injuries/survivors", entry=CareForSurvivors, receipt=InjuryReceipt, record=injuries.care, may=DECIDERS,
        field=False, concerned=injuries.the_injured, summary="Something was done for survivors · 遗属事项",
        example=_example(injury=OTHER, item="orphan_support", words="子女已纳入孤儿保障"),
    ),
    Verb(
        name="advances/request", entry=RequestAdvance, receipt=AdvanceReceipt, record=advances.request, may=FIELD,
        concerned=injuries.the_injured, summary="Ask that a cost be advanced · 申请垫付",
        example=_example(injury=OTHER, kind="medical", fen=1_200_000, words="手术押金"),
    ),
    Verb(
        name="advances/approve", entry=ApproveAdvance, receipt=AdvanceReceipt, record=advances.approve, may=DECIDERS,
        field=False, concerned=advances.whose_item, summary="Approve a cost · 批准垫付",
        example=_example(item=OTHER, version=2, fen=1_000_000, why="按医院预估费用批准"),
    ),
    Verb(
        name="advances/refuse", entry=RefuseAdvance, receipt=AdvanceReceipt, record=advances.refuse, may=DECIDERS,
        field=False, concerned=advances.whose_item, summary="Refuse a cost · 不予垫付",
        example=_example(item=OTHER, version=2, why="与本次负伤无关"),
    ),
    Verb(
        name="advances/pay", entry=PayAdvance, receipt=AdvanceReceipt, record=advances.pay, may=DECIDERS, field=False,
        concerned=advances.whose_item, summary="A cost was paid · 登记支付",
        example=_example(item=OTHER, version=3, fen=1_000_000, receipt=OTHER, words="转账至医院"),
    ),
    Verb(
        name="advances/settle", entry=SettleAdvance, receipt=AdvanceReceipt, record=advances.settle, may=DECIDERS,
        field=False, concerned=advances.whose_item, summary="Who bears it · 登记结算",
        example=_example(item=OTHER, version=4, payer="fund", fen=800_000, words="工伤保险基金拨付"),
    ),
    Verb(
        name="advances/dispose", entry=DisposeAdvance, receipt=AdvanceReceipt, record=advances.dispose, may=DECIDERS,
        field=False, concerned=advances.whose_item, summary="Not recognised: what happens to it · 未认定费用处置",
        example=_example(item=OTHER, version=4, then_what="employer", why="因公受伤，由单位承担"),
    ),
    Verb(
        name="complaints/receive", entry=ReceiveComplaint, receipt=ComplaintReceipt, record=complaints.receive,
        may=DECIDERS, desk=True, summary="Take down a complaint · 受理投诉举报",
        example=_example(channel="hotline_12389", words="反映巡逻辅警态度粗暴", complainant="王某",
                         contact="13800000000", person=OTHER, started_at="2026-02-28T10:00:00+08:00"),
    ),
    Verb(
        name="complaints/notify", entry=NotifyComplainant, receipt=ComplaintReceipt, record=complaints.notify,
        may=DECIDERS, field=False, concerned=complaints.which, summary="It is taken up · 告知受理",
        example=_example(complaint=OTHER, version=1, how="telephone", words="已受理，六十日内办结"),
    ),
    Verb(
        name="complaints/identify", entry=IdentifyPerson, receipt=ComplaintReceipt, record=complaints.identify,
        may=DECIDERS, field=False, concerned=complaints.which, summary="Whom it is about · 查明被投诉人",
        example=_example(complaint=OTHER, version=1, person=OTHER, words="经比对班次查明"),
    ),
    Verb(
        name="complaints/step-aside", entry=StepAsideFromComplaint, receipt=ComplaintReceipt,
        record=complaints.step_aside, may=DECIDERS, field=False, concerned=complaints.which,
        summary="Handle it no more · 办理人回避", example=_example(complaint=OTHER, version=1, words="与投诉人相识"),
    ),
    Verb(
        name="complaints/extend", entry=ExtendComplaint, receipt=ComplaintReceipt, record=complaints.extend,
        may=DECIDERS, field=False, concerned=complaints.which, summary="It takes longer · 延期办理",
        example=_example(complaint=OTHER, version=2, until="2026-05-20T18:00:00+08:00", words="需调取外省资料"),
    ),
    Verb(
        name="complaints/conclude", entry=ConcludeComplaint, receipt=ComplaintReceipt, record=complaints.conclude,
        may=DECIDERS, field=False, concerned=complaints.which, summary="Conclude it · 办结",
        example=_example(complaint=OTHER, version=3, outcome="partly", words="态度生硬属实，无粗暴行为"),
    ),
    Verb(
        name="complaints/feed-back", entry=FeedBack, receipt=ComplaintReceipt, record=complaints.feed_back,
        may=DECIDERS, field=False, concerned=complaints.which, summary="The complainant was told · 反馈",
        example=_example(complaint=OTHER, version=4, how="telephone", words="已告知处理结果"),
    ),
    Verb(
        name="matters/raise", entry=RaiseMatter, receipt=MatterReceipt, record=matters.bring_up, may=FIELD,
        summary="Raise a matter · 提出意见、申诉或报告侵扰",
        example=_example(kind="harassment", words="下班后被当事人尾随辱骂", recordings=[OTHER]),
    ),
    Verb(
        name="matters/link", entry=LinkFootage, receipt=MatterReceipt, record=matters.link, may=FIELD,
        concerned=matters.which, summary="Footage that shows it · 补充视音频",
        example=_example(matter=OTHER, recordings=[OTHER]),
    ),
    Verb(
        name="matters/answer", entry=AnswerMatter, receipt=MatterReceipt, record=matters.answer, may=DECIDERS,
        field=False, concerned=matters.which, summary="Answer it · 答复",
        example=_example(matter=OTHER, words="已依法处理侵扰人"),
    ),
    Verb(
        name="hours/take-off", entry=TakeTimeOff, receipt=TimeOffReceipt, record=hours.take, may=DECIDERS, field=False,
        concerned=hours.whose, summary="Time off in lieu · 安排补休",
        example=_example(person=OTHER, month="2026-02", on_day="2026-03-04", minutes=480, words="补春节值守"),
    ),
    Verb(
        name="hours/withdraw", entry=WithdrawTimeOff, receipt=TimeOffReceipt, record=hours.withdraw, may=DECIDERS,
        field=False, concerned=hours.whose, summary="It was not taken · 撤回补休",
        example=_example(time_off=OTHER, why="当日临时任务，未能补休"),
    ),
    Verb(
        name="rosters/plan", entry=PlanShifts, receipt=PlanReceipt, record=rosters.plan, may=DECIDERS, field=False,
        concerned=rosters.the_planned, summary="Plan shifts · 排班",
        example=_example(shifts=[{"id": OTHER, "person": OTHER, "post": "南门", "duty_type": "post", "officer": OFFICER,
                                  "starts_at": "2026-03-02T08:00:00+08:00", "ends_at": "2026-03-02T16:00:00+08:00",
                                  "place": PLACE, "radius_m": 200}]),
    ),
    Verb(
        name="rosters/withdraw", entry=WithdrawPlanned, receipt=PlanReceipt, record=rosters.withdraw, may=DECIDERS,
        field=False, concerned=rosters.the_planned, summary="Withdraw a planned shift · 撤回排班",
        example=_example(planned=OTHER, why="人员调整"),
    ),
    Verb(
        name="contests/resolve", entry=ResolveContest, receipt=RulingReceipt, record=contests.resolve, may=DECIDERS,
        field=False, concerned=contests.whose_contest, summary="Find which of two stories is true · 认定冲突记录",
        example=_example(contested=OTHER, stands="contested", why="调取门岗监控，以该次签到为准"),
    ),
    Verb(
        name="held/admit", entry=AdmitHeld, receipt=HeldReceipt, record=held_entries.admit, may=DECIDERS, field=False,
        concerned=held_entries.the_held, summary="Admit an entry that is held · 准予入库",
        example=_example(held=OTHER, why="设备丢失前的记录，经本人核实"),
    ),
    Verb(
        name="held/refuse", entry=RefuseHeld, receipt=HeldReceipt, record=held_entries.refuse, may=DECIDERS,
        field=False, concerned=held_entries.the_held, summary="Refuse an entry that is held · 不予入库",
        example=_example(held=OTHER, why="设备丢失后由他人录入"),
    ),
)  # fmt: skip
