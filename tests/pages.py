"""`python -m tests.pages`: write anew the pages and pictures that are made from the code.

docs/sources.md is made from the files of the law.
docs/verbs.md is made from backend/registry.py and the contract; docs/pictures/timeline.svg is what `fujing timeline`
draws of docs/pictures/timeline.json, a shift as GET /v1/shifts/{id} answered it. tests/rules/test_docs.py fails where
one of them is not what this module makes.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from backend.core.verb import AUXILIARIES, ToldTo, Verb
from backend.law.catalogue import Law, law, load, tables_of
from backend.law.regulation import sources_in
from backend.law.sources import named_in
from backend.registry import EVENTS, VERBS
from mobile_api.app import assemble
from mobile_api.cli.svg import svg
from mobile_api.openapi import contract

ROOT = Path(__file__).parents[1]
COMMAND = ".venv/bin/python -m tests.pages"
KINDS = {"officer": "officer", "staff": "clerk", "dock": "dock"}  # besides auxiliaries; what people call each kind
FEED: dict[ToldTo, str] = {
    "readers": "the persons concerned, those above them, and officers who led them then",
    "concerned": "the persons concerned alone",
    "actor": "the person who did it",
    "administrators": "the persons concerned, and administrators and inspectors of the organ or above; of a line about "
    "the whole house all of them",
    "nobody": "nobody",
}
COLUMNS = {
    "who 谁可以": "the kinds of person who may send it: auxiliary 辅警 (duty 勤务, civilian 文职), officer 民警, clerk "
    "职员, dock 采集工作站. [who-may-what.md](who-may-what.md) says whose, and from which organ",
    "from 从哪里": "device 终端: from an enrolled device only. device, desk 内勤: from a desk too. Both may travel in "
    "`POST /v1/sync`. decision 决定: from a desk or a device, never in a sync; who decides usually needs a role on the "
    "organ concerned",
    "refusals 拒绝": "its own codes, besides [those of every verb](#refusals-of-every-verb-通用拒绝). `/problems/CODE` "
    "explains each in both languages",
    "feed 通知谁": "whom `GET /v1/changes` [tells](#whom-the-feed-tells-通知谁)",
}
HEAD = f"""# Verbs · 动作一览

<!-- Made from backend/registry.py by `{COMMAND}`. A test compares it: change the registry, not this page. -->

Every write is one entry: `POST /v1/` and the verb. They stand here in the groups in which `/docs` shows them. Fields,
examples and answers of each are in the contract (`/openapi.json`, `/docs`).
所有写入都是一条记录：`POST /v1/` 加动作名。字段、示例和答复见 `/docs`。

| column | what it says |
|---|---|
{"".join(f"| {name} | {words} |{chr(10)}" for name, words in COLUMNS.items())}
"""
TABLE = "| verb | 中文 | English | who | from | refusals | feed |\n|---|---|---|---|---|---|---|\n"


def verbs_page() -> str:
    """The text of docs/verbs.md."""
    tags = dict.fromkeys(verb.tag for verb in VERBS)
    tables = "".join(_table(tag, [verb for verb in VERBS if verb.tag == tag]) for tag in tags)
    return HEAD + tables + _common() + _feed()


def timeline_picture() -> str:
    """The text of docs/pictures/timeline.svg."""
    timeline = json.loads((ROOT / "docs" / "pictures" / "timeline.json").read_text(encoding="utf-8"))
    return svg(timeline, {code: message.sentence("zh") for code, message in law().messages.items()})


def who(verb: Verb) -> str:
    """The kinds of person who may, in words."""
    auxiliaries = ["auxiliary"] if AUXILIARIES <= verb.may else []
    return ", ".join([*auxiliaries, *(word for kind, word in KINDS.items() if kind in verb.may)])


def origin(verb: Verb) -> str:
    """From where it may come."""
    if not verb.field:
        return "decision"
    return "device, desk" if verb.desk else "device"


def _table(tag: str, verbs: Iterable[Verb]) -> str:
    rows = (
        f"| `{verb.name}` | {verb.zh} | {verb.en} | {who(verb)} | {origin(verb)} | {_codes(verb.codes)} "
        f"| {verb.told_to} |\n"
        for verb in verbs
    )
    return f"## {tag}\n\n{TABLE}{''.join(rows)}\n"


def _codes(codes: Iterable[str]) -> str:
    return ", ".join(f"`{code}`" for code in codes)


def _common() -> str:
    """The refusals of every verb, by status."""
    statuses: dict[int, list[str]] = {}
    for code in sorted(codes_of_every_verb()):
        statuses.setdefault(law().messages[code].status or 500, []).append(code)
    rows = "".join(f"| {status} | {_codes(codes)} |\n" for status, codes in sorted(statuses.items()))
    return f"## Refusals of every verb 通用拒绝\n\n| status | codes |\n|---|---|\n{rows}\n"


def codes_of_every_verb() -> frozenset[str]:
    """The codes that the contract lists for each verb's route."""
    operations = {
        operation["operationId"]: operation
        for path in contract(assemble([]))["paths"].values() for operation in path.values()
    }  # fmt: skip
    return frozenset.intersection(*(frozenset(_listed(operations[verb.operation])) for verb in VERBS))


