"""The verbs of evidence: for each, its name, entry, function, refusals, and whom the feed informs."""

from backend.core.examples import OTHER, SHA256, example
from backend.core.roles import NOBODY
from backend.core.verb import DECIDERS, DOCKS, FIELD, Event, HeldRule, Verb
from backend.evidence import service
from backend.evidence.retention import legal_holds
from backend.evidence.schemas import (
    AnswerRelease,
    DeclareDocument,
    DeclareRecording,
    DescribeRecording,
    DescriptionReceipt,
    HoldReceipt,
    PlaceHold,
    ReleaseHold,
    UploadReceipt,
)
from backend.evidence.starts import service as starts
from backend.evidence.starts.schemas import CorrectedStartReceipt, CorrectTime

VERBS = (
    Verb(
        name="recordings/declare", changes=("film_start", "recording", "upload"),
        entry=DeclareRecording, receipt=UploadReceipt, record=service.declare_recording,
        may=FIELD | DOCKS, concerned=service.concerned_by_declaring, told_to="readers", happened=service.when_filmed,
        tag="Evidence · 视音频资料", zh="申报视音频资料", en="Declare footage",
        codes=("not_the_wearer", "wearer_missing", "unknown_wearer", "file_too_large", "too_many_uploads"),
        example=example(camera_serial="DSJ-0042", file_name="DSJ0042_FJ1001_20260301080000_0001.mp4",
                         media_type="video/mp4", started_at="2026-03-01T07:50:00+08:00",
                         ended_at="2026-03-01T08:00:00+08:00", bytes=433586176, sha256=SHA256),
    ),
    Verb(
        name="recordings/describe", changes=("recording_description",),
        entry=DescribeRecording, receipt=DescriptionReceipt, record=service.describe,
        may=FIELD, concerned=service.concerned_by_describing, told_to="readers",
        tag="Evidence · 视音频资料", zh="说明重点内容", en="Describe key content of footage",
        codes=("unknown_recording", "end_before_start", "beyond_the_footage", "unknown_category"),
        example=example(recording=OTHER, content=[
            {"from_ms": 0, "to_ms": 95_000, "words": "到场，表明身份，说明依据"},
            {"from_ms": 95_000, "to_ms": 412_000, "words": "当事人陈述经过，出示身份证件"},
        ]),
    ),
    Verb(
        name="recordings/correct-time", changes=("film_start", "recording", "time_correction"),
        entry=CorrectTime, receipt=CorrectedStartReceipt, record=starts.correct,
        may=FIELD | DOCKS | DECIDERS, concerned=starts.concerned_by_correcting, desk=True, told_to="readers",
        tag="Evidence · 视音频资料", zh="更正拍摄时间", en="Correct when footage began",
        codes=("unknown_recording", "not_the_wearer", "time_out_of_range"),
        example=example(recording=OTHER, started_at="2026-03-01T07:50:00+08:00",
                         why="记录仪时钟快八小时，已与采集工作站时钟核对"),
    ),
    Verb(
        name="documents/declare", changes=("upload",),
        entry=DeclareDocument, receipt=UploadReceipt, record=service.declare_document,
        may=FIELD | DECIDERS, desk=True, told_to="concerned", held=HeldRule(shown_to=NOBODY),
        tag="Evidence · 视音频资料", zh="申报文书或照片", en="Declare a paper or photo",
        codes=("file_too_large", "too_many_uploads"),
        example=example(title="诊断证明", file_name="diagnosis.pdf", media_type="application/pdf", bytes=18234,
                         sha256=SHA256),
    ),
    Verb(
        name="holds/place", changes=("hold",),
        entry=PlaceHold, receipt=HoldReceipt, record=legal_holds.place, may=DECIDERS, field=False,
        told_to="nobody",
        tag="Holds · 保全", zh="保全资料", en="Place a hold on footage",
        codes=("hold_of_one_thing", "end_before_start", "time_out_of_range", "unknown_person", "unknown_recording",
               "unknown_category"),
        example=example(number="督〔2026〕17号", reason="投诉涉及当日盘查", person=OTHER,
                         started_at="2026-03-01T08:00:00+08:00", ended_at="2026-03-01T12:00:00+08:00"),
    ),
    Verb(
        name="holds/release", changes=("hold",),
        entry=ReleaseHold, receipt=HoldReceipt, record=legal_holds.release, may=DECIDERS,
        concerned=legal_holds.concerned_by_release, field=False, told_to="nobody",
        tag="Holds · 保全", zh="解除保全", en="Release a hold",
        codes=("unknown_hold", "own_matter", "hold_released", "hold_needed", "hold_permanent", "hold_asked"),
        example=example(hold=OTHER, why="核查办结，无需继续保存"),
    ),
    Verb(
        name="holds/answer-release", changes=("hold",),
        entry=AnswerRelease, receipt=HoldReceipt, record=legal_holds.answer_release,
        may=DECIDERS, concerned=legal_holds.concerned_by_release, field=False, told_to="nobody",
        tag="Holds · 保全", zh="答复解除保全", en="Answer who asked to release a hold",
        codes=("unknown_hold", "own_matter", "hold_released", "hold_needed", "hold_not_asked", "four_eyes"),
        example=example(hold=OTHER, agrees=True, why="案件已终结，同意解除"),
    ),
)  # fmt: skip
EVENTS = (
    Event("uploads/complete", told_to="readers", changes=("recording", "upload")),
    Event("uploads/abort", told_to="readers"),
    Event("evidence/seal", told_to="readers", changes=("film", "film_start", "film_timecode", "recording", "upload")),
    Event("evidence/probe", told_to="readers", changes=("film", "film_start", "film_timecode", "recording")),
    Event("evidence/start", told_to="readers"),
    Event("evidence/keep", told_to="nobody", changes=("hold",)),
    Event("evidence/mismatch", told_to="readers", changes=("upload",)),
    Event("evidence/unreadable", told_to="readers", changes=("upload",)),
    Event("evidence/abandon", told_to="readers"),
    Event("evidence/exceed", told_to="nobody"),
    Event("evidence/dispose", told_to="nobody", changes=("upload",)),
    Event("evidence/extend", told_to="nobody", changes=("upload",)),
    Event("evidence/falling-due", told_to="readers"),
    Event("evidence/hold", told_to="nobody", changes=("upload",)),
    Event("evidence/remove", told_to="nobody", changes=("upload",)),
    Event("evidence/repair", told_to="nobody"),
    Event("evidence/restore", told_to="nobody", changes=("upload",)),
    Event(
        "evidence/heal",
        told_to="administrators",
        changes=("upload",),
        zh="修复存储中的资料",
        en="Put a damaged file back",
    ),
)
