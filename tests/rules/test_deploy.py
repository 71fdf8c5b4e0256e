"""Files beside the program that no test runs: compose file, units, proxy, guide, threat model."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from backend.core.settings import Settings, variable
from backend.law.catalogue import law
from backend.oversight.alarms import RULES
from backend.proof.verifying import SENTENCES as FLAWS
from backend.registry import TOLD_TO
from mobile_api.app import assemble
from mobile_api.cli.main import fujing
from mobile_api.cli.serving import HEADERS_MS
from mobile_api.cli.sizing import SOURCES, Assumed, size_of
from mobile_api.openapi import contract
from tests.commands import commands_of

OURS = {variable(name) for name in Settings.__struct_fields__}
UNITS = ("fujing-api.service", "fujing-worker.service")
MOST_EXPOSED = 2.5  # of 10, by systemd's own count
NAMED = re.compile(r"`(test_\w+)`")


def test_every_test_that_security_names_is_there(repository: Path) -> None:
    """Every test that SECURITY.md names exists."""
    there = {
        name
        for file in (repository / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    named = set(NAMED.findall((repository / "SECURITY.md").read_text()))
    assert len(named) > 25
    assert set() == named - there


def rows_of_security(repository: Path) -> list[list[str]]:
    """The rows of the table of attackers in SECURITY.md, as cells."""
    page = (repository / "SECURITY.md").read_text()
    table = page.partition("| attacker | what they hold | what they can still do | how it is found | test |\n")[2]
    lines = table.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_attacker_has_a_test_and_an_honest_end(repository: Path) -> None:
    """Each row says what is prevented and what is not, how that is found or that it is not, and names a test."""
    rows = rows_of_security(repository)
    assert len(rows) > 30
    for row in rows:
        assert 5 == len(row), row
        attacker, _, still, found, tests = row
        assert re.search(r"\*\*Cannot:\*\* \w.*\*\*Still:\*\* \w", still), attacker
        assert NAMED.findall(tests), attacker
        assert found.startswith("Not found") or named_in(found), attacker


def test_what_is_said_to_find_an_attack_is_there(repository: Path) -> None:
    """Lines of the journal, findings and refusals, alarms, routes, commands, and flaws that `verify` names."""
    words = {name for group in (TOLD_TO, law().messages, RULES, FLAWS, {"/metrics"}) for name in group}
    routes = {
        f"{method.upper()} {path}" for path, methods in contract(assemble([]))["paths"].items() for method in methods
    }
    commands = {f"fujing {name}" for name in commands_of(fujing)}
    for row in rows_of_security(repository):
        for name in named_in(row[3]):
            assert name.partition(" --")[0] in words | routes | commands | OURS, (row[0], name)


def named_in(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_the_environment_names_settings_that_there_are(repository: Path) -> None:
    """Every variable of the example and of the compose file is a setting; the example lacks the owner's URL."""
    lines = (repository / "deploy" / "fujing.env").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(variables) <= OURS
    assert "FUJING_MIGRATE_URL" not in variables
    compose = yaml.safe_load((repository / "deploy" / "compose.yaml").read_text())
    for service in compose["services"].values():
        ours = {name for name in service.get("environment", {}) if name.startswith("FUJING_")}
        assert ours <= OURS
        assert not set(service.get("networks", [])) - set(compose["networks"])
    assert {"migrate", "api", "worker", "postgres", "store", "proxy"} == set(compose["services"])


def test_unfinished_uploads_outlive_the_house_in_the_store(repository: Path) -> None:
    """The store may drop parts only after the house has given the upload up."""
    compose = yaml.safe_load((repository / "deploy" / "compose.yaml").read_text())
    expiry = compose["services"]["store"]["environment"]["MINIO_API_STALE_UPLOADS_EXPIRY"]
    assert int(expiry.removesuffix("h")) / 24 > law().days("upload_abandoned_after").at_most


