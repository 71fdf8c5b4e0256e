"""The OpenAPI document is the contract: every field described, every verb with an example, every problem listed.

A field's name means one thing everywhere, so one table describes them; a test fails on a field without words.
"""

import json
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from backend.core.examples import SHA256
from backend.core.wire import Note
from backend.law.catalogue import law
from backend.registry import VERBS
from mobile_api.auth import PUBLIC
from mobile_api.cookies import CSRF_HEADER, PLAIN, SECURE

DESCRIPTION = """辅警现场应用后端。The back end of a field app for police auxiliaries.

Every write is an *entry* with an id made by the client: sent twice, it is recorded once. `sent_at` is the device's
clock at this attempt; the server corrects `occurred_at` by the difference. Every refusal is problem+json with a stable
`code` and a sentence in Chinese or English (Accept-Language). File bytes go straight to the store by signed part URLs.
"""
FIELDS = {
    "access_token": "for the Authorization header: `DPoP …`; Ed25519 (/.well-known/jwks.json), bound to a key",
    "advice": "what to do now, in the reader's language",
    "answer": "what the officer said; null while unanswered",
    "article": "of the regulation",
    "auxiliary": "the auxiliary who is led",
    "auxiliary_name": "the auxiliary's name",
    "badge": "badge number 警号/辅警编号",
    "boot_id": "changes when the device restarts",
    "bytes": "size of the file, or of the part",
    "camera_offset_ms": "camera's clock minus this device's, in milliseconds",
    "camera_serial": "the recorder's serial number",
    "code": "stable code",
    "codec": "of the first stream, as probed",
    "confirmed": "whether the officer said that they lead",
    "csrf_token": "for the X-CSRF-Token header of every call that is no GET",
    "current": "the password until now",
    "database": "ok or away",
    "despite": "sent again after a refusal: recorded with its findings; no authorisation",
    "described": "the description as it was kept",
    "detail": "a sentence the reader can act on",
    "device": "the registered device",
    "device_seq": "rises by one with each entry of this device",
    "accuracy_m": "the receiver's own accuracy, in metres",
    "datum": "of the coordinates; never converted or compared",
    "lat": "latitude in degrees",
    "lon": "longitude in degrees",
    "dress": "uniform, or plain where needed (R.32)",
    "dress_reason": "why plain clothes are needed",
    "duty_type": "patrol 巡逻, post 值守, window 窗口, watch 值班, standby 备勤, event 活动安保",
    "en": "in English",
    "ended_at": "when it ended; null while it has not",
    "ended_by": "what ended it: a check-out, or the next check-in",
    "enrolled_at": "since when the key in force is",
    "expires_at": "until then it can be used",
    "equipment": "what is carried (R.11)",
    "errors": "each field at fault: pointer and message",
    "expires_in": "seconds until the access token expires",
    "first": "the one that began first",
    "file_name": "a name, not a path; kept, never trusted",
    "findings": "what is wrong with the fact; it stands all the same",
    "handed_over_from": "the naming before it",
    "have": "runs of part numbers that the store has, both ends included",
    "id": "made by the client for what it creates; UUID",
    "idle_seconds": "after so long without a call the session ends",
    "id_card_carried": "whether the work ID is carried (R.32)",
    "in_force": "false: it overlaps an earlier one, and counts for nothing until a person resolves it",
    "instance": "the address asked",
    "items": "newest first; changes: in the order of the journal",
    "key_mark": "重点标记",
    "jkt": "the key's thumbprint (RFC 7638); null while none is in force",
    "jwk": "this device's public key, P-256",
    "keys": "JSON Web Keys",
    "kind": "of person: officer, duty_auxiliary, civilian_auxiliary, staff, dock; or of finding",
    "leading": "who led, stretch by stretch",
    "leads_from": "when the confirmed leading begins",
    "disposed_at": "its term was over and the bytes are gone; null: they are kept",
    "endorsements": "JWS by which evidence keys vouch for each other, so that trust in one reaches the next",
    "locked_until": "until then nobody can delete it",
    "media_type": "such as video/mp4",
    "message": "a sentence in the reader's language",
    "missing": "the parts that have not arrived",
    "name": "as on the roster",
    "new": "the password from now on, ten characters or more",
    "next": "the cursor of the next page; null on the last",
    "number": "part number, from 1",
    "messages": "every sentence by its code",
    "officer": "the officer named",
    "otpauth_uri": "the secret as authenticator apps read it; told this once",
    "outcome": "allowed; conditional: once what is unmet is put right; forbidden",
    "officer_name": "the officer's name",
    "offset": "where the part begins in the file, in bytes",
    "ordered_by": "the officer who ordered it and answers for it",
    "organ": "the organ (公安机关), by its 12-digit code",
    "part_size": "bytes of every part but the last",
    "parts": "how many parts the file makes; null while its size is not known",
    "password": "never logged",
    "person": "whose shift",
    "pointer": "which field, as a JSON pointer; empty for the whole body",
    "place": "where; the datum is kept, never converted",
    "probed_ms": "what the file itself holds, in milliseconds, once sealed",
    "qr": "the same as an SVG picture",
    "revoked_at": "when it was revoked; null while it is in service",
    "serial": "the device's serial number",
    "uri": "what the QR holds: `fujing://enrol?url=…&code=…`",
    "qr_svg": "the same as a QR code, an SVG element",
    "qualifications": "with validity, both days included",
    "receipt": "a JWS over id, sha256, bytes and time; keep the file until you have verified it",
    "received_at": "when the server had it, by its clock",
    "recordings": "footage of the person in that time",
    "refresh_token": "spend it for the next pair; the answer to a retry is the same",
    "role": "commander, treasurer, inspector, administrator",
    "roles": "each on an organ and all below it",
    "roster_post": "the post of the roster that this duty fills",
    "sealed_at": "when it was locked and signed for",
    "second_factor": "given; not_needed; or to_set_up: until then one can do nothing else",
    "second": "the one that began second",
    "sent_at": "the device's clock when this attempt was sent; RFC 3339 with offset",
    "session_ends_at": "sign in again by then",
    "sha256": "of the file, lower-case hex",
    "shift": "the shift, by the id of its check-in, or as it stands",
    "shifts": "the person's shifts in force in that time",
    "started_at": "when it began",
    "state": "declared, receiving, received, sealed; mismatch: send again; abandoned: may be taken up again",
    "status": "recorded, or replayed where the same entry had been recorded before; of a problem, the HTTP status",
    "store": "ok or away",
    "subject": "the id of the fact",
    "supervision": "the naming, by its id, or as it stands",
    "time_source": "where the start was read: clock, metadata, file_name, file_time; kept, not trusted",
    "title": "short form; of a document, what it is",
    "token_type": "always DPoP",
    "type": "an address that explains the code",
    "unmet": "each rule not met",
    "uptime_ms": "milliseconds since the device started",
    "upload": "the upload as it stands",
    "url": "PUT the bytes here, with Content-MD5",
    "url_expires_at": "ask for the parts again after that",
    "valid_from": "first day",
    "valid_until": "last day; null: open",
    "vehicle": "what is driven (R.11)",
    "wearer": "who wore the camera; oneself, if left out",
    "same_as": "the id under which these bytes are kept already",
    "terms": "every period and threshold with its source and version",
    "warnings": "what refuses nothing",
    "why": "in words",
    "work": "code of the work, such as 10.3",
    "account": "the answer for a gap, as it was taken",
    "activity": "the activity, by the id of its start, or as it stands",
    "activities": "what was done, with its gaps",
    "against_organ": "it is held against the organ, not the person (R.11, 13, 24)",
    "case_kind": "administrative 行政, criminal 刑事, none",
    "case_ref": "number of the case, where it has one",
    "cause": "fault 故障, damage 损坏, weather 天气, battery 电量, storage 存储, other 其他",
    "claimed": "where footage was declared or sealed",
    "colleague": "whose recorder covered it",
    "covered_by": "fixed_camera 固定探头, platform 其他平台, colleague 同事的记录仪",
    "emergency": "an emergency as R.11 means it",
    "explained": "somebody answered for the whole of it; it stands all the same",
    "gap": "recording or leading",
    "gaps": "where nobody led who confirmed it, or where no footage is even claimed",
    "id_shown": "the work ID was shown",
    "means": "by which restraint",
    "notes": "in words; erasable",
    "officers_present": "officers present, with the one who leads",
    "proved": "where sealed footage shows it",
    "public_notice": "执法公示 (R.32)",
    "recording": "a recorder is running; or the recording, by its id",
    "recusal_right_told": "they were told that they may ask for recusal",
    "reported_to": "the unit head who was told at once",
    "restraints": "who was restrained by what, from when to when (R.11, 程序规定 58)",
    "source": "which camera, platform or recorder; of a term, where it comes from",
    "spans": "when it was, by everything told",
    "spoken": "the reason was spoken into the recording on resuming",
    "told": "who was told what",
    "watcher": "who watched the person restrained",
    "words": "in words",
    "found_at": "when it was found",
    "withdrawn_at": "a fact that came later took it away",
    "text": "the item of the regulation, word for word",
    "tellings": "start, finish and amendments, as they were told",
    "accounts": "what was answered for its gaps",
    "by_person": "who said it",
    "verb": "start, finish or amend",
    "at": "when it was told",
    "notice_given": "the public notice was whole: ID shown, right to recusal told",
    "notice_told": "who was told what",
    "by_name": "who found it",
    "contested": "the shift or naming that contradicts one in force",
    "other": "the row that the contested one contradicts",
    "ruling": "what was found, and how the contested row stands now",
    "rulings": "what people found where two stories contradict each other",
    "stands": "which is true: the one in_force when it was contested, or the contested one",
    "content": "the entry as it came; null once it is recorded",
    "decided_at": "when a person decided",
    "decided_by": "who decided",
    "entries": "up to 1,000, each as its own route takes it, with `verb` and without `sent_at`",
    "held": "the entry that is held, or how it stands with it",
    "occurred_at": "when it happened, by the server's clock",
    "problem": "why it was refused, or what went wrong",
    "reason": "unknown_reference: what it refers to has not come; device_revoked: that of who sent or signed it; "
    "a person decides",
    "results": "one for each entry, in the order of the call",
    "until": "after that a person looks at it; it goes on waiting",
    "waiting_for": "what it refers to and has not come",
    "acts": "what the person did on the case, and whether it stands",
    "actor": "who did it",
    "bundle": "the start of a shift, where one begins anew",
    "changes": "what is new since the cursor, in order",
    "cases": "cases that one works on or worked on lately",
    "cursor": "how far one has come: `after` of the next call",
    "facts": "what became of it: codes, ids, times and digests",
    "finished": "whether the work has ended",
    "leads": "whether they lead somebody at this moment",
    "more": "there is more: ask again with the cursor",
    "officers": "officers in service in one's organ and those above it",
    "own": "oneself, as on the roster",
    "reset": "what was told before no longer holds: forget it and begin with the bundle",
    "server_time": "the server's clock",
    "since": "from when on",
    "subjects": "the facts and persons that it is about",
    "uploads": "one's own that are not sealed yet",
    "works_etag": "of the catalogue in force: `works` of the next call",
    "works": "every item of the regulation by its code",
    "capacity": "as what: oneself, a party 当事人, a legal representative 法定代理人",
    "applicant": "who asked; null where one asked oneself, and for the person concerned",
    "decided_in": "the organ whose commander decides",
    "due_at": "until when it should be decided; null once it is",
    "standing_aside": "whether the person stands aside until it is decided",
    "told_at": "when the applicant was told of the decision",
    "taken_by": "who wrote it down",
    "version": "rises with each step; a decision names the one that it was made on",
    "recusal": "the recusal",
    "recusals": "cases that one is out of, or in which it is not decided yet",
    "asked_at": "when it was declared or applied for",
    "oral": "it was said, and written down",
    "step": "what was done",
    "standing": "pending 未决定, standing_aside 暂停参与, granted 回避",
    "steps": "what was decided and done about it, in order",
    "how": "how the applicant was told",
    "ground": "on which ground",
    "call": "the call for help",
    "calls": "calls for help in this time",
    "acknowledged_by": "the officer who took it; null while nobody did",
    "acknowledged_at": "when; null while nobody did",
    "arrived_at": "when somebody was there; null while nobody was",
    "closed_at": "when it was closed; null while it is open",
    "closed_by": "who closed it",
    "called_at": "when help was called for",
    "asked_in": "the organ whose officers were called last",
    "hold": "the hold",
    "covers": "what it covers that is known by now",
    "placed_at": "when it was placed",
    "placed_by": "who placed it",
    "released_at": "when it was let go; null while it stands",
    "released_by": "who let it go",
    "released_why": "why it was let go",
    "category": "which of the four kinds that are kept for ever",
    "permanent": "for ever: it is let go only as a mistake",
    "radius_m": "metres around the place",
    "origin": "placed by hand, or with an injury, complaint or matter",
    "about": "the injury, complaint or matter that it serves",
    "legal_hold": "the store keeps it whatever the date",
    "owner": "whose it is",
    "injury": "the injury; its advance has the same id",
    "item": "the cost, or what survivors are owed",
    "reports": "what each who reported it told, as far as one may read it",
    "papers": "photos and papers of it",
    "survivors": "what survivors are owed, after a death",
    "recognition": "how recognition as a work injury stands",
    "apply_by": "until when the organ applies for recognition",
    "decide_by": "until when recognition should be decided; null while it is not accepted",
    "handled_in": "the organ whose commander approves and whose treasurer pays",
    "fatal": "a death was reported",
    "injured_at": "when it happened",
    "reported_at": "when the first report came in",
    "body_part": "which part of the body",
    "doing": "doing what work",
    "hospital": "where they were brought",
    "witnesses": "colleagues who saw it",
    "outsiders": "others who saw it, and how to reach them",
    "costs": "costs asked for at once",
    "fen": "in fen 分, of which a hundred are a yuan",
    "requested_by": "who asked for it; null while nobody did",
    "requested_at": "when it was asked for",
    "requested_fen": "what was asked for, in fen",
    "approved_fen": "what was approved, in fen; 0 where it was refused; null while undecided",
    "decision": "why it was approved or refused",
    "paid_fen": "what was paid, in fen",
    "settled_fen": "what somebody bore or gave back of what was paid, in fen",
    "unpaid_fen": "approved and not paid yet, in fen",
    "outstanding_fen": "paid and not settled yet, in fen",
    "fund_fen": "borne by the work-injury fund, in fen",
    "employer_fen": "borne by the employer, in fen",
    "accident_insurer_fen": "borne by the accident insurer, in fen",
    "third_party_fen": "borne by a third party at fault, in fen",
    "recovered_fen": "recovered, in fen",
    "payments": "what was paid, in order",
    "settlements": "who bore it, in order",
    "sums": "of all items",
    "then_what": "after recognition was refused: who is to bear it; null while nobody said",
    "then_why": "why",
    "done_at": "when it was seen to; null until then",
    "done_by": "who saw to it",
    "on_day": "the date of the paper",
    "until_day": "until when the term was extended",
    "complaint": "the complaint",
    "persons": "the auxiliaries whom it is about, as far as they are known",
    "in_full": "whether one may read who complained and what they said",
    "channel": "how it came in; null where not in full",
    "anonymous": "the complainant gave no name",
    "complainant": "who complained; null where not in full, or anonymous",
    "contact": "how to reach them; null where not in full",
    "notice_by": "until when the complainant is told that it is taken up",
    "noticed_at": "when they were told; null until then",
    "end_by": "until when it is to be concluded",
    "until_at": "until when it was extended",
    "concluded_at": "when it was concluded; null until then",
    "fed_back_at": "when the complainant was told the result; null until then",
    "received": "how many were received",
    "open": "how many are not concluded",
    "overdue": "how many of these are over their term",
    "founded": "how many were founded 属实",
    "partly": "how many were founded in part 部分属实",
    "unfounded": "how many were not founded 不属实",
    "withdrawn": "how many were withdrawn 撤回",
    "organ_name": "the organ's name",
    "matter": "the matter",
    "against": "whose act is appealed against",
    "of_relative": "a close relative is harassed",
    "raised_at": "when it was raised",
    "answer_by": "until when it is to be answered",
    "answered_at": "when it was answered; null until then",
    "answered_by": "who answered",
    "month": "year and month, such as 2026-03",
    "day": "by the calendar of China",
    "days": "day by day; empty where a page of persons was asked for",
    "worked_min": "on patrol, post, window or event, in minutes",
    "watch_min": "on watch 值班, in minutes",
    "standby_min": "on standby 备勤, in minutes",
    "beyond_day_min": "beyond the day's norm on working days, in minutes",
    "beyond_week_min": "beyond the week's norm besides, in minutes",
    "rest_day_min": "on rest days, in minutes",
    "holiday_min": "on statutory holidays, in minutes",
    "overtime_min": "what counts towards the month's limit, in minutes",
    "limit_min": "the month's limit, in minutes",
    "taken_min": "time off taken for this month's rest days, in minutes",
    "owed_min": "time off owed for them and not taken, in minutes; below 0 after a correction",
    "unfinished": "a shift in it is not ended yet",
    "contested_shifts": "how many shifts count for nothing until somebody resolves them",
    "time_off": "time off in lieu 补休",
    "minutes": "how long, in minutes",
    "planned": "planned shifts",
    "post": "the post",
    "starts_at": "when it is to begin",
    "ends_at": "when it is to end",
    "checked_in_at": "when they checked in for it; null while nobody did",
    "zh": "in Chinese",
    "review": "the review",
    "restriction": "why the footage is restricted",
    "reply": "the reply",
    "finding": "the finding",
    "found": "what was found; null until it is closed or done",
    "lifted_at": "when the restriction was lifted; null while it stands",
    "marked_at": "when it was marked",
    "marked_by": "who marked it",
    "over_at": "until then footage is watched under this review",
    "opened_at": "when it was opened",
    "needs_approval": "whether the commander must agree first",
    "allowed": "the commander's answer; null: none yet, or none needed",
    "purpose": "what it is watched for",
    "tasked": "whether the footage belongs to what the number names",
    "reviewer": "who watches",
    "reviewer_badge": "their badge number",
    "reviewer_name": "their name",
    "decided_why": "why so",
    "restricted": "why its footage is restricted now",
    "exports": "who took a package with one's own footage in it",
    "viewings": "every range of bytes that was served",
    "restrictions": "every restriction of the footage",
    "at_ms": "milliseconds from the start of the footage",
    "what": "the footage itself, or its still frame",
    "first_byte": "the first byte that was asked for, from 0",
    "last_byte": "the last one",
    "served": "how many bytes went out; null: it was not told, so perhaps all",
    "began_at": "when the first byte was asked for",
    "week": "the Monday of the week in which it was sealed",
    "drawn_at": "when the server drew it",
    "wearer_badge": "badge number of who wore the camera",
    "drawn": "how many were drawn",
    "due": "of these, how many are due by now",
    "done": "how many were done",
    "with_findings": "in how many something was found",
    "kept": "one's own footage in numbers",
    "disposed": "of these, how many were disposed of",
    "first_at": "when the first began",
    "last_at": "when the last began",
    "kept_until": "when the last of it may go, unless something holds it",
    "of_bytes": "of so many bytes in all",
    "replies": "what one said to it",
    "checkpoint": "the number of the checkpoint under which it is proved; null: not proved yet",
    "seq": "its number in the journal",
    "actor_badge": "badge number of who did it; null: the server",
}
COMMON = (
    "malformed_json", "not_json", "invalid", "body_too_large", "body_too_slow", "encoding_not_supported",
    "malformed_body",
)  # fmt: skip
AT_DESK = ("csrf_refused", "second_factor_needed", "desk_reads_only")
PROVED = ("proof_missing", "proof_invalid", "proof_elsewhere", "proof_replayed", "use_dpop_nonce")
SIGNED_IN = (
    "token_missing", "token_invalid", "token_expired", "session_ended", *PROVED, "key_differs", "device_revoked",
    *AT_DESK,
)  # fmt: skip
ENTRY = (
    "device_needed", "not_for_your_role", "id_reused", "held", "held_refused", "time_ahead", "time_out_of_range",
    "conflict", "constraint",
)  # fmt: skip
ALWAYS = ("database_unavailable", "internal")
WATCHING = (
    "review_needed",
    "unknown_review",
    "review_closed",
    "review_over",
    "review_unapproved",
    "not_sealed",
    "disposed",
    "range_not_satisfiable",
)
OF_OPERATION = {
    "sessions_open": (
        "device_key_required", *PROVED[1:], "device_revoked", "sign_in_refused", "too_many_attempts",
    ),
    "sessions_refresh": ("token_invalid", "session_ended", "token_reused", *PROVED),
    "devices_codes": ("not_for_your_role", "unknown_device", "reinstate_first"),
    "devices_enrol": ("enrolment_refused", "key_unfit", "key_differs", "key_taken", *PROVED),
    "devices": ("not_for_your_role",),
    "device_revoke": ("not_for_your_role", "unknown_device"),
    "device_reinstate": ("not_for_your_role", "unknown_device"),
    "me_password": ("sign_in_refused", "too_many_attempts", "password_too_short"),
    "desk_open": (
        "sign_in_refused", "too_many_attempts", "code_needed", "code_refused", "not_for_your_role", "csrf_refused",
        "https_needed",
    ),
    "desk_session": ("not_found",),
    "me_totp": ("sign_in_refused", "too_many_attempts", "factor_stands"),
    "me_totp_confirm": ("too_many_attempts", "no_factor_begun", "factor_stands", "code_refused"),
    "person_totp_reset": ("not_for_your_role", "own_matter", "unknown_person"),
    "duty_verdict": ("unknown_work",),
    "shift": ("unknown_shift",),
    "recording": ("unknown_recording",),
    "upload_parts": ("device_needed", "unknown_upload", "part_out_of_range", "upload_busy", "store_unavailable"),
    "upload_complete": (
        "device_needed", "unknown_upload", "parts_missing", "digest_missing", "digest_differs", "file_too_large",
        "end_before_start", "time_ahead", "upload_busy", "store_unavailable",
    ),
    "upload_receipt": ("unknown_upload",),
    "person": ("unknown_person",),
    "handovers": ("unknown_wearer",),
    "problem": ("not_found",),
    "activity": ("unknown_activity",),
    "recording_descriptions": ("unknown_recording",),
    "recording_index": ("unknown_recording",),
    "review": ("unknown_review",),
    "review_watch": ("unknown_review",),
    "recording_content": WATCHING,
    "recording_journal": ("unknown_recording",),
    "recording_package": WATCHING[:-1],
    "packages": ("not_for_your_role", "unknown_task", "nothing_to_pack", "package_needs_reviews"),
    "recording_poster": (*WATCHING, "no_poster"),
    "hold": ("unknown_hold",),
    "recusal": ("unknown_recusal",),
    "assistance_call_one": ("unknown_call",),
    "injury": ("unknown_injury",),
    "advance": ("unknown_injury",),
    "advance_undertaking": ("unknown_injury",),
    "complaint": ("unknown_complaint",),
    "matter": ("unknown_matter",),
    "hours": ("unknown_person", "unknown_organ", "calendar_unknown"),
}  # fmt: skip
SUCCESS = {
    "200": ("The answer", "The same entry again: nothing changed"),
    "201": ("Made", "Recorded"),
    "204": ("Done", "Done"),
}
BY_KEY = {"sessions_open", "sessions_refresh", "devices_enrol"}  # no token, but a proof
UNSIGNED = BY_KEY | {"desk_open", "health_live", "health_ready", "jwks", "problem"}
REF = "#/components/schemas/{name}"
SENT_AT = "2026-03-01T08:00:01+08:00"
JWK = {
    "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}  # fmt: skip
DPOP = {
    "name": "DPoP", "in": "header", "required": True, "schema": {"type": "string"},
    "description": "A proof by the device's key (RFC 9449): a JWS with `typ: dpop+jwt`, `alg: ES256` and the public "
    "`jwk`; claims `htm`, `htu`, `iat` (any clock), `jti`, `nonce` (of the last DPoP-Nonce), `ath` where a token is "
    "sent, and `body_sha256`: base64url of the SHA-256 of the body's bytes as sent, absent without a body.",
}  # fmt: skip
NONCE = {
    "DPoP-Nonce": {
        "description": "With `use_dpop_nonce`: put it into a new proof and send again. Any answer may bring a fresh "
        "one when that of the proof gets old.",
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {"description": '`DPoP error=…, algs="ES256"`', "schema": {"type": "string"}},
}
FILES = {"application/octet-stream", "application/zip", "image/jpeg"}
RANGED = {"recording_content", "recording_poster"}
RANGE = {
    "name": "Range", "in": "header", "required": False, "schema": {"type": "string"},
    "description": "One range, as `bytes=0-1048575`; several, or none that can be read, are answered with the whole.",
}  # fmt: skip
ENTRY_VERBS = {verb.operation: verb for verb in VERBS}
ENTRIES = {name: verb.example for name, verb in ENTRY_VERBS.items()}
EXAMPLES = ENTRIES | {
    "sessions_open": {"sent_at": SENT_AT, "badge": "FJ1001", "password": "…"},
    "sessions_refresh": {"sent_at": SENT_AT, "refresh_token": "refresh-20260301T000000000000-1a2b3c.….1.…"},
    "devices_codes": {"sent_at": SENT_AT, "serial": "HH-0001"},
    "devices_enrol": {"sent_at": SENT_AT, "code": "7YQ2-M4XK-0C9T-WHR3", "jwk": JWK},
    "device_revoke": {"sent_at": SENT_AT},
    "device_reinstate": {"sent_at": SENT_AT},
    "desk_open": {"sent_at": SENT_AT, "badge": "P2001", "password": "…", "code": "492039"},
    "me_totp": {"sent_at": SENT_AT, "password": "…"},
    "me_totp_confirm": {"sent_at": SENT_AT, "code": "492039"},
    "person_totp_reset": {"sent_at": SENT_AT},
    "me_password": {"sent_at": SENT_AT, "current": "…", "new": "…"},
    "sync": {
        "sent_at": SENT_AT,
        "entries": [
            {"verb": verb.name} | {name: told for name, told in verb.example.items() if name != "sent_at"}
            for verb in VERBS[:2]
        ],
    },
    "packages": {"sent_at": SENT_AT, "kind": "case", "number": "杭公（城）受案字〔2026〕118号"},
    "upload_complete": {"sent_at": SENT_AT, "bytes": 433586176, "sha256": SHA256, "ended_at": SENT_AT},
}


class FieldAtFault(msgspec.Struct):
    """A field of the body that is not as it should be; `pointer` is a JSON pointer (RFC 6901), empty for the whole."""

    pointer: str
    message: str


class Problem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """RFC 9457. `code` is stable; the sentence is Chinese or English by Accept-Language."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    article: str | None = None
    unmet: list[Note] = []
    errors: list[FieldAtFault] = []
    missing: list[int] = []
    state: str | None = None


SCHEME = (
    "`Authorization: DPoP <access token>` (RFC 9449), always with the header `DPoP`: a token opens nothing without a "
    "proof by the key that it is bound to (`cnf.jkt`)."
)
CONFIG = OpenAPIConfig(
    title="辅警 Fujing",
    version="1",
    description=DESCRIPTION,
    path="/openapi",
    render_plugins=[],
    enabled_endpoints=set(),
    components=Components(
        security_schemes={
            "session": SecurityScheme(type="http", scheme="DPoP", description=SCHEME),
            "desk": SecurityScheme(
                type="apiKey",
                name=SECURE,
                security_scheme_in="cookie",
                description=f"set by POST /v1/desk/sessions; `{PLAIN}` over plain HTTP on this machine's own loopback",
            ),
            "csrf": SecurityScheme(
                type="apiKey",
                name=CSRF_HEADER,
                security_scheme_in="header",
                description="`csrf_token`, beside the cookie on every call that is no GET; this page adds it by itself",
            ),
        }
    ),
    security=[{"session": []}, {"desk": [], "csrf": []}],
)


@get("/openapi.json", opt=PUBLIC, include_in_schema=False, media_type=MediaType.JSON, sync_to_thread=False)
def document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The contract."""
    state = request.app.state
    if "openapi" not in state:
        state.openapi = json.dumps(contract(request.app), ensure_ascii=False).encode()
    return Response(state.openapi, media_type=MediaType.JSON)


def contract(app: Any) -> dict[str, Any]:
    """The whole document: what the routes say, plus words, examples and problems."""
    told: dict[str, Any] = app.openapi_schema.to_schema()
    schemas = told["components"]["schemas"] = _schemas(app)
    for schema in schemas.values():
        _describe(schema)
    _tell_unions(schemas)
    _bound_tuples(schemas)
    bodies = {handler.operation_id: _body(handler) for handler in _handlers(app)}
    for path in told["paths"].values():
        for operation in path.values():
            _complete(operation, bodies[operation["operationId"]])
    return told


def _schemas(app: Any) -> dict[str, Any]:
    """Every struct as msgspec itself checks it: the framework's own schemas lose bounds inside lists and optionals."""
    found = [kind for handler in _handlers(app) for kind in (*_answers(handler), *filter(None, [_body(handler)]))]
    _, schemas = msgspec.json.schema_components([*found, Problem], ref_template=REF)
    return schemas


def _tell_unions(schemas: dict[str, Any]) -> None:
    """An entry among others is exactly one verb's, told by `verb`; its receipt is that of the verb's own route."""
    items = schemas["SyncCall"]["properties"]["entries"]["items"]
    items["oneOf"] = items.pop("anyOf")
    receipts = sorted({verb.receipt.__name__ for verb in VERBS if verb.field})
    schemas["EntryResult"]["properties"]["receipt"] = {
        "description": "as the verb's own route answers",
        "anyOf": [{"$ref": REF.format(name=name)} for name in receipts],
    }


def _handlers(app: Any) -> list[Any]:
    return [handler for route in app.routes for handler in getattr(route, "route_handlers", ())]


def _body(handler: Any) -> Any:
    return handler.opt.get("body")


def _answers(handler: Any) -> list[Any]:
    """The structs of a handler's answer, out of a Response where it is in one."""
    field = handler.parsed_fn_signature.return_type
    kinds = [field.annotation, *(inner.annotation for inner in field.inner_types)]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]


def _request_body(kind: Any, name: str) -> dict[str, Any]:
    schema = {"$ref": REF.format(name=kind.__name__)}
    return {"required": True, "content": {"application/json": {"schema": schema, "example": EXAMPLES[name]}}}


def _describe(schema: dict[str, Any]) -> None:
    for name, field in schema.get("properties", {}).items():
        if "description" not in field and name in FIELDS:
            field["description"] = FIELDS[name]


def _bound_tuples(node: Any) -> None:
    """A tuple is as long as its items. msgspec says so by `items: false`, which makers of clients cannot read."""
    if isinstance(node, dict):
        if "prefixItems" in node and node.get("items") is False:
            del node["items"]
            node |= {"minItems": len(node["prefixItems"]), "maxItems": len(node["prefixItems"])}
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            _bound_tuples(inner)


def _tell_files(name: str, operation: dict[str, Any], responses: dict[str, Any]) -> None:
    """An answer that is a file is bytes; of footage a range can be asked for."""
    for answer in responses.values():
        for kind, content in answer.get("content", {}).items():
            if kind in FILES:
                content["schema"] = {"type": "string", "format": "binary"}
    if name in RANGED:
        operation["parameters"] = [*operation.get("parameters", ()), RANGE]
        responses["206"] = {**responses["200"], "description": "The bytes of the range; Content-Range says which"}


def _complete(operation: dict[str, Any], body: Any) -> None:
    name = operation["operationId"]
    if name in UNSIGNED:
        operation["security"] = []
    if body is not None:
        operation["requestBody"] = _request_body(body, name)
    responses = operation["responses"]
    _tell_files(name, operation, responses)
    entry = name in ENTRIES
    for good, words in SUCCESS.items():
        if good in responses:
            responses[good]["description"] = words[entry]
    responses.get("204", {}).pop("content", None)  # the framework says JSON of an answer that has no body
    for bad in [status for status in responses if int(status) >= 400]:
        del responses[bad]
    problems = _problems(operation, entry)
    if name not in UNSIGNED or name in BY_KEY:
        operation["parameters"] = [*operation.get("parameters", ()), DPOP]
    for status, codes in problems.items():
        listed = {code: {"value": _sample(code)} for code in codes}
        responses[str(status)] = {
            "description": " · ".join(f"`{code}`" for code in codes),
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": listed}
            },
        }
        if "use_dpop_nonce" in codes:
            responses[str(status)]["headers"] = NONCE


def _problems(operation: dict[str, Any], entry: bool) -> dict[int, list[str]]:
    name = operation["operationId"]
    verb = ENTRY_VERBS.get(name)
    codes = [*(verb.codes if verb else OF_OPERATION.get(name, ())), *ALWAYS]
    codes += COMMON if "requestBody" in operation else ()
    codes += ["invalid"] if "parameters" in operation and "requestBody" not in operation else ()
    codes += SIGNED_IN if name not in UNSIGNED else ()
    codes += ENTRY if entry else ()
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(law().messages[code].status or 500, []).append(code)
    return dict(sorted(by_status.items()))


def _sample(code: str) -> dict[str, Any]:
    message = law().messages[code]
    told = {"type": f"/problems/{code}", "title": message.title_zh, "status": message.status, "detail": message.zh}
    return {**told, "code": code, "instance": "/v1/…"}
