"""The verbs of reviews."""

from backend.core.examples import OTHER, example
from backend.core.verb import DECIDERS, FIELD, Event, Verb
from backend.reviews import deciding
from backend.reviews import service as reviews
from backend.reviews.deciding import DecideFinding, DecisionReceipt, TellFindings, ToldReceipt
from backend.reviews.own_film import OpenOwnFilm
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
    WatchedInReview,
)

VERBS = (
    Verb(
        name="reviews/open", entry=OpenReview, receipt=ReviewReceipt, record=reviews.open_one, may=DECIDERS,
        field=False, told_to="nobody",
        tag="Reviews · 调阅", zh="申请调阅", en="Request to view footage",
        codes=("unknown_recording", "unknown_task"),
        example=example(recording=OTHER, purpose="case", number="杭公（城）受案字〔2026〕118号"),
    ),
    Verb(
        name="reviews/open-own", entry=OpenOwnFilm, receipt=ReviewReceipt, record=reviews.open_own,
        may=FIELD | DECIDERS, field=False, told_to="nobody",
        tag="Reviews · 调阅", zh="申请观看本人视音频", en="Ask to watch one's own film",
        codes=("own_film_of_one", "unknown_task", "unknown_recording"),
        example=example(recording=OTHER, finding=OTHER),
    ),
    Verb(
        name="reviews/approve", entry=ApproveReview, receipt=ReviewReceipt, record=reviews.approve, may=DECIDERS,
        concerned=reviews.lock_ids_of_review, field=False, told_to="nobody",
        tag="Reviews · 调阅", zh="同意调阅", en="Approve a viewing request",
        codes=("unknown_review", "own_matter", "review_decided", "review_closed"),
        example=example(review=OTHER, why="办案需要"),
    ),
    Verb(
        name="reviews/refuse", entry=RefuseReview, receipt=ReviewReceipt, record=reviews.refuse, may=DECIDERS,
        concerned=reviews.lock_ids_of_review, field=False, told_to="nobody",
        tag="Reviews · 调阅", zh="不同意调阅", en="Refuse a viewing request",
        codes=("unknown_review", "own_matter", "review_decided", "review_closed"),
        example=example(review=OTHER, why="与所述案件无关"),
    ),
    Verb(
        name="reviews/note", entry=NoteInReview, receipt=ReviewReceipt, record=reviews.note, may=DECIDERS,
        concerned=reviews.lock_ids_of_review, field=False, told_to="nobody",
        tag="Reviews · 调阅", zh="记录所见", en="Note what was seen at a moment",
        codes=("unknown_review", "review_closed", "review_unapproved"),
        example=example(review=OTHER, at_ms=92000, words="画面中断约两分钟"),
    ),
    Verb(
        name="reviews/watched", entry=WatchedInReview, receipt=ReviewReceipt, record=reviews.watched, may=DECIDERS,
        concerned=reviews.lock_ids_of_review, field=False, told_to="nobody",
        tag="Reviews · 调阅", zh="记录已看时段", en="Record which stretches were watched",
        codes=("unknown_review", "review_closed", "review_unapproved", "end_before_start"),
        example=example(review=OTHER, stretches=[{"from_ms": 0, "to_ms": 92000}]),
    ),
    Verb(
        name="reviews/close", entry=CloseReview, receipt=ReviewReceipt, record=reviews.close, may=DECIDERS,
        concerned=reviews.lock_ids_of_closing, field=False, told_to="nobody",
        tag="Reviews · 调阅", zh="办结调阅", en="Close a review with its result",
        codes=(
            "unknown_review", "review_closed", "praise_in_words", "own_matter", "found_alone", "not_watched",
        ),
        example=example(review=OTHER, found=["interrupted"], words="中断两分钟，已核实为更换电池"),
    ),
    Verb(
        name="recordings/restrict", changes=("restriction",),
        entry=RestrictFootage, receipt=RestrictionReceipt, record=reviews.restrict,
        may=FIELD | DECIDERS, desk=True, told_to="readers",
        tag="Evidence · 视音频资料", zh="标记限制调阅", en="Restrict the viewing of footage",
        codes=("unknown_recording", "restricted_already"),
        example=example(recording=OTHER, category="minor"),
    ),
    Verb(
        name="recordings/lift", changes=("restriction",),
        entry=LiftRestriction, receipt=RestrictionReceipt, record=reviews.lift, may=DECIDERS,
        concerned=reviews.lock_ids_of_restriction, field=False, told_to="readers",
        tag="Evidence · 视音频资料", zh="解除限制调阅", en="Lift a viewing restriction",
        codes=("unknown_restriction", "own_matter", "second_factor_needed", "restriction_lifted"),
        example=example(restriction=OTHER, why="经核实不涉及未成年人"),
    ),
    Verb(
        name="findings/reply", entry=ReplyToFinding, receipt=ReplyReceipt, record=reviews.reply, may=FIELD | DECIDERS,
        desk=True, told_to="readers",
        tag="Oversight · 监督", zh="说明情况", en="Reply to a finding",
        codes=("unknown_finding", "not_about_you"),
        example=example(finding=OTHER, words="当时更换电池，已口头说明"),
    ),
    Verb(
        name="findings/tell", entry=TellFindings, receipt=ToldReceipt, record=deciding.tell, may=DECIDERS, field=False,
        told_to="concerned",
        tag="Oversight · 监督", zh="告知待说明事项", en="Tell a person what was found",
        codes=("unknown_finding", "own_matter", "led_then", "finding_withdrawn"),
        example=example(person=OTHER, findings=[OTHER]),
    ),
    Verb(
        name="findings/decide", entry=DecideFinding, receipt=DecisionReceipt, record=deciding.decide, may=DECIDERS,
        concerned=deciding.lock_ids, field=False, told_to="concerned",
        tag="Oversight · 监督", zh="采纳或不采纳说明", en="Decide about a finding and its reply",
        codes=(
            "unknown_finding", "own_matter", "led_then", "finding_withdrawn", "finding_not_told", "finding_unanswered",
            "finding_decided",
        ),
        example=example(finding=OTHER, accepted=True, why="更换电池属实，有语音说明"),
    ),
)  # fmt: skip
EVENTS = (
    Event("recordings/view", told_to="nobody"),
    Event("recordings/viewed", told_to="nobody"),
    Event("spot-checks/draw", told_to="nobody"),
)
