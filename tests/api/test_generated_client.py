"""A client made from the contract by `openapi-python-client`: the document alone is enough to speak to the house.

What a generator cannot know is the proof of each request; an httpx auth adds it.
"""

import importlib
import json
import subprocess
import sys
from collections.abc import Generator
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from mobile_api.app import assemble
from mobile_api.client.device_key import DeviceKey
from mobile_api.openapi import contract
from tests.builders import Someone, a_duty_auxiliary, now
from tests.contract_problems import OPERATIONS

pytestmark = pytest.mark.web

PACKAGE = "fujing_generated"
CONFIG = {"package_name_override": PACKAGE, "post_hooks": []}
BODIES = {
    name: operation["requestBody"]["content"]["application/json"]
    for name, operation in OPERATIONS.items()
    if "requestBody" in operation
}


class Proving(httpx.Auth):
    """Adds a proof to each request, and makes another where the server asks for it with a nonce."""

    requires_request_body = True

    def __init__(self, key: DeviceKey, token: str | None) -> None:
        self.key, self.token, self.nonce = key, token, ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self.token is not None:
            request.headers["Authorization"] = f"DPoP {self.token}"
        for _ in range(2):
            request.headers["DPoP"] = self.key.proof(
                request.method, str(request.url), nonce=self.nonce, token=self.token, body=request.content
            )
            answer = yield request
            self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
            if answer.status_code != 401 or "use_dpop_nonce" not in answer.headers["WWW-Authenticate"]:
                return


