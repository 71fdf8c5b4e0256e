"""What an operator sees: figures, alerts that name them, logs that can be followed and betray nothing."""

import io
import json
import re
import shutil
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import structlog
import yaml
from litestar import Litestar

from backend.core.database import value
from backend.core.settings import Settings
from backend.law.catalogue import law
from backend.oversight.alarms import RULES
from backend.proof.known_store import NOTHING_TOLD
from mobile_api import metrics
from mobile_api.logs import configure, described_error
from mobile_api.operations_server import for_operators
from mobile_api.request_middleware import REQUESTS
from mobile_api.stores import store_of
from storage.embedded.processes import free_port
from tests.builders import (
    STATION,
    Client,
    a_check_in,
    a_duty_auxiliary,
    an_administrator_of,
    recorded,
    refused,
    some_footage,
)

SECRET = "a row's value 林小川"


async def figures(app: Litestar) -> dict[str, float]:
    """Every sample of /metrics by its name and labels, asked anew."""
    metrics.DATABASE_GAUGES._at = 0.0
    text = (await Client(for_operators(app)).get("/metrics")).text
    assert text.endswith("# EOF\n")
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(number) for name, _, number in lines}


async def test_the_house_tells_what_waits(app: Litestar) -> None:
    """Entries by verb and result, what is unfinished, how old the oldest is, the pool."""
    lin, before = await a_duty_auxiliary(app), await figures(app)
    entry = lin.entry(**a_check_in())
    recorded(await lin.send("/v1/shifts/check-in", entry))
    await lin.send("/v1/shifts/check-in", entry)
    refused(await lin.check_out(lin.id), 404, "unknown_shift")
    recorded(await lin.post("/v1/recordings/declare", **some_footage(), bytes=10, sha256="0" * 64))
    after = await figures(app)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert 1 == grown('fujing_entries_total{result="recorded",verb="shifts/check-in"}')
    assert 1 == grown('fujing_entries_total{result="replayed",verb="shifts/check-in"}')
    assert 1 == grown('fujing_entries_total{result="refused",verb="shifts/check-out"}')
    assert 1 == grown("fujing_unfinished_uploads")
    assert after["fujing_database_up"] == 1
    assert after["fujing_checkpoint_age_seconds"] >= 0
    assert after["fujing_database_bytes"] > 1_000_000
    assert 16 == sum(number for name, number in after.items() if name.startswith("fujing_pool_connections"))


async def test_every_alert_names_what_the_server_tells(app: Litestar, repository: Path) -> None:
    """A rule over a figure that nobody tells would never fire; each says what to do, and every kind is a finding's."""
    known = {name.partition("{")[0] for name in await figures(app)} | {"fujing_findings"}
    rules = yaml.safe_load((repository / "deploy" / "alerts.yml").read_text())["groups"][0]["rules"]
    assert len(rules) >= 8
    for rule in rules:
        assert set(re.findall(r"fujing_\w+", rule["expr"])) <= known, rule["alert"]
        assert re.search("[一-鿿]", rule["annotations"]["summary"])
        for kinds in re.findall(r'kind=~"([^"]+)"', rule["expr"]):
            assert set(kinds.split("|")) <= set(law().messages), rule["alert"]


def test_prometheus_alarms_about_what_the_server_alarms_about(repository: Path) -> None:
    """The same names, thresholds and words in both lists; each threshold has its source."""
    rules = yaml.safe_load((repository / "deploy" / "alerts.yml").read_text())["groups"][0]["rules"]
    assert list(RULES) == [rule["alert"] for rule in rules]
    for rule, ours in zip(rules, RULES.values(), strict=True):
        beyond = f"> {ours.above:g}" if ours.above is not None else f"< {ours.below:g}"
        assert re.search(rf"{beyond}(?![0-9.])", rule["expr"]), rule["alert"]
        assert f"{ours.en} {ours.zh}" == rule["annotations"]["summary"]
        assert ours.source


async def asked_by_an_administrator(app: Litestar) -> dict[str, Any]:
    """GET /v1/operations, asked anew."""
    metrics.DATABASE_GAUGES._at = 0.0
    admin = await an_administrator_of(app, STATION)
    answer = await admin.get("/v1/operations")
    assert (200, "no-store") == (answer.status_code, answer.headers["cache-control"])
    return answer.json()


async def test_an_administrator_sees_how_the_house_stands(app: Litestar, house: Settings) -> None:
    """Queues, disks, checkpoint, clocks: what the machine and the database themselves say."""
    lin = await a_duty_auxiliary(app)
    recorded(await lin.post("/v1/recordings/declare", **some_footage(), bytes=10, sha256="0" * 64))
    now = await asked_by_an_administrator(app)
    count = "SELECT count(*) FROM upload WHERE state IN ('declared', 'receiving', 'mismatch')"
    assert await value(count) == now["queues"]["unfinished"] >= 1
    assert now["queues"]["parts_age"] > 0
    disk = shutil.disk_usage(house.data_dir)
    assert disk.total == now["data_disk"]["total"] == now["store_disk"]["total"]
    assert abs(disk.free - now["data_disk"]["free"]) < disk.total / 100
    assert now["checkpoint_age"] > 0
    assert 0 <= now["clock_apart"] < 1
    assert now["database_bytes"] > 1_000_000
    assert "held" not in now["queues"]


