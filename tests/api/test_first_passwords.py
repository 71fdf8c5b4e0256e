"""A first password is known to whoever printed it: the first sign-in changes it, before anything else."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pyotp
import pytest
from litestar import Litestar

from backend.core.database import fetch, value
from backend.core.settings import Settings
from backend.people import roster, sessions
from mobile_api.printing import Slip, slips
from tests.builders import (
    CHEAP,
    PASSWORD,
    STATION,
    Someone,
    a_badge,
    a_dock,
    a_duty_auxiliary,
    an_administrator_of,
    an_enrolled_key,
    now,
    refused,
    rows_of,
)
from tests.desks import Desk

NEW = "a password that only Lin knows"


async def somebody_new(app: Litestar, kind: str = "duty_auxiliary", *roles: tuple[str, str]) -> Someone:
    """A person with a first password, on an enrolled device, not signed in."""
    badge = a_badge()
    await roster.bring_in(rows_of(badge, "林小川", kind, STATION, roles))
    person = await roster.person_id_of(badge)
    await sessions.set_hash(person, CHEAP, now(), must_change=True)
    return Someone(app, id=person, badge=badge, name="林小川", organ=STATION, key=await an_enrolled_key())


async def signs_in(someone: Someone, password: str = PASSWORD) -> httpx.Response:
    """Sign in on their device, and keep the access token."""
    answer = await someone.sign_in(someone.badge, password)
    someone.token = answer.json()["access_token"]
    return answer


async def test_the_first_sign_in_says_so_and_nothing_else_is_open(app: Litestar) -> None:
    """Reading, recording and syncing are 403, in both languages, for a phone that knows nothing of it."""
    lin = await somebody_new(app)
    answer = await signs_in(lin)
    assert (201, True) == (answer.status_code, answer.json()["password_change_needed"])
    refused(await lin.get("/v1/me"), 403, "password_change_needed")
    refused(await lin.check_in(), 403, "password_change_needed")
    refused(await lin.tell("/v1/sync", entries=[]), 403, "password_change_needed")
    refused(await lin.get("/v1/shifts"), 403, "password_change_needed")
    told = await lin.get("/v1/shifts", english=True)
    assert ("application/problem+json", True) == (told.headers["content-type"], "change it" in told.json()["detail"])


async def test_changing_it_opens_everything_in_the_same_session(app: Litestar) -> None:
    """Not to itself, not to a short one; then nothing asks again, at the next sign-in either."""
    lin = await somebody_new(app)
    tokens = (await signs_in(lin)).json()
    refused(await lin.tell("/v1/me/password", current=PASSWORD, new=PASSWORD), 422, "password_unchanged")
    refused(await lin.tell("/v1/me/password", current=PASSWORD, new="short"), 422, "password_too_short")
    assert (await lin.refresh(tokens["refresh_token"])).json()["password_change_needed"]
    assert 204 == (await lin.tell("/v1/me/password", current=PASSWORD, new=NEW)).status_code
    assert 200 == (await lin.get("/v1/me")).status_code
    refused(await lin.sign_in(lin.badge, PASSWORD), 401, "sign_in_refused")
    assert not (await lin.sign_in(lin.badge, NEW)).json()["password_change_needed"]


async def test_who_has_a_password_already_is_not_forced(app: Litestar) -> None:
    """Whoever had one before this was asked goes on; and a change of one's own is no first password."""
    lin = await a_duty_auxiliary(app)
    assert not (await lin.sign_in(lin.badge)).json()["password_change_needed"]
    assert 204 == (await lin.tell("/v1/me/password", current=PASSWORD, new=PASSWORD)).status_code
    assert 200 == (await lin.get("/v1/me")).status_code


