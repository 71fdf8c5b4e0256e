"""What an operator of the server does to people is seen: by them, and by those who answer for their organ."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar

from backend.core import journal, operators
from backend.core.database import fetch, first, value
from backend.core.operators import Operator
from backend.core.settings import Settings
from backend.people import devices
from mobile_api.cli.commands import people
from tests.api.test_changes import items, new_cursor, verbs
from tests.api.test_sessions import a_stranger
from tests.builders import (
    DISTRICT,
    ELSEWHERE,
    SIBLING,
    STATION,
    Someone,
    a_badge,
    a_commander_of,
    a_duty_auxiliary,
    a_row,
    an_administrator_of,
    an_inspector_of,
    now,
    refused,
)
from tests.desks import Desk

NEW = "another password of the street 口令"
ZHANG = Operator(uid=1001, user="fujing", sudo_user="zhang.wei", host="srv-1", command="set-password")
LINES = "SELECT verb, actor, organ, entry FROM journal WHERE verb = $1 AND $2 = ANY (subjects) ORDER BY seq"


async def lines(verb: str, subject: Any) -> list[dict[str, Any]]:
    return [msgspec.json.decode(row["entry"]) for row in await fetch(LINES, verb, subject)]


async def sets_password(badge: str, *, first: bool = False) -> None:
    """`fujing set-password BADGE`, run by Zhang."""
    with operators.acting(ZHANG):
        await people._set_password(badge, NEW, first)


async def guess(app: Litestar, badge: str, device: Someone | None = None) -> None:
    """Guess until the account is closed."""
    for _ in range(5):
        await (device or a_stranger(app)).sign_in(badge, "a guess at it")


# -- set-password


@pytest.mark.parametrize("at", ["stranger", "own phone", "desk"])
async def test_a_new_password_opens_a_closed_account_at_once(app: Litestar, at: str) -> None:
    """Whoever guessed, and wherever; who forgot theirs does not wait a quarter of an hour for the new one."""
    lin = await a_duty_auxiliary(app)
    await guess(app, lin.badge, lin if at == "own phone" else None)
    who: Any = {"stranger": a_stranger(app), "own phone": lin, "desk": Desk(app)}[at]
    refused(await who.sign_in(lin.badge), 429, "too_many_attempts")
    await sets_password(lin.badge)
    assert 201 == (await who.sign_in(lin.badge, NEW)).status_code
    (line,) = await lines("people/password", lin.id)
    assert 5 == line["facts"]["failures_forgotten"]


async def test_it_opens_nobody_elses_account(app: Litestar) -> None:
    """Nor one whose badge number begins with the same letters."""
    lin = await a_duty_auxiliary(app)
    longer = f"{lin.badge}X"
    await guess(app, longer)
    await sets_password(lin.badge)
    refused(await a_stranger(app).sign_in(longer), 429, "too_many_attempts")


async def test_a_set_password_is_in_the_journal_with_who_set_it(app: Litestar) -> None:
    """In the same transaction; neither the password nor its hash."""
    lin = await a_duty_auxiliary(app)
    await sets_password(lin.badge, first=True)
    row = await first("SELECT c.password_hash, c.xmin::text AS xid FROM credential c WHERE person = $1", lin.id)
    assert row is not None
    (line,) = await fetch("SELECT entry, xid::text AS xid FROM journal WHERE verb = $1 AND $2 = ANY (subjects)",
                          "people/password", lin.id)  # fmt: skip
    assert row["xid"] == line["xid"]
    told = msgspec.json.decode(line["entry"])
    assert ([str(lin.id)], STATION, "done", None) == (
        told["subjects"], told["organ"], told["outcome"], told.get("actor")
    )  # fmt: skip
    assert {"must_change": True, "failures_forgotten": 0, "operator": {
        "uid": 1001, "user": "fujing", "sudo_user": "zhang.wei", "host": "srv-1", "command": "set-password",
    }} == told["facts"]  # fmt: skip
    assert NEW not in str(told)
    assert row["password_hash"] not in str(told)


async def test_without_its_line_no_password_is_set(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal cannot be written: the old password counts."""
    lin = await a_duty_auxiliary(app)
    monkeypatch.setattr(journal, "APPEND", journal.APPEND.replace("$5", "$5 || repeat('x', 0) || NULL"))
    with pytest.raises(Exception, match="null value"):
        await sets_password(lin.badge)
    monkeypatch.undo()
    assert 201 == (await a_stranger(app).sign_in(lin.badge)).status_code


