"""What weighs most needs a second factor in this session, or a device of one's own, on handhelds too."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from litestar import Litestar

from backend.core.database import execute, fetch, value
from mobile_api.cli.demo_film import film
from mobile_api.client.device_key import DeviceKey
from tests.builders import (
    DISTRICT,
    ELSEWHERE,
    PASSWORD,
    STATION,
    Someone,
    a_commander_of,
    a_device,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_administrator_of,
    an_enrolled_key,
    an_officer,
    recorded,
    refused,
    session_of,
)
from tests.desks import AtDesk, at_desk, with_factor
from tests.devices import sealed

CASE = {"purpose": "case", "number": "受案〔2026〕17号"}
GRANT = "INSERT INTO role_grant (person, role, organ, valid_from, source) VALUES ($1, $2, $3, '2026-01-01', 'import')"
CODES, GIVE = "/v1/devices/codes", "/v1/sessions/current/code"


async def on_a_shared_handheld(desk: AtDesk, **fields: Any) -> Someone:
    """The same person, signed in on a handheld that everybody uses."""
    someone = Someone(desk.app, id=desk.id, badge=desk.badge, key=await an_enrolled_key())
    await someone.open(**fields)
    return someone


async def shared(app: Litestar, role: str, organ: str = STATION) -> tuple[Someone, AtDesk]:
    """A person with this role on a shared handheld, and their desk, where they set up a second factor."""
    desk = await with_factor(app, role, organ)
    return await on_a_shared_handheld(desk), desk


async def footage_of(app: Litestar, lin: Someone, shots: Path) -> str:
    content = film(shots / "one.mp4", seconds=1, width=160, height=96).path.read_bytes()
    return await sealed(app, lin, content, started_at=ago(minutes=19), ended_at=ago(minutes=18))


async def a_review(who: Someone, footage: Any) -> str:
    return str(recorded(await who.post("/v1/reviews/open", recording=footage, **CASE))["id"])


async def makes_a_code(who: Any, **fields: Any) -> int:
    """The status of the answer."""
    return int((await who.tell(CODES, serial=await a_device(), **fields)).status_code)


@pytest.mark.parametrize("role", ["inspector", "commander"])
async def test_a_password_alone_opens_no_footage_on_a_shared_handheld(app: Litestar, tmp_path: Path, role: str) -> None:
    """Content, poster, view copy, package, page and a case's package; with the code of this session all are open."""
    lin, other = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    wu, desk = await shared(app, role)
    footage = await footage_of(app, lin, tmp_path)
    review = await a_review(wu, footage)
    if role == "commander":
        recorded(await other.post("/v1/reviews/approve", review=review, why="同意"))
    paths = [f"/v1/recordings/{footage}/{what}?review={review}" for what in ("content", "poster", "view", "package")]
    paths += [f"/v1/reviews/{review}/viewing", f"/v1/reviews/{review}/watch"]
    for path in paths:
        refused(await wu.ask("GET", path), 403, "second_factor_needed")
    refused(await wu.tell("/v1/packages", kind="case", number="x"), 403, "second_factor_needed")
    lines = await fetch("SELECT entry FROM journal WHERE actor = $1 AND outcome = 'denied'", wu.id)
    assert 5 == sum(b"second_factor_needed" in line["entry"] for line in lines)
    assert 204 == (await wu.tell(GIVE, code=desk.code())).status_code
    assert [200] * 6 == [(await wu.ask("GET", path)).status_code for path in paths]
    assert "second_factor_needed" != (await wu.tell("/v1/packages", kind="case", number="x")).json()["code"]


async def test_a_password_alone_administers_no_device_and_no_factor(app: Litestar) -> None:
    """Codes, revocation, reinstatement and other persons' factors; the list of devices is read as before."""
    xu, desk = await shared(app, "administrator")
    serial, lin = await a_device(), await a_duty_auxiliary(app)
    calls: list[tuple[str, dict[str, Any]]] = [
        (CODES, {"serial": serial}),
        (f"/v1/devices/{serial}/revoke", {}),
        (f"/v1/devices/{serial}/reinstate", {}),
        (f"/v1/people/{lin.badge}/totp/reset", {}),
    ]
    for path, fields in calls:
        refused(await xu.tell(path, **fields), 403, "second_factor_needed")
    assert 200 == (await xu.get("/v1/devices")).status_code
    assert 204 == (await xu.tell(GIVE, code=desk.code())).status_code
    assert [201, 200, 200, 204] == [(await xu.tell(path, **fields)).status_code for path, fields in calls]


async def test_a_code_given_with_the_password_counts_at_once(app: Litestar) -> None:
    """Also after the tokens were renewed: it is the session that is proved."""
    _, desk = await shared(app, "administrator")
    xu = await on_a_shared_handheld(desk, code=desk.code())
    assert 201 == await makes_a_code(xu)
    xu.token = (await xu.refresh(xu.refresh_token)).json()["access_token"]
    assert 201 == await makes_a_code(xu)