async def test_what_asks_for_a_person_is_an_alarm(app: Litestar, owner: asyncpg.Connection) -> None:
    """A job that was given up rings with its words, until somebody has seen to it."""
    before = {alarm["name"] for alarm in (await asked_by_an_administrator(app))["alarms"]}
    assert "FujingJobGivenUp" not in before
    given_up = "INSERT INTO pgqueuer (priority, entrypoint, status) VALUES (0, 'seal', 'failed') RETURNING id"
    job = await owner.fetchval(given_up)
    try:
        alarms = {alarm["name"]: alarm for alarm in (await asked_by_an_administrator(app))["alarms"]}
    finally:
        await owner.execute("DELETE FROM pgqueuer WHERE id = $1", job)
    assert before | {"FujingJobGivenUp"} == set(alarms)
    assert (1, 0, None) == tuple(alarms["FujingJobGivenUp"][name] for name in ("value", "above", "below"))
    assert RULES["FujingJobGivenUp"].zh == alarms["FujingJobGivenUp"]["zh"]
    assert before == {alarm["name"] for alarm in (await asked_by_an_administrator(app))["alarms"]}


async def test_a_store_that_is_away_is_an_alarm(
    app: Litestar, house: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries go on without it, so nobody in the street notices: the administrator and Prometheus do."""
    metrics.STORE_GAUGE._at = 0.0
    assert "FujingStoreAway" not in {alarm["name"] for alarm in (await asked_by_an_administrator(app))["alarms"]}
    assert 1 == (await figures(app))["fujing_store_up"]
    away = store_of(msgspec.structs.replace(house, s3_endpoint=f"127.0.0.1:{free_port()}"))
    monkeypatch.setattr(app.state, "store", away)
    metrics.STORE_GAUGE._at = 0.0
    try:
        alarms = {alarm["name"]: alarm["value"] for alarm in (await asked_by_an_administrator(app))["alarms"]}
    finally:
        metrics.STORE_GAUGE._at = 0.0
        away.close()
    assert 0 == alarms["FujingStoreAway"]


async def test_every_alarm_has_its_figure(app: Litestar, house: Settings) -> None:
    """A rule about a figure that nobody tells would fail in the night in which it is needed."""
    told = await metrics.DATABASE_GAUGES.refresh()
    assert told is not None
    found = metrics.figures(told, house.data_dir, NOTHING_TOLD)
    assert {rule.figure for rule in RULES.values()} <= set(found)
    assert 16 >= found["pool_free"] > 0
    assert 0 < found["disk_free_share"] < 1


def test_failures_of_the_last_five_minutes_are_a_share() -> None:
    """What failed an hour ago rings no more; what succeeds counts too."""
    recent, at = metrics.RecentRequests(), 1000.0
    assert (0, 0) == recent.look(at)
    REQUESTS.labels("GET", "/made-up", "500").inc(3)
    REQUESTS.labels("GET", "/made-up", "200").inc(7)
    assert (10, 3) == recent.look(at + 200)
    assert (10, 3) == recent.look(at + 299)
    assert (0, 0) == recent.look(at + 501)


async def test_each_answer_says_which_request_it_was(app: Litestar) -> None:
    """Its sender's id where that is one, a new one otherwise: nothing that is sent there gets into a log."""
    stranger = Client(app)
    theirs = await stranger.ask("GET", "/health/live", headers={"X-Request-Id": "gate-7-00000001"})
    assert "gate-7-00000001" == theirs.headers["x-request-id"]
    ours = await stranger.ask("GET", "/health/live", headers={"X-Request-Id": 'x" injected="y'})
    assert re.fullmatch("[0-9a-f]{16}", ours.headers["x-request-id"])


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is logged in a block, as objects."""
    kept = structlog.get_config()
    yield
    structlog.configure(**kept)


def an_error() -> BaseException:
    try:
        try:
            raise asyncpg.UniqueViolationError(SECRET)
        except asyncpg.PostgresError:
            raise ValueError(SECRET) from KeyError(SECRET)
    except ValueError as error:
        return error


def test_an_error_is_logged_without_its_words(logged: None) -> None:
    """Its kind, its causes, and where it was raised."""
    said = io.StringIO()
    with redirect_stderr(said):
        configure("info")
        structlog.get_logger().error("failed", exc_info=an_error())
    line = json.loads(said.getvalue())
    assert ("failed", "error") == (line["event"], line["level"])
    assert line["error"].startswith("ValueError < KeyError")
    assert SECRET not in said.getvalue()
    assert "23505" == described_error(asyncpg.UniqueViolationError(SECRET))["sqlstate"]
