"""The page on which footage is watched: one HTML document with its style and script inside, and nothing from elsewhere.

Guarantees: text of a person is never read as markup; the Content-Security-Policy lets this script and this style run
and no other, and speaks to this server alone. The script is `player.js`, the style `style.css`.
"""

import hashlib
import json
from base64 import b64encode
from datetime import UTC, datetime
from html import escape
from importlib.resources import files

from backend.reviews.reads import ReviewDetail
from mobile_api.printing import clock

_PARTS = files(__name__)
PAGE = (_PARTS / "page.html").read_text(encoding="utf-8")
STYLE = (_PARTS / "style.css").read_text(encoding="utf-8")
SCRIPT = (_PARTS / "player.js").read_text(encoding="utf-8")
MARKS = 6  # how often badge and time are written over the picture
PURPOSES = {
    "complaint": "投诉 complaint", "case": "案件 case", "spot_check": "抽查 spot check", "injury": "工伤 injury",
    "matter": "申诉或侵扰 matter", "finding": "待说明事项 finding", "hearing": "陈述申辩 hearing",
}  # fmt: skip
SHORT_DIGEST = 16  # characters of the digest that stand over the picture; the page has all of it


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; media-src 'self' blob:; img-src 'self' data:; connect-src 'self'; "
        f"style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


def page(detail: ReviewDetail, sha256: str, csrf: str) -> str:
    """The page of one review. `sha256`: of the sealed original; `csrf`: the token for what the page tells the server.

    The marks are there without the script too.
    """
    row, now = detail.review, datetime.now(UTC)
    mark = f"<span>{escape(row.reviewer_badge)} {clock(now)}</span>"
    facts = {
        "调阅人|Reviewer": f"{row.reviewer_name} ({row.reviewer_badge})",
        "事由|Purpose": f"{PURPOSES[row.purpose]} {row.number}",
        "资料|Recording": str(row.recording), "原件 SHA-256|Sealed original": sha256, "截止|Until": clock(row.over_at),
    }  # fmt: skip
    notes = [{"at_ms": note.at_ms, "words": note.words} for note in detail.notes]
    return PAGE.format(
        style=STYLE, script=SCRIPT, recording=row.recording, review=row.id, marks=mark * MARKS, csrf=escape(csrf),
        badge=escape(row.reviewer_badge), now=round(now.timestamp() * 1000), purpose=escape(row.purpose),
        number=escape(row.number), notes=escape(json.dumps(notes, ensure_ascii=False)),
        short=escape(sha256[:SHORT_DIGEST]),
        facts="".join(_fact(name, text) for name, text in facts.items()),
    )  # fmt: skip


def _fact(name: str, text: str) -> str:
    zh, _, en = name.partition("|")
    return f'<dt>{zh} <span lang="en">{en}</span></dt><dd><bdi>{escape(text)}</bdi></dd>'