async def test_a_device_of_ones_own_needs_no_code(app: Litestar) -> None:
    """An administrator registers it for one person alone; for anybody else who signs in there it is a shared one."""
    xu, wu, zhao = [await an_administrator_of(app, STATION) for _ in range(3)]
    serial = await a_device(f"A-{xu.id.hex[:12]}")
    answer = await xu.tell(CODES, serial=serial, badge=wu.badge)
    device = Someone(app, id=wu.id, badge=wu.badge, key=DeviceKey())
    enrolled = await device.tell("/v1/devices/enrol", code=answer.json()["code"], jwk=device.key.jwk)
    assert 200 == enrolled.status_code
    await device.open()
    assert 201 == await makes_a_code(device)
    other = Someone(app, id=zhao.id, badge=zhao.badge, key=device.key)
    await other.open()
    assert 403 == await makes_a_code(other)
    (row,) = [row for row in (await xu.get("/v1/devices", limit=200)).json()["items"] if row["serial"] == serial]
    assert str(wu.id) == row["person"]


async def test_a_device_enrolled_again_without_a_name_is_shared_again(app: Litestar) -> None:
    """The registration belongs to the key: the next code decides anew."""
    xu = await an_administrator_of(app, STATION)
    serial = await a_device()
    for fields, expected in (({"badge": xu.badge}, xu.id), ({}, None)):
        code = (await xu.tell(CODES, serial=serial, **fields)).json()["code"]
        device = Someone(app, key=DeviceKey())
        assert 200 == (await device.tell("/v1/devices/enrol", code=code, jwk=device.key.jwk)).status_code
        assert expected == await value("SELECT person FROM device_key WHERE jkt = $1", device.key.jkt)


async def test_a_device_is_registered_only_for_people_of_ones_organs(app: Litestar) -> None:
    """Somebody elsewhere is answered as somebody who does not exist."""
    xu, stranger = await an_administrator_of(app, STATION), await an_officer(app, ELSEWHERE)
    for badge in (stranger.badge, "NOBODY-1"):
        refused(await xu.tell(CODES, serial=await a_device(), badge=badge), 404, "unknown_person")


async def test_a_factor_given_long_ago_counts_no_more(app: Litestar) -> None:
    """A session on a handheld lasts for weeks, a factor for twelve hours."""
    xu, desk = await shared(app, "administrator")
    assert 204 == (await xu.tell(GIVE, code=desk.code())).status_code
    aged = "UPDATE session SET factor_at = now() - $2::interval WHERE id = $1"
    for hours, expected in ((11.9, 201), (12.1, 403)):
        await execute(aged, session_of(xu), timedelta(hours=hours))
        assert expected == await makes_a_code(xu)


async def test_a_wrong_code_opens_nothing_and_counts_and_a_code_is_taken_once(app: Litestar) -> None:
    """Given with the password, or later in the session."""
    xu, desk = await shared(app, "administrator")
    right = desk.code()
    wrong = "000000" if right != "000000" else "111111"
    refused(await xu.tell(GIVE, code=wrong), 401, "code_refused")
    assert 403 == await makes_a_code(xu)
    assert 204 == (await xu.tell(GIVE, code=right)).status_code
    again = Someone(app, id=xu.id, badge=xu.badge, key=await an_enrolled_key())
    refused(await again.sign_in(xu.badge, code=right), 401, "code_refused")
    answers = [await xu.tell(GIVE, code=right) for _ in range(6)]
    assert {401, 429} == {answer.status_code for answer in answers}
    refused(await xu.tell(GIVE, code=desk.code(1)), 429, "too_many_attempts")


async def test_who_has_no_factor_is_told_how_to_set_one_up_and_can(app: Litestar) -> None:
    """On the handheld too. Confirming it proves the session in which it was confirmed."""
    xu = await an_administrator_of(app, STATION)
    xu.key = await an_enrolled_key()
    await xu.open()
    answer = await xu.tell(CODES, serial=await a_device(), english=True)
    refused(answer, 403, "second_factor_needed")
    assert {GIVE, "/v1/me/totp"} <= set(answer.json()["detail"].replace(")", " ").replace(",", " ").split())
    refused(await xu.tell(GIVE, code="123456"), 409, "no_factor")
    uri = (await xu.tell("/v1/me/totp", password=PASSWORD)).json()["otpauth_uri"]
    authenticator = AtDesk(app, secret=pyotp.parse_uri(uri).secret)
    assert 204 == (await xu.tell("/v1/me/totp/confirm", code=authenticator.code())).status_code
    assert 201 == await makes_a_code(xu)


