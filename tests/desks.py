"""Desks of the tests: a browser or script over HTTPS, with cookies and, once signed in, a CSRF token."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pyotp
from litestar import Litestar

from backend.people import roster, sessions
from backend.people.factor import STEP_SECONDS
from tests.builders import CHEAP, PASSWORD, STATION, Client, a_badge, now, rows_of

HTTPS = "https://desk.fujing.test"
ADDRESSES = iter(f"10.7.{block}.{number}" for block in range(4) for number in range(1, 250))


@dataclass
class Desk(Client):
    """A browser at a desk, with its own client address. `host` is the origin in its address bar."""

    address: str = field(default_factory=lambda: next(ADDRESSES))
    host: str = HTTPS
    csrf: str | None = None

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"X-CSRF-Token": self.csrf} if self.csrf is not None else {}
        headers |= options.pop("headers", {})
        return await super().ask(method, path, headers=headers, **options)

    async def sign_in(self, badge: str, password: str = PASSWORD, **fields: Any) -> httpx.Response:
        answer = await self.tell("/v1/desk/sessions", badge=badge, password=password, **fields)
        if answer.status_code == 201:
            self.csrf = answer.json()["csrf_token"]
        return answer

    @property
    def cookie(self) -> str:
        """The secret that the browser keeps."""
        (secret,) = [cookie.value for cookie in self.http.cookies.jar if not cookie.name.endswith("-browser")]
        return str(secret)


@dataclass
class AtDesk(Desk):
    """A person of the roster, signed in at a desk."""

    id: UUID = field(default_factory=uuid4)
    badge: str = ""
    name: str = ""
    secret: str = ""  # of the second factor

    async def sets_up(self) -> None:
        """Set up a second factor. It is confirmed with the last step's code, so that later codes are unused."""
        left = STEP_SECONDS - now().timestamp() % STEP_SECONDS
        await asyncio.sleep(left if left < 2 else 0)  # so that no new step begins during the test
        factor = (await self.tell("/v1/me/totp", password=PASSWORD)).json()
        self.secret = pyotp.parse_uri(factor["otpauth_uri"]).secret
        answer = await self.tell("/v1/me/totp/confirm", code=self.code(-1))
        assert 204 == answer.status_code, answer.text

    def code(self, steps: int = 0) -> str:
        """The code of the authenticator, `steps` steps of 30 s from now."""
        return pyotp.TOTP(self.secret).generate_otp(int(now().timestamp()) // STEP_SECONDS + steps)


async def at_desk(
    app: Litestar, kind: str = "officer", organ: str = STATION, roles: Iterable[tuple[str, str]] = ()
) -> AtDesk:
    """A fresh person of this kind with a password, signed in at a desk, with no second factor."""
    badge = a_badge("D")
    await roster.bring_in(rows_of(badge, "钱某", kind, organ, roles))
    person = await roster.person_id_of(badge)
    await sessions.set_hash(person, CHEAP, now())
    someone = AtDesk(app, id=person, badge=badge, name="钱某")
    answer = await someone.sign_in(badge)
    assert 201 == answer.status_code, answer.text
    return someone


async def with_factor(app: Litestar, role: str = "inspector", organ: str = STATION) -> AtDesk:
    """An inspector or administrator who has set up a second factor."""
    someone = await at_desk(app, organ=organ, roles=[(role, organ)])
    await someone.sets_up()
    return someone
