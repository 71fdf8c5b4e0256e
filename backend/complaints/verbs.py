"""The verbs of complaints, with everything that is said of each."""

from backend.complaints import hearings
from backend.complaints import matters_service as matters
from backend.complaints import service as complaints
from backend.complaints.hearings import AnswerHearing, HearingReceipt, HearPerson
from backend.complaints.schemas import (
    AcceptComplaint,
    AnswerExtension,
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
    TellCase,
    TellExtension,
)
from backend.core.examples import OTHER, example
from backend.core.roles import INSPECTING, OVERSEEING
from backend.core.verb import AUXILIARIES, DECIDERS, FIELD, Event, HeldRule, Verb

HELD_COMPLAINT = HeldRule(
    listed_to=INSPECTING, shown_to=INSPECTING, decided_by=INSPECTING, about=complaints.kept_from_whom_it_is_about
)
HELD_STATEMENT = HeldRule(
    listed_to=INSPECTING, shown_to=INSPECTING, decided_by=INSPECTING, about=hearings.kept_like_its_complaint
)
HELD_MATTER = HeldRule(listed_to=OVERSEEING, about=matters.kept_from_the_opponent)
HELD_LINK = HeldRule(listed_to=OVERSEEING, about=matters.kept_like_its_matter)
VERBS = (
    Verb(
        name="complaints/receive", changes=("hold",),
        entry=ReceiveComplaint, receipt=ComplaintReceipt, record=complaints.receive,
        may=DECIDERS, desk=True, told_to="nobody", held=HELD_COMPLAINT,
        tag="Complaints · 投诉举报", zh="受理投诉举报", en="Receive a complaint",
        codes=(
            "complaint_about_one", "unknown_complaint_kind",
            "contact_without_name", "not_an_auxiliary", "unknown_shift", "end_before_start",
            "unknown_document",
        ),
        example=example(channel="hotline_12389", kind="petition", words="反映巡逻辅警态度粗暴", complainant="王某",
                         contact="13800000000", person=OTHER, started_at="2026-02-28T10:00:00+08:00"),
    ),
    Verb(
        name="complaints/notify", entry=NotifyComplainant, receipt=ComplaintReceipt, record=complaints.notify,
        may=DECIDERS, concerned=complaints.concerned, field=False, told_to="nobody",
        tag="Complaints · 投诉举报", zh="告知受理", en="Record that the complainant was notified",
        codes=("unknown_complaint", "own_matter", "stale", "anonymous", "notice_not_written", "unknown_document"),
        example=example(complaint=OTHER, version=1, how="letter", words="已受理，六十日内办结"),
    ),
    Verb(
        name="complaints/accept", entry=AcceptComplaint, receipt=ComplaintReceipt, record=complaints.accept,
        may=DECIDERS, concerned=complaints.concerned, field=False, told_to="nobody",
        tag="Complaints · 投诉举报", zh="受理并确定类别", en="Accept a complaint as one of a kind",
        codes=(
            "unknown_complaint", "own_matter", "stale", "complaint_concluded", "complaint_accepted",
            "unknown_complaint_kind", "unknown_document",
        ),
        example=example(complaint=OTHER, version=1, kind="petition", words="属本机关职权，予以受理"),
    ),
    Verb(
        name="complaints/identify", changes=("hold",),
        entry=IdentifyPerson, receipt=ComplaintReceipt, record=complaints.identify,
        may=DECIDERS, concerned=complaints.concerned, field=False, told_to="nobody",
        tag="Complaints · 投诉举报", zh="查明被投诉人", en="Identify the person complained of",
        codes=(
            "unknown_complaint", "own_matter", "stale", "complaint_concluded", "not_an_auxiliary",
            "identified_before", "unknown_document",
        ),
        example=example(complaint=OTHER, version=1, person=OTHER, words="经比对班次查明"),
    ),
    Verb(
        name="complaints/step-aside", entry=StepAsideFromComplaint, receipt=ComplaintReceipt,
        record=complaints.step_aside, may=DECIDERS, concerned=complaints.concerned, field=False, told_to="nobody",
        tag="Complaints · 投诉举报", zh="办理人回避", en="Step aside from handling a complaint",
        codes=("unknown_complaint", "own_matter", "stale", "unknown_document"),
        example=example(complaint=OTHER, version=1, words="与投诉人相识"),
    ),
    Verb(
        name="complaints/extend", entry=ExtendComplaint, receipt=ComplaintReceipt, record=complaints.extend,
        may=DECIDERS, concerned=complaints.concerned, field=False, told_to="nobody",
        tag="Complaints · 投诉举报", zh="申请延期", en="Ask for more time for a complaint",
        codes=(
            "unknown_complaint", "own_matter", "stale", "complaint_concluded", "extension_not_provided",
            "extended_before", "extension_asked_before", "extension_out_of_range", "unknown_document",
        ),
        example=example(complaint=OTHER, version=2, until="2026-05-20T18:00:00+08:00", words="需调取外省资料"),
    ),
    Verb(
        name="complaints/answer-extension", entry=AnswerExtension, receipt=ComplaintReceipt,
        record=complaints.answer_extension, may=DECIDERS, concerned=complaints.concerned, field=False,
        told_to="nobody", tag="Complaints · 投诉举报", zh="审批延期", en="Approve more time for a complaint, or not",
        codes=(
            "unknown_complaint", "own_matter", "stale", "complaint_concluded", "not_the_approver",
            "no_extension_asked", "unknown_document",
        ),
        example=example(complaint=OTHER, version=3, approves=True, words="同意延长三十日"),
    ),
    Verb(
        name="complaints/tell-extension", entry=TellExtension, receipt=ComplaintReceipt,
        record=complaints.tell_extension, may=DECIDERS, concerned=complaints.concerned, field=False,
        told_to="nobody", tag="Complaints · 投诉举报", zh="告知延期理由",
        en="Record that the complainant was told of the extension",
        codes=(
            "unknown_complaint", "own_matter", "stale", "anonymous", "extension_not_approved", "notice_not_written",
            "unknown_document",
        ),
        example=example(complaint=OTHER, version=4, how="letter", words="因需调取外省资料，延长三十日"),
    ),
    Verb(
        name="complaints/hear", entry=HearPerson, receipt=HearingReceipt, record=complaints.hear,
        may=DECIDERS, concerned=hearings.concerned, field=False, told_to="nobody",
        tag="Complaints · 投诉举报", zh="听取陈述申辩", en="Hear the person complained of",
        codes=(
            "unknown_complaint", "own_matter", "stale", "complaint_concluded", "not_complained_of", "heard_before",
            "names_complainant",
        ),
        example=example(complaint=OTHER, version=2, person=OTHER, substance="群众反映盘查时语言生硬，请陈述当时情况"),
    ),
    Verb(
        name="hearings/answer", entry=AnswerHearing, receipt=HearingReceipt, record=hearings.answer, may=AUXILIARIES,
        desk=True, told_to="actor", held=HELD_STATEMENT,
        tag="Complaints · 投诉举报", zh="陈述申辩", en="Answer what is said of you",
        codes=("unknown_hearing",),
        example=example(hearing=OTHER, words="当时已说明依据，语气稍急"),
    ),
    Verb(
        name="complaints/conclude", entry=ConcludeComplaint, receipt=ComplaintReceipt, record=complaints.conclude,
        may=DECIDERS, concerned=complaints.concerned, field=False, told_to="nobody",
        tag="Complaints · 投诉举报", zh="办结", en="Conclude a complaint",
        codes=(
            "unknown_complaint", "own_matter", "stale", "complaint_concluded", "not_heard", "hearing_open",
            "names_complainant", "unknown_organ", "unknown_document",
        ),
        example=example(
            complaint=OTHER, version=3, outcome="partly", words="态度生硬属实，无粗暴行为",
            unheard_why="本人已离职，无法联系",
        ),
    ),
    Verb(
        name="complaints/feed-back", entry=FeedBack, receipt=ComplaintReceipt, record=complaints.feed_back,
        may=DECIDERS, concerned=complaints.concerned, field=False, told_to="nobody",
        tag="Complaints · 投诉举报", zh="反馈", en="Record the feedback to the complainant",
        codes=(
            "unknown_complaint", "own_matter", "stale", "anonymous", "complaint_not_concluded", "notice_not_written",
            "unknown_document",
        ),
        example=example(complaint=OTHER, version=4, how="telephone", words="已告知处理结果"),
    ),
    Verb(
        name="matters/raise", changes=("hold",),
        entry=RaiseMatter, receipt=MatterReceipt, record=matters.raise_matter, may=FIELD,
        told_to="concerned", held=HELD_MATTER,
        tag="Complaints · 投诉举报", zh="提出意见、申诉或报告侵扰", en="Raise a suggestion, an appeal or harassment",
        codes=("unknown_person", "own_matter", "relative_of_harassment", "unknown_recording", "unknown_document"),
        example=example(kind="harassment", words="下班后被当事人尾随辱骂", recordings=[OTHER]),
    ),
    Verb(
        name="matters/link", changes=("hold",),
        entry=LinkFootage, receipt=MatterReceipt, record=matters.link, may=FIELD,
        concerned=matters.concerned, told_to="concerned", held=HELD_LINK,
        tag="Complaints · 投诉举报", zh="补充视音频", en="Link footage to a matter",
        codes=("unknown_matter", "unknown_recording"),
        example=example(matter=OTHER, recordings=[OTHER]),
    ),
    Verb(
        name="matters/answer", entry=AnswerMatter, receipt=MatterReceipt, record=matters.answer, may=DECIDERS,
        concerned=matters.concerned, field=False, told_to="concerned",
        tag="Complaints · 投诉举报", zh="答复", en="Answer a matter",
        codes=("unknown_matter", "own_matter", "matter_answered", "unknown_document"),
        example=example(matter=OTHER, words="已依法处理侵扰人"),
    ),
    Verb(
        name="matters/tell-case", entry=TellCase, receipt=MatterReceipt, record=matters.tell_case, may=DECIDERS,
        concerned=matters.concerned, field=False, told_to="concerned",
        tag="Complaints · 投诉举报", zh="登记侵扰案件进展", en="Record the police case of a harassment",
        codes=("unknown_matter", "own_matter", "not_harassment"),
        example=example(matter=OTHER, case_ref="城公（治）受案字〔2026〕118号", state="accepted", words="已受案调查"),
    ),
)  # fmt: skip
EVENTS = (Event("hearings/told", told_to="concerned"),)
