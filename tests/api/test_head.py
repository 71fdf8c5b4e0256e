"""HEAD answers wherever GET does: the same status and headers, and no body."""

import re
from pathlib import Path

import pytest
from litestar import Litestar

from backend.core.database import value
from mobile_api.cli.demo_film import film
from tests.builders import STATION, Client, Someone, a_led_patrol, ago, an_inspector_of, recorded, refused
from tests.contract_problems import OPERATIONS
from tests.devices import sealed

READS = sorted(name.partition(" ")[2] for name in OPERATIONS if name.startswith("GET "))
ENDLESS = "/v1/events"
CHANGING = {"x-request-id", "date", "dpop-nonce"}  # these differ from one answer to the next
TELLS_THE_TIME = {"/v1/changes", "/v1/timecode"}  # so their length may differ too
QUERIES = {
    "/v1/duty/verdict": {"work": "9.6"},
    "/v1/hours": {"month": "2026-11"},
    "/v1/spot-checks/counts": {"from": "2026-11-01", "to": "2026-11-30"},
}


@pytest.fixture(scope="module")
async def wu(app: Litestar) -> Someone:
    return await an_inspector_of(app, STATION)


@pytest.mark.parametrize("path", [path for path in READS if path != ENDLESS])
async def test_the_head_of_a_read_is_that_of_its_answer(app: Litestar, wu: Someone, path: str) -> None:
    """A refusal as well as a success."""
    query = QUERIES.get(path, {"wearer": wu.id, "from": ago(hours=1), "to": ago()} if path == "/v1/handovers" else {})
    address = re.sub(r"\{badge\}", wu.badge, re.sub(r"\{code\}", "invalid", path))
    address = re.sub(r"\{\w+\}", "0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0001", address)
    whole, head = [
        await wu.ask(method, address, params={name: str(text) for name, text in query.items()})
        for method in ("GET", "HEAD")
    ]
    assert (whole.status_code, b"") == (head.status_code, head.content)
    changing = CHANGING | ({"content-length"} if path in TELLS_THE_TIME else set())
    kept = [{name: text for name, text in each.headers.items() if name not in changing} for each in (whole, head)]
    assert kept[0] == kept[1]
    assert head.headers["content-length"].isdecimal()


async def test_the_head_of_footage_shows_none_of_it(app: Litestar, tmp_path: Path) -> None:
    """Length, kind and mark of the file, whole or of a range; nobody has watched it, and the journal says so."""
    lin, _, _, _ = await a_led_patrol(app)
    wu = await an_inspector_of(app, STATION)
    content = film(tmp_path / "one.mp4", seconds=1, width=160, height=96).path.read_bytes()
    footage = await sealed(app, lin, content, started_at=ago(minutes=9), ended_at=ago(minutes=8))
    what = {"recording": footage, "purpose": "case", "number": "受案〔2026〕11号"}
    review = recorded(await wu.post("/v1/reviews/open", **what))["id"]
    address = f"/v1/recordings/{footage}/content?review={review}"
    before = await value("SELECT count(*) FROM journal")
    head = await wu.ask("HEAD", address)
    part = await wu.ask("HEAD", address, headers={"Range": "bytes=0-99"})
    package = await wu.ask("HEAD", f"/v1/recordings/{footage}/package?review={review}")
    assert before == await value("SELECT count(*) FROM journal")
    assert (200, b"", str(len(content))) == (head.status_code, head.content, head.headers["content-length"])
    assert (206, b"", "100") == (part.status_code, part.content, part.headers["content-length"])
    assert f"bytes 0-99/{len(content)}" == part.headers["content-range"]
    assert (200, b"", "application/zip") == (package.status_code, package.content, package.headers["content-type"])
    whole = await wu.get(address.partition("?")[0], review=review)
    assert {name: whole.headers[name] for name in ("etag", "content-type", "accept-ranges", "content-length")} == {
        name: head.headers[name] for name in ("etag", "content-type", "accept-ranges", "content-length")
    }
    refused(await wu.ask("GET", f"/v1/recordings/{footage}/content"), 403, "review_needed")
    assert 403 == (await wu.ask("HEAD", f"/v1/recordings/{footage}/content")).status_code


async def test_the_head_of_a_stream_ends_at_once(app: Litestar, wu: Someone) -> None:
    """It opens no stream, so none of the person's others ends for it."""
    head = await wu.ask("HEAD", ENDLESS)
    assert (200, b"") == (head.status_code, head.content)
    assert "text/event-stream; charset=utf-8" == head.headers["content-type"]


async def test_a_proof_of_a_get_is_none_of_a_head(app: Litestar, wu: Someone) -> None:
    """The proof names the method that was sent."""
    authorization = {"Authorization": f"DPoP {wu.token}"}
    proof = wu.proof("GET", "http://fujing.test/v1/me", authorization)
    assert 401 == (await wu.ask("HEAD", "/v1/me", headers={"DPoP": proof})).status_code
    assert 401 == (await Client(app).ask("HEAD", "/v1/me")).status_code


async def test_what_takes_no_get_takes_no_head(app: Litestar, wu: Someone) -> None:
    """405, with the methods that it takes."""
    head = await wu.ask("HEAD", "/v1/shifts/check-in")
    assert (405, b"") == (head.status_code, head.content)
    assert "POST" in head.headers["allow"]