async def test_at_a_desk_the_password_comes_before_the_second_factor(app: Litestar) -> None:
    """An administrator with a first password changes it, then sets up the factor; the page can be loaded again."""
    chief, desk = await somebody_new(app, "staff", ("administrator", STATION)), Desk(app)
    opened = (await desk.sign_in(chief.badge)).json()
    assert (True, "to_set_up") == (opened["password_change_needed"], opened["second_factor"])
    assert (await desk.get("/v1/desk/sessions/current")).json()["password_change_needed"]
    refused(await desk.get("/v1/devices"), 403, "password_change_needed")
    refused(await desk.tell("/v1/me/totp", password=PASSWORD), 403, "password_change_needed")
    assert 204 == (await desk.tell("/v1/me/password", current=PASSWORD, new=NEW)).status_code
    refused(await desk.get("/v1/devices"), 403, "second_factor_needed")
    begun = await desk.tell("/v1/me/totp", password=NEW)
    assert 201 == begun.status_code
    page, secret = begun.json()["page"], pyotp.parse_uri(begun.json()["otpauth_uri"]).secret
    assert secret in page.replace(" ", "")  # to type, and as a QR code to scan
    assert ("<path" in page, "<script" in page, 'src="http' in page) == (True, False, False)


async def test_signing_out_stays_open(app: Litestar) -> None:
    """Somebody who took the wrong slip can leave."""
    lin = await somebody_new(app)
    await signs_in(lin)
    assert 204 == (await lin.ask("DELETE", "/v1/sessions/current")).status_code


@pytest.mark.parametrize("ending", ["html", "csv"])
async def test_the_import_hands_out_first_passwords(
    app: Litestar, house: Settings, tmp_path: Path, ending: str
) -> None:
    """On a slip each, with organ, name and badge; a docking station, which no person signs in, keeps its password."""
    for other in await roster.without_password():  # of other tests
        await sessions.set_hash(await roster.person_id_of(other), CHEAP, now())
    lin, dock = a_badge(), a_badge("DOCK")
    file, words = tmp_path / "名册.csv", tmp_path / f"passwords.{ending}"
    file.write_bytes(
        f"警号,姓名,类别,单位,入职日期\r\n{lin},阿不都·热西提,勤务辅警,城关派出所,2026/3/1\r\n"
        f"{dock},采集站,采集工作站,{STATION},2026/3/1\r\n".encode("gb18030")
    )
    done = subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-m", "mobile_api.cli", "import-roster", str(file), "--passwords", str(words)],
        env={"PATH": "/usr/bin:/bin", "FUJING_DATA_DIR": str(house.data_dir)}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert (0, True) == (done.returncode, "2 first passwords" in done.stdout), done.stderr
    rows = await fetch(
        "SELECT p.badge, c.must_change FROM person_now p JOIN credential c ON c.person = p.id WHERE p.badge = ANY ($1)",
        [lin, dock],
    )
    assert {lin: True, dock: False} == {row["badge"]: row["must_change"] for row in rows}
    text = words.read_text(encoding="utf-8")
    assert 0o600 == words.stat().st_mode & 0o777
    found = re.findall(r"[2-9a-z]{4}-[2-9a-z]{4}-[2-9a-z]{4}", text)
    assert 2 == len(set(found))
    if ending == "html":
        assert all(word in text for word in ("城关派出所", "阿不都·热西提"))
        told = {badge: slip for slip in text.split("<section>")[1:] for badge in (lin, dock) if f">{badge}<" in slip}
        assert {lin: True, dock: False} == {badge: "首次登录须修改" in slip for badge, slip in told.items()}
        assert "不须修改" in told[dock]


def test_a_slip_reads_no_name_as_markup() -> None:
    """A name from a roster is text."""
    page = slips([Slip("<b>所</b>", "<script>x</script>", "FJ1", "ab&cd")])
    assert "<script" not in page
    assert ("&lt;b&gt;" in page, "ab&amp;cd" in page) == (True, True)


async def test_the_operator_can_set_a_first_password(app: Litestar) -> None:
    """For somebody who forgot theirs: `fujing set-password BADGE --first`."""
    from mobile_api.cli.commands import people

    lin = await a_duty_auxiliary(app)
    must_change = "SELECT must_change FROM credential WHERE person = $1"
    await people._set_password(lin.badge, NEW, True)
    assert await value(must_change, lin.id)
    await people._set_password(lin.badge, NEW, False)
    assert not await value(must_change, lin.id)


async def test_a_docking_station_and_an_administrator_of_before_go_on(app: Litestar) -> None:
    """The column is false for every row that was there."""
    for somebody in (await a_dock(app), await an_administrator_of(app, STATION)):
        assert 200 == (await somebody.get("/v1/me")).status_code
