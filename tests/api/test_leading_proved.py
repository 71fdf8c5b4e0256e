"""Leading without a network: the officer's device signs the naming, either phone brings it home, nobody makes it up."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from litestar import Litestar

from backend.core.database import execute, value
from mobile_api.client.device_key import DeviceKey
from tests.builders import (
    STATION,
    Someone,
    a_commander_of,
    a_duty_auxiliary,
    a_yes,
    an_enrolled_key,
    an_officer,
    now,
    recorded,
    refused,
    session_of,
)

PROVE = "/v1/supervisions/prove"


class Named:
    """Lin on shift, who named Zhao just now, with what Zhao's phone is asked to sign."""

    def __init__(self, lin: Someone, zhao: Someone, naming: UUID, at: datetime) -> None:
        self.lin, self.zhao, self.naming, self.at = lin, zhao, naming, at

    def signed(self, key: DeviceKey | None = None, **other: Any) -> str:
        told = {"naming": self.naming, "auxiliary": self.lin.id, "officer": self.zhao.id, "occurred_at": self.at}
        told |= {"session": session_of(self.zhao)} | other
        by = key or self.zhao.key
        assert by is not None
        return by.leading(**told)


async def revoke(someone: Someone) -> None:
    """The phone that signed was lost."""
    of = "SELECT device FROM device_key WHERE jkt = $1"
    await execute(f"UPDATE device SET revoked_at = now() WHERE id = ({of})", someone.key.jkt)  # noqa: S608


def answer_to(naming: UUID) -> Any:
    return value("SELECT answer FROM supervision WHERE id = $1", naming)


async def named(app: Litestar) -> Named:
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    recorded(await lin.check_in())
    at = now()
    return Named(lin, zhao, UUID(recorded(await lin.names(zhao, at=at))["id"]), at)


@pytest.mark.parametrize("who", ["lin", "zhao"])
async def test_either_phone_brings_the_yes_home(app: Litestar, who: str) -> None:
    """It counts as the officer's own confirmation, and the key that proved it stands beside it."""
    told = await named(app)
    answer = recorded(await getattr(told, who).post(PROVE, supervision=told.naming, signature=told.signed()))
    assert "confirmed" == answer["supervision"]["answer"]
    assert told.zhao.key is not None
    kept = await value("SELECT proved_by FROM supervision_answer WHERE supervision = $1", told.naming)
    assert told.zhao.key.jkt == kept


async def test_two_days_late_it_counts_from_when_it_was_said(app: Litestar) -> None:
    """The officer signed out long ago; the key of that device was replaced since."""
    told = await named(app)
    signature, then = told.signed(), now()
    await execute(
        "UPDATE session SET opened_at = opened_at - interval '1 minute', ended_at = now(), end_reason = 'signed_out' "
        "WHERE id = $1", session_of(told.zhao),
    )  # fmt: skip
    await execute(
        "UPDATE device_key SET ended_at = now(), end_reason = 're_enrolled' WHERE jkt = $1", told.zhao.key.jkt
    )
    answer = recorded(await told.lin.post(PROVE, supervision=told.naming, signature=signature, at=then))
    assert "confirmed" == answer["supervision"]["answer"]


async def test_nobody_else_can_say_it(app: Litestar) -> None:
    """Signed by the auxiliary's own device, by another officer on theirs, or by a key that nobody enrolled."""
    told, other = await named(app), await an_officer(app)
    forged = [
        told.signed(told.lin.key),
        told.signed(told.lin.key, session=session_of(told.lin)),
        told.signed(other.key, session=session_of(other)),
        told.signed(other.key),
        told.signed(DeviceKey()),
        told.signed(await an_enrolled_key()),
    ]
    for signature in forged:
        refused(await told.lin.post(PROVE, supervision=told.naming, signature=signature), 422, "leading_not_proved")


async def test_a_yes_is_for_one_naming_only(app: Litestar) -> None:
    """Another naming's, another time's, another auxiliary's."""
    told, other = await named(app), await named(app)
    forged = [
        told.signed(naming=uuid4()),
        told.signed(occurred_at=told.at - timedelta(hours=2)),
        told.signed(auxiliary=other.lin.id),
        told.signed(officer=other.zhao.id),
        other.signed(),
    ]
    for signature in forged:
        refused(await told.lin.post(PROVE, supervision=told.naming, signature=signature), 422, "leading_not_proved")
    refused(await other.lin.post(PROVE, supervision=told.naming, signature=told.signed()), 404, "unknown_supervision")