def _listed(operation: dict[str, Any]) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        if int(status) >= 400:
            yield from answer["content"]["application/problem+json"]["examples"]


def _feed() -> str:
    """Whom the feed tells of what, and the lines that the server writes itself."""
    audiences = "".join(f"| {name} | {words} |\n" for name, words in FEED.items())
    events = "".join(f"| `{event.name}` | {event.told_to} |\n" for event in EVENTS)
    words = "".join(f"| `{event.name}` | {event.zh} | {event.en} |\n" for event in EVENTS if event.zh)
    return (
        "## Whom the feed tells 通知谁\n\n"
        f"| feed | who hears of it through `GET /v1/changes` |\n|---|---|\n{audiences}\n"
        "Lines that no entry makes: the server writes them itself 服务器自行写入\n\n"
        f"| line | feed |\n|---|---|\n{events}\n"
        "What is done to accounts, devices and the house, in words 账号、设备与系统操作的名称\n\n"
        f"| line | 中文 | English |\n|---|---|---|\n{words}"
    )


SOURCES = f"""# Sources · 依据

<!-- Made from backend/law/sources.toml by `{COMMAND}`. A test compares it: change that file, not this page. -->

Every term and every rule names in its `source` the documents that it rests on; here each document stands once, with its
edition, how we know it, and the day on which somebody last compared it. A rule is as well known as its weakest one.
Past the day of review, `fujing law check` has a line for it.
每项期限和规则都注明依据；此处列出各依据的版本、核对方式和核对日期。

| how known | what it means |
|---|---|
| full_text 全文核对 | the articles that we cite were read in the full text |
| secondary 转引 | known from an abstract or from another's account |
| assumed 未核对 | well known, and not looked up |
| decision 产品决定 | a decision of the product; a deployment may change it |

| document | edition | how known | checked | review | terms that rest on it | rules |
|---|---|---|---|---|---|---|
"""


def sources_page() -> str:
    """The text of docs/sources.md."""
    built_in = load()
    return SOURCES + "".join(_source_row(built_in, code) for code in built_in.sources)


def _source_row(built_in: Law, code: str) -> str:
    source = built_in.sources[code]
    terms = [name for name, term in built_in.terms.items() if code in named_in(term.source, built_in.sources)]
    shown = "all others" if source.standing == "decision" else ", ".join(f"`{name}`" for name in terms)
    rules = sum(
        any(code in named_in(text, built_in.sources) for text in sources_in(entry))
        for table in tables_of(built_in) if table.name not in ("terms", "sources") for entry in table.entries.values()
    )  # fmt: skip
    cells = (source.zh, source.edition, source.standing, source.checked, source.review or "", shown, rules)
    return f"| {' | '.join(map(str, cells))} |\n"


PAGES = {
    "docs/verbs.md": verbs_page,
    "docs/sources.md": sources_page,
    "docs/pictures/timeline.svg": timeline_picture,
}


def main() -> None:
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
