"""HTML pages to print and sign for a file.

Guarantees: a page loads nothing from another address; text of a person is never read as markup; no script runs.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from html import escape
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from backend.law.catalogue import law

BEIJING = timezone(timedelta(hours=8))  # China has one legal time
STYLE = """
body { font: 11pt/1.5 "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", SimSun, sans-serif;
  max-width: 180mm; margin: 12mm auto; padding: 0 4mm; color: #000; background: #fff; }
h1 { font-size: 15pt; margin: 0; } h1 small { display: block; font-size: 10pt; font-weight: normal; }
p.basis { margin: 2mm 0 5mm; font-size: 9pt; }
p.none { border: 2px solid #000; padding: 3mm; font-weight: bold; }
table { border-collapse: collapse; width: 100%; margin: 0 0 6mm; }
th, td { border: 1px solid #000; padding: 1.5mm 2mm; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: normal; background: #f2f2f2; } th small, thead small { display: block; font-size: 8pt; }
table.facts th { width: 38mm; } td.time { white-space: nowrap; width: 1%; font-variant-numeric: tabular-nums; }
td.words { white-space: pre-wrap; unicode-bidi: isolate; } td.digest { font-family: monospace; font-size: 9pt; }
table.sums th { width: 30%; } table.sums th:first-child { width: 40%; }
td.sum, table.sums th + th { text-align: right; } td.sum { white-space: nowrap; font-variant-numeric: tabular-nums; }
thead { display: table-header-group; } tr { break-inside: avoid; }
div.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(80mm, 100%), 1fr)); gap: 4mm; }
div.card { border: 1px solid #000; padding: 3mm; display: flex; gap: 3mm; align-items: center; break-inside: avoid; }
div.card svg { flex: none; width: 34mm; height: 34mm; } div.card p { margin: 0; overflow-wrap: anywhere; }
div.card small { display: block; font-size: 8pt; } div.card p.code { font: 9pt/1.4 monospace; margin-top: 2mm; }
div.signed { display: flex; gap: 12mm; margin-top: 12mm; break-inside: avoid; }
div.signed p { flex: 1; border-bottom: 1px solid #000; padding-bottom: 9mm; margin: 0; }
@page { size: A4; margin: 15mm; }
@media print { body { margin: 0; padding: 0; max-width: none; } }
"""
HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}
PAGE = """<!doctype html>
<html lang="zh-CN">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body>
<h1>{title}<small>{title_en}</small></h1>
<p class="basis">{basis}</p>
<table class="facts">
{facts}
</table>
{content}
<div class="signed">
{signed}
</div>
</body>
</html>
"""
FACT = "<tr><th>{zh}<small>{en}</small></th><td{kind}><bdi>{text}</bdi></td></tr>"
COSTS = {"medical": "医疗", "transport": "交通", "nursing": "护理", "other": "其他"}


def printed(message: str, facts: Iterable[str], content: str, signed: Iterable[str]) -> str:
    """The page: a message of the law as its head, a table of facts, the content, lines for signatures."""
    words = law().messages[message]
    return PAGE.format(
        title=escape(words.title_zh),
        title_en=escape(words.title_en),
        style=STYLE,
        basis=escape(f"{words.zh} {words.en} ({words.article})" if words.article else f"{words.zh} {words.en}"),
        facts="\n".join(facts),
        content=content,
        signed="".join(f"<p>{escape(who)}</p>" for who in signed),
    )


def fact(zh: str, en: str, text: str, kind: str = "") -> str:
    """One row of the table of facts; `kind`: attributes of its cell."""
    return FACT.format(zh=zh, en=en, text=escape(text), kind=kind)


def missing(message: str) -> str:
    """A framed sentence: there is nothing to print."""
    none = law().messages[message]
    return f'<p class="none">{escape(none.zh)}<br>{escape(none.en)}</p>'


def clock(at: datetime) -> str:
    """A moment in Beijing time, to the second."""
    return f"{at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"


def yuan(fen: int | None) -> str:
    """An amount in yuan: 1234 fen are 12.34."""
    return "" if fen is None else f"{fen // 100}.{fen % 100:02}"


SLIPS_STYLE = """
body { max-width: 180mm; margin: 8mm auto; padding: 0 3mm; color: #000; background: #fff; color-scheme: light;
  font: 11pt/1.5 "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", SimSun, sans-serif; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(72mm, 1fr)); }
section { border: 1px dashed #666; padding: 4mm 5mm; margin: -1px 0 0 -1px; break-inside: avoid; }
h1 { font-size: 11pt; margin: 0 0 2mm; } h1 small { font-weight: normal; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 4mm; margin: 0; }
dt { color: #333; } dd { margin: 0; overflow-wrap: anywhere; }
dd.word { font: bold 14pt/1.4 monospace; } p { margin: 2mm 0 0; font-size: 9pt; }
@page { size: A4; margin: 12mm; }
@media print { body { margin: 0; padding: 0; max-width: none; } main { grid-template-columns: 1fr 1fr; } }
"""
SLIPS = """<!doctype html>
<html lang="zh-CN">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>初始口令条 First passwords</title><style>{style}</style></head>
<body><main>
{slips}
</main></body>
</html>
"""
SLIP = """<section><h1>初始口令 <small>First password</small></h1><dl>
<dt>单位 Organ</dt><dd><bdi>{organ}</bdi></dd><dt>姓名 Name</dt><dd><bdi>{name}</bdi></dd>
<dt>警号 Badge</dt><dd>{badge}</dd><dt>口令 Password</dt><dd class="word">{word}</dd></dl>
<p>{then}</p></section>"""
TO_CHANGE = """首次登录须修改，至少十个字符。请当面交付，改后销毁。<br>
Change it at the first sign-in, then destroy this slip."""
TO_KEEP = """采集工作站的口令，不须修改。请在工作站上设置后妥善保管。<br>
The password of a docking station: set it there; it stays."""


class Slip(NamedTuple):
    """A first password and whose it is. `stays`: it need not be changed."""

    organ: str
    name: str
    badge: str
    word: str
    stays: bool = False


def slips(given: Iterable[Slip]) -> str:
    """A page with a slip to cut out for each first password."""
    each = (
        SLIP.format(
            organ=escape(slip.organ), name=escape(slip.name), badge=escape(slip.badge), word=escape(slip.word),
            then=TO_KEEP if slip.stays else TO_CHANGE,
        )
        for slip in given
    )  # fmt: skip
    return SLIPS.format(style=SLIPS_STYLE, slips="\n".join(each))


FACTOR_STYLE = """
:root { color-scheme: light dark; }
body { font: 12pt/1.6 "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", SimSun, sans-serif; margin: 0 auto;
  max-width: 30rem; padding: 1rem; color: #111; background: #fff; }
h1 { font-size: 1.25rem; margin: 0 0 .5rem; } small { display: block; opacity: .8; }
div { background: #fff; padding: .75rem; width: min(15rem, 80vw); margin: 1rem auto; }
svg { display: block; width: 100%; height: auto; } li { margin-bottom: .5rem; }
code { font-size: 1.1rem; letter-spacing: .05em; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #16181c; } }
@media print { body { color: #000; background: #fff; } }
"""
FACTOR = """<!doctype html>
<html lang="zh-CN">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>设置动态验证码 Set up the second factor</title><style>{style}</style></head>
<body>
<h1>设置动态验证码 <small>Set up the second factor: {badge}</small></h1>
<ol>
<li>用手机上的验证器应用扫描二维码。<small>Scan the code with the authenticator app on your phone.</small></li>
<li>或手工输入密钥：<code>{key}</code><small>Or type the key.</small></li>
<li>输入应用显示的六位数字以确认。<small>Then enter the six digits that it shows.</small></li>
</ol>
<div>{qr}</div>
<p>本页只显示一次，请勿截图或转发。<small>This page is shown once: keep no picture of it.</small></p>
</body>
</html>
"""


def factor_page(badge: str, uri: str, qr: str) -> str:
    """A page that shows the secret of a second factor as QR code and as a key to type; `qr`: an SVG element."""
    secret = parse_qs(urlsplit(uri).query)["secret"][0]
    key = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    scaled = qr.replace("<svg ", f'<svg viewBox="{_view_box(qr)}" role="img" aria-label="二维码 QR code" ', 1)
    return FACTOR.format(style=FACTOR_STYLE, badge=escape(badge), key=escape(key), qr=scaled)


def _view_box(svg: str) -> str:
    """The size of an SVG picture as the box that scales with the page."""
    size = re.match(r'<svg[^>]*? width="(\d+)" height="(\d+)"', svg)
    return f"0 0 {size[1]} {size[2]}" if size else "0 0 100 100"