# -- who sees it


async def test_who_is_told_of_a_set_password(app: Litestar) -> None:
    """The person, and the administrators and inspectors of their organ and above; nobody else."""
    wu = await an_inspector_of(app, STATION)
    told = [wu, await an_administrator_of(app, STATION), await an_administrator_of(app, DISTRICT),
            await an_inspector_of(app, STATION)]  # fmt: skip
    others = [await a_commander_of(app, STATION), await a_duty_auxiliary(app), await an_administrator_of(app, SIBLING),
              await an_inspector_of(app, ELSEWHERE)]  # fmt: skip
    cursors = {who.id: await new_cursor(who) for who in (*told, *others)}
    await sets_password(wu.badge)
    for who in others:
        assert [] == await verbs(who, cursors[who.id])
    refused(await wu.get("/v1/changes", after=cursors[wu.id]), 401, "session_ended")
    tokens = (await wu.sign_in(wu.badge, NEW)).json()
    wu.token = tokens["access_token"]
    assert ["people/password", "sessions/open"] == await verbs(wu, cursors[wu.id])
    for who in told[1:]:
        (item,) = await items(who, cursors[who.id])
        assert ("people/password", [str(wu.id)], "zhang.wei") == (
            item["verb"], item["subjects"], item["facts"]["operator"]
        )  # fmt: skip
        assert "actor" not in item


async def test_who_is_told_what_is_done_to_the_whole_house(app: Litestar) -> None:
    """Administrators and inspectors, of whatever organ: it is about all of them."""
    told = [await an_administrator_of(app, STATION), await an_inspector_of(app, ELSEWHERE)]
    others = [await a_commander_of(app, DISTRICT), await a_duty_auxiliary(app)]
    cursors = {who.id: await new_cursor(who) for who in (*told, *others)}
    with operators.acting(ZHANG):
        await journal.note("keys/rotate", {"purpose": "session", "kid": "session-x"})
    assert [["keys/rotate"], ["keys/rotate"]] == [await verbs(who, cursors[who.id]) for who in told]
    assert [[], []] == [await verbs(who, cursors[who.id]) for who in others]


async def test_a_role_of_an_administrator_that_ends_is_a_reset(app: Litestar) -> None:
    """They see less from then on."""
    xu = await an_administrator_of(app, STATION)
    cursor = await new_cursor(xu)
    from backend.people import roster
    from tests.builders import a_day

    await roster.bring_in(
        [a_row(record="role", code=xu.badge, kind="administrator", organ=STATION, valid_until=a_day(1))]
    )
    assert (await xu.get("/v1/changes", after=cursor)).json()["reset"]


async def test_ones_own_record_says_who_acted_on_ones_account(app: Litestar) -> None:
    """In the reader's language, with the account on the server, or the badge of the administrator."""
    wu = await an_inspector_of(app, STATION)
    with operators.acting(ZHANG):
        await people.take_second_factor(wu.badge)
        code = await devices.make_code(await a_serial(), now(), badge=wu.badge)
    assert code.code
    chinese = (await wu.get("/v1/me/record")).json()["acts"]
    english = (await wu.get("/v1/me/record", english=True)).json()["acts"]
    assert ["devices/code", "people/totp-reset"] == [act["verb"] for act in chinese[:2]]
    assert ("重置动态验证码", "Reset a second factor") == (chinese[1]["what"], english[1]["what"])
    assert ("zhang.wei", None, None) == tuple(chinese[0][name] for name in ("operator", "by_badge", "by_name"))
    lin = await a_duty_auxiliary(app)
    assert [] == [act for act in (await lin.get("/v1/me/record")).json()["acts"] if act["operator"]]


