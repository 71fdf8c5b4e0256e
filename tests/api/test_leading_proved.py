"""Confirming without a network: the officer's device signs the naming, either phone submits it, nobody can forge it."""

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
    """Lin on shift, who named Zhao just now, and the claims for Zhao's phone to sign."""

    def __init__(self, lin: Someone, zhao: Someone, naming: UUID, at: datetime) -> None:
        self.lin, self.zhao, self.naming, self.at = lin, zhao, naming, at

    def signed(self, key: DeviceKey | None = None, **other: Any) -> str:
        claims = {"naming": self.naming, "auxiliary": self.lin.id, "officer": self.zhao.id, "occurred_at": self.at}
        claims |= {"session": session_of(self.zhao)} | other
        by = key or self.zhao.key
        assert by is not None
        return by.leading(**claims)


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
async def test_either_phone_submits_the_confirmation(app: Litestar, who: str) -> None:
    """It counts as the officer's own confirmation, and the key that proved it is stored with it."""
    scene = await named(app)
    answer = recorded(await getattr(scene, who).post(PROVE, supervision=scene.naming, signature=scene.signed()))
    assert "confirmed" == answer["supervision"]["answer"]
    assert scene.zhao.key is not None
    kept = await value("SELECT proved_by FROM supervision_answer WHERE supervision = $1", scene.naming)
    assert scene.zhao.key.jkt == kept


async def test_a_confirmation_two_days_late_counts_from_its_signing(app: Litestar) -> None:
    """The officer signed out long ago; the key of that device was replaced since."""
    scene = await named(app)
    signature, then = scene.signed(), now()
    await execute(
        "UPDATE session SET opened_at = opened_at - interval '1 minute', ended_at = now(), end_reason = 'signed_out' "
        "WHERE id = $1", session_of(scene.zhao),
    )  # fmt: skip
    await execute(
        "UPDATE device_key SET ended_at = now(), end_reason = 're_enrolled' WHERE jkt = $1", scene.zhao.key.jkt
    )
    answer = recorded(await scene.lin.post(PROVE, supervision=scene.naming, signature=signature, at=then))
    assert "confirmed" == answer["supervision"]["answer"]


async def test_nobody_else_can_sign_the_confirmation(app: Litestar) -> None:
    """Signed by the auxiliary's own device, by another officer on theirs, or by a key that nobody enrolled."""
    scene, other = await named(app), await an_officer(app)
    forged = [
        scene.signed(scene.lin.key),
        scene.signed(scene.lin.key, session=session_of(scene.lin)),
        scene.signed(other.key, session=session_of(other)),
        scene.signed(other.key),
        scene.signed(DeviceKey()),
        scene.signed(await an_enrolled_key()),
    ]
    for signature in forged:
        refused(await scene.lin.post(PROVE, supervision=scene.naming, signature=signature), 422, "leading_not_proved")


async def test_a_confirmation_is_for_one_naming_only(app: Litestar) -> None:
    """Another naming's, another time's, another auxiliary's."""
    scene, other = await named(app), await named(app)
    forged = [
        scene.signed(naming=uuid4()),
        scene.signed(occurred_at=scene.at - timedelta(hours=2)),
        scene.signed(auxiliary=other.lin.id),
        scene.signed(officer=other.zhao.id),
        other.signed(),
    ]
    for signature in forged:
        refused(await scene.lin.post(PROVE, supervision=scene.naming, signature=signature), 422, "leading_not_proved")
    refused(await other.lin.post(PROVE, supervision=scene.naming, signature=scene.signed()), 404, "unknown_supervision")


async def test_a_text_that_is_no_signature_is_refused(app: Litestar) -> None:
    """alg none, an HMAC with the public key, another kind of token, a broken one."""
    scene = await named(app)
    good = scene.signed()
    head, body, _ = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    header = {"typ": "fujing-leading+jwt", "kid": scene.zhao.key.jkt}
    forged = [
        jwt.encode(claims, None, algorithm="none", headers=header) + "AA",
        jwt.encode(claims, "a secret of more than thirty-two bytes", algorithm="HS256", headers=header),
        jwt.encode(claims, scene.zhao.key.private, algorithm="ES256", headers=header | {"typ": "dpop+jwt"}),
        f"{head}.{body}.AAAA",
        "a.b.c",
    ]
    for signature in forged:
        refused(await scene.lin.post(PROVE, supervision=scene.naming, signature=signature), 422, "leading_not_proved")


async def test_a_session_that_had_ended_proves_nothing(app: Litestar) -> None:
    """The officer had signed out on that device before: somebody else held it."""
    scene = await named(app)
    await execute(
        "UPDATE session SET ended_at = opened_at, end_reason = 'signed_out' WHERE id = $1", session_of(scene.zhao)
    )
    refused(await scene.lin.post(PROVE, supervision=scene.naming, signature=scene.signed()), 422, "leading_not_proved")


async def test_a_late_forgery_is_refused_too(app: Litestar) -> None:
    """Late entries are not refused for their content, but a signature by somebody else is no content."""
    scene = await named(app)
    answer = await scene.lin.post(
        PROVE, supervision=scene.naming, signature=scene.signed(scene.lin.key), at=now() - timedelta(minutes=5)
    )
    refused(answer, 422, "leading_not_proved")


# A device that was lost goes on signing: its officer's session still stands there.


async def test_a_signature_of_a_revoked_device_is_held_for_a_person(app: Litestar) -> None:
    """Nobody knows who held the device: it does not count by itself, and an honest confirmation is not lost."""
    scene, sun = await named(app), await a_commander_of(app, STATION)
    await revoke(scene.zhao)
    fields = {"supervision": scene.naming, "signature": scene.signed()}
    refused(await scene.lin.post(PROVE, **fields), 409, "signer_revoked")
    item = scene.lin.item("supervisions/prove", **fields)
    for _ in range(2):
        (result,) = await scene.lin.sync(item)
        assert ("waiting", "device_revoked") == (result["status"], result["reason"])
    assert await answer_to(scene.naming) is None
    recorded(await sun.post("/v1/held/admit", held=item["id"], why="经该民警当面核实"))
    assert "confirmed" == await answer_to(scene.naming)
    assert ["replayed"] == [each["status"] for each in await scene.lin.sync(item)]


async def test_a_key_of_a_reinstated_device_is_as_doubtful(app: Litestar) -> None:
    """The reinstated device is not revoked any more; what its former key signed meanwhile stays doubtful."""
    scene = await named(app)
    await execute(
        "UPDATE device_key SET ended_at = now(), end_reason = 'reinstated' WHERE jkt = $1", scene.zhao.key.jkt
    )
    (result,) = await scene.lin.sync(
        scene.lin.item("supervisions/prove", supervision=scene.naming, signature=scene.signed())
    )
    assert ("waiting", "device_revoked") == (result["status"], result["reason"])


@pytest.mark.parametrize(("revoked", "answer"), [("before it came", None), ("while it waited", "confirmed")])
async def test_a_proof_that_waits_for_its_naming_is_judged_by_its_arrival(
    app: Litestar, revoked: str, answer: str | None
) -> None:
    """A proof that arrived before the revocation and waited needs no decision."""
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
