"""The verbs of recusals, with everything that is said of each."""

from backend.core.examples import CASE, OTHER, example
from backend.core.verb import AUXILIARIES, DECIDERS, FIELD, OFFICERS, Verb
from backend.recusals import service as recusals
from backend.recusals.schemas import (
    ApplyForRecusal,
    DecideRecusal,
    DeclareRecusal,
    ExtendRecusal,
    JudgeActs,
    PassOnRecusal,
    ReconsiderRecusal,
    RecusalReceipt,
    StandAside,
    TellApplicant,
)

VERBS = (
    Verb(
        name="recusals/declare", changes=("recusal", "recusal_step"),
        entry=DeclareRecusal, receipt=RecusalReceipt, record=recusals.declare,
        may=AUXILIARIES, told_to="readers",
        tag="Recusal · 回避", zh="自行回避", en="Declare your own recusal",
        codes=(
            "unknown_ground", "recusal_about_one", "recusal_not_from_this", "unknown_shift", "unknown_activity",
            "unknown_document",
        ),
        example=example(case_ref=CASE, case_kind="administrative", ground="party_or_relative",
                         words="当事人是我表弟"),
    ),
    Verb(
        name="recusals/apply", changes=("recusal", "recusal_step"),
        entry=ApplyForRecusal, receipt=RecusalReceipt, record=recusals.apply, may=OFFICERS,
        concerned=recusals.concerned, told_to="readers",
        tag="Recusal · 回避", zh="记录回避申请", en="Record a party's application for recusal",
        codes=(
            "not_an_auxiliary", "unknown_capacity", "unknown_ground", "recusal_about_one", "recusal_not_from_this",
            "unknown_shift", "unknown_activity", "unknown_document",
        ),
        example=example(person=OTHER, case_ref=CASE, case_kind="administrative", applicant="王某", capacity="party",
                         ground="interest", words="称该辅警与对方经营同一店铺", oral=True),
    ),
    Verb(
        name="recusals/stand-aside", changes=("recusal", "recusal_step"),
        entry=StandAside, receipt=RecusalReceipt, record=recusals.stand_aside,
        may=DECIDERS, concerned=recusals.concerned, field=False, told_to="readers",
        tag="Recusal · 回避", zh="决定前暂停参与", en="Order to stand aside until the decision",
        codes=("unknown_recusal", "stale", "recusal_decided", "not_the_decider", "own_matter"),
        example=example(recusal=OTHER, version=1, why="关系明确，先行暂停参与"),
    ),
    Verb(
        name="recusals/decide", changes=("recusal", "recusal_step"),
        entry=DecideRecusal, receipt=RecusalReceipt, record=recusals.decide, may=DECIDERS,
        concerned=recusals.concerned, field=False, told_to="readers",
        tag="Recusal · 回避", zh="决定是否回避", en="Decide on a recusal",
        codes=("unknown_recusal", "stale", "recusal_decided", "not_the_decider", "own_matter"),
        example=example(recusal=OTHER, version=2, outcome="granted", why="系当事人近亲属"),
    ),
    Verb(
        name="recusals/extend", changes=("recusal", "recusal_step"),
        entry=ExtendRecusal, receipt=RecusalReceipt, record=recusals.extend, may=DECIDERS,
        concerned=recusals.concerned, field=False, told_to="readers",
        tag="Recusal · 回避", zh="批准延长决定期限", en="Approve more time for the decision",
        codes=(
            "unknown_recusal", "stale", "recusal_decided", "not_the_decider", "own_matter", "recusal_not_extendable",
            "not_the_approver", "recusal_extended_before", "recusal_extended_late",
        ),
        example=example(recusal=OTHER, version=1, why="案情复杂，需核实多人关系"),
    ),
    Verb(
        name="recusals/pass-on", changes=("recusal", "recusal_step"),
        entry=PassOnRecusal, receipt=RecusalReceipt, record=recusals.pass_on, may=DECIDERS,
        concerned=recusals.concerned, field=False, told_to="readers",
        tag="Recusal · 回避", zh="报上级机关决定", en="Pass the decision on to the organ above",
        codes=("unknown_recusal", "stale", "recusal_decided", "not_the_decider", "no_higher_organ"),
        example=example(recusal=OTHER, version=1, why="本人与当事人有利害关系"),
    ),
    Verb(
        name="recusals/reconsider", changes=("recusal", "recusal_step"),
        entry=ReconsiderRecusal, receipt=RecusalReceipt, record=recusals.reconsider,
        may=FIELD, concerned=recusals.concerned, told_to="readers",
        tag="Recusal · 回避", zh="申请复议", en="Apply for reconsideration",
        codes=(
            "unknown_recusal", "stale", "not_the_applicant", "recusal_not_refused", "reconsideration_criminal_only",
            "reconsidered_before", "reconsideration_too_late", "unknown_document",
        ),
        example=example(recusal=OTHER, version=3, words="不服驳回决定，补充亲属关系证明"),
    ),
    Verb(
        name="recusals/tell", changes=("recusal", "recusal_step"),
        entry=TellApplicant, receipt=RecusalReceipt, record=recusals.tell, may=DECIDERS,
        concerned=recusals.concerned, field=False, told_to="readers",
        tag="Recusal · 回避", zh="告知申请人", en="Record that the applicant was told",
        codes=("unknown_recusal", "stale", "not_the_decider", "nobody_to_tell", "recusal_not_decided"),
        example=example(recusal=OTHER, version=3, how="in_person", words="已告知决定及理由"),
    ),
    Verb(
        name="recusals/judge", changes=("recusal", "recusal_act", "recusal_step"),
        entry=JudgeActs, receipt=RecusalReceipt, record=recusals.judge, may=DECIDERS,
        concerned=recusals.concerned, field=False, told_to="readers",
        tag="Recusal · 回避", zh="认定此前行为效力", en="Decide whether earlier acts stand",
        codes=(
            "unknown_recusal", "stale", "not_the_decider", "own_matter", "recusal_not_granted", "unknown_activity",
        ),
        example=example(recusal=OTHER, version=3, acts=[{"activity": OTHER, "stands": True, "why": "仅维持秩序"}]),
    ),
)  # fmt: skip