class Made:
    """The generated package, and where its pieces are."""

    def __init__(self, root: ModuleType) -> None:
        self.root, self.models = root, importlib.import_module(f"{root.__name__}.models")
        folder = Path(str(root.__file__)).parent / "api"
        self._modules = {file.stem: file.relative_to(folder).with_suffix("") for file in folder.glob("*/*.py")}

    def operation(self, name: str) -> ModuleType:
        """The module of this operationId, whatever its tag."""
        return importlib.import_module(f"{self.root.__name__}.api." + ".".join(self._modules[name].parts))

    def client(self, app: Litestar, key: DeviceKey, token: str | None) -> Any:
        """Over the application itself."""
        options = {"transport": httpx.ASGITransport(app), "auth": Proving(key, token)}
        return self.root.Client(base_url="http://fujing.test", httpx_args=options)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Generated from the document as it stands; the generator has nothing to say against it."""
    home = tmp_path_factory.mktemp("generated")
    (home / "openapi.json").write_text(json.dumps(contract(assemble([])), ensure_ascii=False))
    (home / "config.json").write_text(json.dumps(CONFIG))
    words = ["generate", "--path", "openapi.json", "--config", "config.json", "--meta", "none"]
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", *words, "--output-path", PACKAGE, "--fail-on-warning"],
        cwd=home, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr
    sys.path.insert(0, str(home))
    try:
        return Made(importlib.import_module(PACKAGE))
    finally:
        sys.path.remove(str(home))


def test_the_generated_client_is_typed_strictly(made: Made) -> None:
    """Every module of it, by a type checker that lets nothing pass."""
    home = Path(str(made.root.__file__)).parent
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(home.parent / "mypy"), home.name],
        cwd=home.parent, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert 0 == done.returncode, done.stdout + done.stderr


def test_its_folders_and_modules_are_named_in_ascii(made: Made) -> None:
    """Whatever file system they are unpacked on."""
    home = Path(str(made.root.__file__)).parent
    names = [str(file.relative_to(home)) for file in home.rglob("*.py")]
    assert len(names) > 400
    assert all(name.isascii() for name in names)


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_every_kind_is_read_and_written(made: Made, name: str) -> None:
    """The example goes through the generated struct and comes out the same."""
    kind = getattr(made.models, BODIES[name]["schema"]["$ref"].rpartition("/")[2])
    assert moments(BODIES[name]["example"]) == moments(kind.from_dict(BODIES[name]["example"]).to_dict())


def moments(node: Any) -> Any:
    """The same with its times as moments: a generated client may write the same one in another form."""
    if isinstance(node, dict):
        return {name: moments(inner) for name, inner in node.items()}
    if isinstance(node, list):
        return [moments(inner) for inner in node]
    try:
        return datetime.fromisoformat(node)
    except (TypeError, ValueError):
        return node


@pytest.mark.parametrize(
    "name", ["recording_content", "recording_poster", "recording_package", "packages", "document_content"]
)
def test_an_answer_of_bytes_is_read_as_a_file(made: Made, name: str) -> None:
    """A picture or a zip is none the less an answer."""
    answer = httpx.Response(200, content=b"bytes", headers={"Content-Type": "application/octet-stream"})
    read = made.operation(name)._parse_response(client=made.root.Client(base_url="http://x"), response=answer)
    assert b"bytes" == read.payload.read()


async def test_signing_in(made: Made, app: Litestar) -> None:
    """The nonce comes with the first refusal, the tokens with the next attempt."""
    lin = await a_duty_auxiliary(app)
    body = made.models.SignIn(sent_at=now(), badge=lin.badge, password="not this one")
    problem = await call(made, app, lin, "sessions_open", body=body, signed_in=False, d_po_p="the auth says it")
    assert isinstance(problem, made.models.Problem)
    assert (401, "sign_in_refused") == (problem.status, problem.code)


async def test_reading_oneself_and_the_verdict(made: Made, app: Litestar) -> None:
    lin = await a_duty_auxiliary(app)
    me = await call(made, app, lin, "me")
    assert (lin.id, lin.badge, lin.name) == (me.id, me.badge, me.name)
    verdict = await call(made, app, lin, "duty_verdict", work="10.3", officers_present=2, recording=True)
    assert made.models.AnswerOutcome.FORBIDDEN == verdict.outcome
    assert {"untrained", "not_led"} <= {note.code for note in verdict.unmet}


async def test_an_entry_and_its_replay(made: Made, app: Litestar) -> None:
    lin = await a_duty_auxiliary(app)
    body = a_check_in(made)
    receipt, replay = [await call(made, app, lin, "shifts_check_in", body=body) for _ in range(2)]
    assert (body.id, "recorded", True) == (receipt.id, receipt.status, receipt.shift.in_force)
    assert ("replayed", receipt.shift) == (replay.status, replay.shift)
    shifts = (await call(made, app, lin, "shifts")).items
    assert [body.id] == [shift.id for shift in shifts]


async def test_a_refusal_is_a_problem_of_the_contract(made: Made, app: Litestar) -> None:
    """Typed, with each rule that is not met."""
    lin = await a_duty_auxiliary(app)
    problem = await call(made, app, lin, "shifts_check_in", body=a_check_in(made, ordered=False))
    assert isinstance(problem, made.models.Problem)
    assert (409, "not_ordered") == (problem.status, problem.code)
    assert ["not_ordered"] == [note.code for note in problem.unmet]


async def test_a_sync_with_each_result_as_its_own_type(made: Made, app: Litestar) -> None:
    """One entry is recorded, one refused, one waits for a shift that never came."""
    lin, models, ago = await a_duty_auxiliary(app), made.models, timedelta(hours=2)
    plain = a_check_in(made, models.CheckInItem, verb=models.CheckInItemVerb.SHIFTSCHECK_IN, occurred_at=now() - ago)
    other = a_check_in(made, models.CheckInItem, verb=plain.verb, device_seq=2, ordered_by=uuid4())
    lost = models.CheckOutItem(
        verb=models.CheckOutItemVerb.SHIFTSCHECK_OUT, id=uuid4(), occurred_at=now() - ago, device_seq=3, shift=uuid4()
    )
    body = models.SyncCall(sent_at=now(), entries=[plain, other, lost])
    answer = await call(made, app, lin, "sync", body=body)
    assert [plain.id, other.id, lost.id] == [result.id for result in answer.results]
    recorded, refused, waiting = answer.results
    assert ("recorded", plain.id) == (recorded.status, recorded.receipt.shift.id)
    assert isinstance(recorded.receipt, models.ShiftReceipt)
    assert ("refused", "not_an_officer") == (refused.status, refused.problem.code)
    assert isinstance(refused.problem, models.Problem)
    assert ("waiting", [lost.shift]) == (waiting.status, waiting.waiting_for)
    assert answer.reset
    assert answer.cursor
    assert lin.badge == answer.bundle.own.badge
    again = await call(
        made, app, lin, "sync", body=models.SyncCall(sent_at=now(), entries=[plain], cursor=answer.cursor)
    )
    assert ["replayed"] == [result.status for result in again.results]


async def call(made: Made, app: Litestar, someone: Someone, name: str, *, signed_in: bool = True, **fields: Any) -> Any:
    """What the generated function of this operation makes of the answer."""
    assert someone.key is not None
    async with made.client(app, someone.key, someone.token if signed_in else None) as client:
        return await made.operation(name).asyncio(client=client, **fields)


def a_check_in(made: Made, kind: Any = None, *, ordered: bool = True, **fields: Any) -> Any:
    """As the call of its own route, or as `kind`, whose choices are named after it."""
    kind = kind or made.models.CheckInCall
    chosen = {name: getattr(made.models, f"{kind.__name__}{name}") for name in ("DutyType", "Dress")}
    common = {"id": uuid4(), "occurred_at": now(), "device_seq": 1, "id_card_carried": True}
    common |= {"duty_type": chosen["DutyType"].PATROL, "dress": chosen["Dress"].UNIFORM}
    common |= {"roster_post": "南门岗亭"} if ordered else {}
    if kind is made.models.CheckInCall:
        common["sent_at"] = now()
    return kind(**common | fields)