def test_the_compose_file_is_one(repository: Path, tmp_path: Path) -> None:
    """Docker's own check, where it is installed; version 1 of compose (2021) does not know `name`."""
    deploy = shutil.copytree(repository / "deploy", tmp_path / "deploy")
    docker, older = shutil.which("docker"), shutil.which("docker-compose")
    if docker and not subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        compose = [docker, "compose"]
    elif older:
        compose, file = [older], deploy / "compose.yaml"
        file.write_text(re.sub(r"(?m)^name: .*$", "", file.read_text()))
    else:
        pytest.skip("docker compose is not installed")
    env = {"STORE_IMAGE": "store", "FUJING_MIGRATE_URL": "postgresql://x", "PATH": "/usr/bin:/bin:/usr/local/bin"}
    done = subprocess.run(
        [*compose, "--file", "compose.yaml", "config", "--quiet"], cwd=deploy, env=env, capture_output=True, text=True
    )
    assert 0 == done.returncode, done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_reads_well(repository: Path, name: str) -> None:
    """Each unit runs an existing command, as an unprivileged user, and restarts when it ends."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(repository / "deploy" / name)
    service = dict(unit["Service"])
    assert name.removeprefix("fujing-").removesuffix(".service") == service["ExecStart"].split()[-1]
    assert ("fujing", "always", "strict") == (service["User"], service["Restart"], service["ProtectSystem"])


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_one(repository: Path, name: str, tmp_path: Path) -> None:
    """systemd's own check, where it is installed."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not installed")
    text = (repository / "deploy" / name).read_text()
    here = tmp_path / name
    here.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", text).replace("User=fujing", "User=root"))
    done = subprocess.run([analyze, "verify", "--man=no", str(here)], capture_output=True, text=True)
    assert not [line for line in done.stderr.splitlines() if name in line], done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_hardly_exposed(repository: Path, name: str) -> None:
    """By systemd's own count of what the service could do, were it taken over; without a running systemd."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not installed")
    unit = repository / "deploy" / name
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(unit)], capture_output=True, text=True
    )
    if "--offline" in done.stderr:
        pytest.skip("systemd is older than 250 and counts no exposure of a file")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED, done.stdout


def test_the_proxy_leads_to_the_public_address_alone(repository: Path) -> None:
    """Operators have a port that it does not know and that no container shows outside; health is asked there."""
    told = (repository / "deploy" / "Caddyfile").read_text()
    services = yaml.safe_load((repository / "deploy" / "compose.yaml").read_text())["services"]
    listen, inside = (services["api"]["environment"][name] for name in ("FUJING_LISTEN", "FUJING_OPERATIONS_LISTEN"))
    port, for_operators = (address.rpartition(":")[2] for address in (listen, inside))
    assert port != for_operators
    assert re.search(rf"reverse_proxy \{{\$FUJING_API:api:{port}\}}", told)
    assert for_operators not in told
    assert ["proxy"] == [name for name, service in services.items() if "ports" in service]
    assert f"127.0.0.1:{for_operators}/health/ready" in " ".join(services["api"]["healthcheck"]["test"])
    assert told.count("{") == told.count("}")


def test_sizing_says_what_follows_from_what() -> None:
    """Twice the people need twice of everything; every assumption has its source."""
    one, two = size_of(Assumed(people=600)), size_of(Assumed(people=1200))
    for name in ("footage_a_day", "footage_kept", "disk", "database_a_year", "uplink_mbit", "entries_a_second"):
        assert getattr(two, name) == pytest.approx(2 * getattr(one, name))
    assert set(SOURCES) == set(Assumed.__dataclass_fields__)
    assert one.footage_a_day == pytest.approx(600 * 0.4 * 3 * 3600 * 4e6 / 8)
    assert one.footage_kept > one.footage_a_day * law().days("footage_retention").at_most


def test_the_proxy_lets_go_of_a_connection_before_the_api_does(repository: Path) -> None:
    """Either proxy closes idle connections before the API does: no call goes into a connection that is being closed."""
    for file, told in (
        ("Caddyfile", r"\bkeepalive (\d+)s"),
        ("nginx.conf", r"upstream fujing_api [^}]*timeout (\d+)s"),
    ):
        keepalive = re.search(told, (repository / "deploy" / file).read_text())
        assert keepalive is not None, file
        assert 1000 * int(keepalive.group(1)) < HEADERS_MS


def test_nginx_leads_where_caddy_does(repository: Path) -> None:
    """The same limit of a body, no limit for a part, the public address alone, and the names that signatures cover."""
    nginx, caddy = ((repository / "deploy" / name).read_text() for name in ("nginx.conf", "Caddyfile"))
    (limit,) = re.findall(r"max_size (\d+)MB", caddy)
    assert [f"{limit}m", "0"] == re.findall(r"client_max_body_size (\w+);", nginx)
    assert 2 == nginx.count("proxy_set_header Host $http_host;")
    assert nginx.count("{") == nginx.count("}")
    assert "8081" not in nginx