async def test_a_factor_that_is_reset_counts_nowhere_any_more(app: Litestar) -> None:
    """Whoever has the lost authenticator may be signed in by now."""
    wu, desk = await shared(app, "administrator", DISTRICT)
    assert 204 == (await wu.tell(GIVE, code=desk.code())).status_code
    xu = await an_administrator_of(app, DISTRICT)
    assert 204 == (await xu.tell(f"/v1/people/{wu.badge}/totp/reset")).status_code
    assert 403 == await makes_a_code(wu)


async def test_a_desk_without_a_factor_opens_no_footage(app: Litestar, tmp_path: Path) -> None:
    """A commander need not have a factor at a desk; to see footage they do."""
    sun, lin = await at_desk(app, roles=[("commander", DISTRICT)]), await a_duty_auxiliary(app)
    footage = await footage_of(app, lin, tmp_path)
    entry = Someone(app).entry(recording=footage, **CASE)
    path = f"/v1/recordings/{footage}/content?review={recorded(await sun.send('/v1/reviews/open', entry))['id']}"
    refused(await sun.ask("GET", path), 403, "second_factor_needed")
    await sun.sets_up()
    refused(await sun.ask("GET", path), 403, "review_unapproved")


async def test_a_desk_sign_in_with_its_code_proves_the_session(app: Litestar) -> None:
    """Both the desk where the factor was set up, and the next one that is opened with a code."""
    xu = await with_factor(app, "administrator")
    assert 201 == await makes_a_code(xu)
    another = AtDesk(app, id=xu.id, badge=xu.badge)
    assert 201 == (await another.sign_in(xu.badge, code=xu.code())).status_code
    assert 201 == await makes_a_code(another)


async def test_a_password_alone_lifts_no_restriction(app: Litestar) -> None:
    """Lifting opens footage to everybody who may see the recording; releasing a hold opens nothing."""
    sun, desk = await shared(app, "commander")
    lin = await a_duty_auxiliary(app)
    footage = recorded(await lin.declare())["id"]
    marked = recorded(await lin.post("/v1/recordings/restrict", recording=footage, category="home"))["id"]
    lifting = sun.entry(restriction=marked, why="不涉及")
    refused(await sun.send("/v1/recordings/lift", lifting), 403, "second_factor_needed")
    wu, _ = await shared(app, "inspector")
    placed = recorded(await wu.post("/v1/holds/place", recording=footage, reason="核查", number="督〔2026〕17号"))["id"]
    recorded(await wu.post("/v1/holds/release", hold=placed, why="核查完毕"))
    assert 204 == (await sun.tell(GIVE, code=desk.code())).status_code
    recorded(await sun.send("/v1/recordings/lift", lifting))


async def test_decisions_stay_open_on_old_handhelds(app: Litestar) -> None:
    """What they may decide today they go on deciding, without a code."""
    sun, _ = await shared(app, "commander")
    lin = await a_duty_auxiliary(app)
    matter = recorded(await lin.post("/v1/matters/raise", kind="suggestion", words="建议增配装备"))["id"]
    recorded(await sun.post("/v1/matters/answer", matter=matter, words="已采纳"))


async def test_who_led_watches_without_a_code_unless_they_use_a_role(app: Litestar, tmp_path: Path) -> None:
    """The commander said yes to an officer who led. That they have another role changes nothing; their right as an
    inspector would."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=1)
    footage = await footage_of(app, lin, tmp_path)
    review = await a_review(zhao, footage)
    recorded(await (await a_commander_of(app, DISTRICT)).post("/v1/reviews/approve", review=review, why="同意"))
    path = f"/v1/recordings/{footage}/content?review={review}"
    assert 200 == (await zhao.ask("GET", path)).status_code
    await execute(GRANT, zhao.id, "administrator", STATION)
    assert 200 == (await zhao.ask("GET", path)).status_code
    await execute(GRANT, zhao.id, "inspector", STATION)
    own_right = await a_review(zhao, footage)
    refused(await zhao.ask("GET", f"/v1/recordings/{footage}/content?review={own_right}"), 403, "second_factor_needed")


async def test_an_inspector_from_elsewhere_uses_their_role(app: Litestar, tmp_path: Path) -> None:
    """Their review is an application that a commander approved: it is somebody else's film all the same."""
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    wu, desk = await shared(app, "inspector", ELSEWHERE)
    footage = await footage_of(app, lin, tmp_path)
    review = await a_review(wu, footage)
    recorded(await sun.post("/v1/reviews/approve", review=review, why="同意"))
    path = f"/v1/recordings/{footage}/content?review={review}"
    refused(await wu.ask("GET", path), 403, "second_factor_needed")
    assert 204 == (await wu.tell(GIVE, code=desk.code())).status_code
    assert 200 == (await wu.ask("GET", path)).status_code