async def test_what_is_no_signature_is_refused(app: Litestar) -> None:
    """alg none, an HMAC with the public key, another kind of token, a broken one."""
    told = await named(app)
    good = told.signed()
    head, body, _ = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    header = {"typ": "fujing-leading+jwt", "kid": told.zhao.key.jkt}
    forged = [
        jwt.encode(claims, None, algorithm="none", headers=header) + "AA",
        jwt.encode(claims, "a secret of more than thirty-two bytes", algorithm="HS256", headers=header),
        jwt.encode(claims, told.zhao.key.private, algorithm="ES256", headers=header | {"typ": "dpop+jwt"}),
        f"{head}.{body}.AAAA",
        "a.b.c",
    ]
    for signature in forged:
        refused(await told.lin.post(PROVE, supervision=told.naming, signature=signature), 422, "leading_not_proved")


async def test_a_session_that_was_over_says_nothing(app: Litestar) -> None:
    """The officer had signed out on that device before: somebody else held it."""
    told = await named(app)
    await execute(
        "UPDATE session SET ended_at = opened_at, end_reason = 'signed_out' WHERE id = $1", session_of(told.zhao)
    )
    refused(await told.lin.post(PROVE, supervision=told.naming, signature=told.signed()), 422, "leading_not_proved")


async def test_a_late_forgery_is_refused_too(app: Litestar) -> None:
    """Who spoke is no content: late entries are never refused for their content, and this is refused."""
    told = await named(app)
    answer = await told.lin.post(
        PROVE, supervision=told.naming, signature=told.signed(told.lin.key), at=now() - timedelta(minutes=5)
    )
    refused(answer, 422, "leading_not_proved")


# A device that was lost goes on signing: its officer's session still stands there.


async def test_what_a_revoked_device_signed_is_held_for_a_person(app: Litestar) -> None:
    """Nobody knows who held it: neither does it count by itself, nor is an honest yes from before lost."""
    told, sun = await named(app), await a_commander_of(app, STATION)
    await revoke(told.zhao)
    fields = {"supervision": told.naming, "signature": told.signed()}
    refused(await told.lin.post(PROVE, **fields), 409, "signer_revoked")
    item = told.lin.item("supervisions/prove", **fields)
    for _ in range(2):
        (result,) = await told.lin.sync(item)
        assert ("waiting", "device_revoked") == (result["status"], result["reason"])
    assert await answer_to(told.naming) is None
    recorded(await sun.post("/v1/held/admit", held=item["id"], why="经该民警当面核实"))
    assert "confirmed" == await answer_to(told.naming)
    assert ["replayed"] == [each["status"] for each in await told.lin.sync(item)]


async def test_a_key_that_ended_because_its_device_was_lost_says_as_little(app: Litestar) -> None:
    """Found again, the device is no longer revoked; what its former key signed meanwhile is as doubtful as before."""
    told = await named(app)
    await execute("UPDATE device_key SET ended_at = now(), end_reason = 'reinstated' WHERE jkt = $1", told.zhao.key.jkt)
    (result,) = await told.lin.sync(
        told.lin.item("supervisions/prove", supervision=told.naming, signature=told.signed())
    )
    assert ("waiting", "device_revoked") == (result["status"], result["reason"])


@pytest.mark.parametrize(("revoked", "answer"), [("before it came", None), ("while it waited", "confirmed")])
async def test_what_waits_for_its_naming_is_no_way_around(app: Litestar, revoked: str, answer: str | None) -> None:
    """By when it came it is judged: what came before the revocation and only waits needs nobody's yes."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    recorded(await lin.check_in())
    at = now()
    naming = lin.item("supervisions/name", officer=zhao.id, at=at)
    yes = lin.item("supervisions/prove", supervision=naming["id"], signature=a_yes(zhao, lin, naming["id"], at))
    if revoked == "before it came":
        await revoke(zhao)
    (result,) = await lin.sync(yes)
    assert ("waiting", "unknown_reference") == (result["status"], result["reason"])
    if revoked == "while it waited":
        await revoke(zhao)
    assert ["recorded"] == [each["status"] for each in await lin.sync(naming)]
    assert answer == await answer_to(naming["id"])