async def a_serial() -> str:
    return str(
        await value(
            "INSERT INTO device (serial, name, kind, organ) VALUES ($1, '手持终端', 'handheld', $2) RETURNING serial",
            f"HH-{a_badge()}", STATION,
        )
    )  # fmt: skip


async def test_a_device_for_one_person_is_told_to_that_person(app: Litestar) -> None:
    """It stands for their second factor: an operator who registers one for an inspector could act as the inspector."""
    wu, serial = await an_inspector_of(app, STATION), await a_serial()
    cursor = await new_cursor(wu)
    with operators.acting(ZHANG):
        await devices.make_code(serial, now(), badge=wu.badge)
    (item,) = await items(wu, cursor)
    assert ("devices/code", "zhang.wei") == (item["verb"], item["facts"]["operator"])
    assert str(wu.id) in item["subjects"]


# -- import-roster


async def test_a_roster_says_whom_it_gave_a_role(app: Litestar) -> None:
    """Each change, by ids, codes and days; the person is told, and no name is in it."""
    from backend.people import roster

    lin, badge = await a_duty_auxiliary(app), a_badge()
    cursor = await new_cursor(lin)
    with operators.acting(ZHANG):
        await roster.bring_in(
            [a_row(record="role", code=lin.badge, kind="inspector", organ=STATION),
             a_row(record="person", code=badge, name="朱新新", kind="duty_auxiliary", organ=SIBLING)],
            file="0" * 64,
        )  # fmt: skip
    assert "people/import" in str((await lin.get("/v1/me/record")).json()["acts"])
    (line,) = [each for each in await lines("people/import", lin.id) if "file_sha256" in each["facts"]]
    (change,) = line["facts"]["changes"]
    assert (STATION, 1, "0" * 64) == (line["organ"], line["facts"]["count"], line["facts"]["file_sha256"])
    assert ("role", "put", str(lin.id), "inspector", STATION) == tuple(
        change[name] for name in ("record", "change", "id", "code", "organ")
    )
    new = await value("SELECT person FROM stint WHERE badge = $1", badge)
    (line,) = await lines("people/import", new)
    assert (SIBLING, "new") == (line["organ"], line["facts"]["changes"][0]["change"])
    assert "朱新新" not in str(line)
    assert cursor


# -- killed in between

KILLED = """
import os, sys
import {module} as killed
{holder}.{name} = lambda *_, **__: os._exit(9)
from mobile_api.cli.main import fujing
fujing({words!r})
"""


@pytest.mark.parametrize(
    ("words", "module", "name", "begun", "done"),
    [
        (["rotate-keys", "session"], "backend.core.keys", "write_private", "keys/rotate", "keys/rotated"),
        (["calendar", "2031", "--from", "notice.toml"], "backend.law.notices", "_write", "calendar/take-in",
         "calendar/taken-in"),
        (["backup", "backup"], "backend.backup", "_dump_database", "house/backup", "house/backed-up"),
    ],
)  # fmt: skip
async def test_what_lies_outside_the_database_has_its_line_before_it(
    app: Litestar, house: Settings, tmp_path: Path, words: list[str], module: str, name: str, begun: str, done: str
) -> None:
    """Killed at the first byte, the command left a line that says what was begun, and none that says it was done."""
    (tmp_path / "notice.toml").write_text('["2031"]\nrest = []\nwork = []\nsource = "test"\n')
    (tmp_path / "backup").mkdir()
    count = "SELECT count(*) FILTER (WHERE verb = $1) AS begun, count(*) FILTER (WHERE verb = $2) AS done FROM journal"
    before: Any = await first(count, begun, done)
    keys = sorted(path.name for path in house.secrets_dir.rglob("*"))
    killed = subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-c", KILLED.format(module=module, holder="killed", name=name, words=words)], cwd=tmp_path,
        env={**os.environ, "FUJING_DATA_DIR": str(house.data_dir), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert 9 == killed.returncode, killed.stdout + killed.stderr
    after: Any = await first(count, begun, done)
    assert (1, 0) == (after["begun"] - before["begun"], after["done"] - before["done"])
    assert keys == sorted(path.name for path in house.secrets_dir.rglob("*"))
    assert not (house.law_home / "calendar.toml").exists()
