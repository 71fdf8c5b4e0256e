"""`fujing doctor` on a house that runs: what is well is told as well, each thing that is wrong by a sentence.

Everything wrong is made wrong in a real part: a proxy that waits, a certificate of another name, a rule of the bucket.
"""

import contextlib
import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import urllib3
from rich.cells import cell_len

from backend.core.settings import load
from mobile_api.cli.doctor import addresses, api, rights, uploads
from mobile_api.cli.doctor.place import place_of
from mobile_api.cli.doctor.rights import RIGHTS
from mobile_api.cli.doctor.thresholds import THRESHOLDS
from mobile_api.routes.events import PROBE_PAUSE, PROBES_AT_ONCE
from storage.embedded.processes import free_port
from storage.presigning import Signer
from storage.s3_calls import StoreCalls
from tests import lans
from tests.engines import Authority, TlsFront
from tests.fronting import Passed, fronted
from tests.houses import Place, Serving, serving
from tests.prepared import Templates

BUCKET = "fujing-evidence"
TOLD = dict[str, list[tuple[str, str]]]  # mark and English sentence of each line, by check
NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> Iterator[Serving]:
    """A house that runs, with a database that a power cut would not ruin."""
    place, _ = templates.place(tmp_path_factory.mktemp("doctored"))
    settings = place.data / "postgres" / "cluster" / "postgresql.conf"
    settings.write_text(re.sub(r"\n(fsync|full_page_writes) = off", "", settings.read_text()))
    with serving(place) as running:
        yield running


def asked(house: Serving, **environment: str) -> tuple[int, TOLD, str]:
    """What doctor says under this environment: its exit code, its lines, and all of it."""
    place = house.place
    before, place.settings = place.settings, place.settings | environment
    try:
        done = place.run("doctor", "--json", seconds=60)
    finally:
        place.settings = before
    assert "" == done.stderr
    answer = json.loads(done.stdout)
    told: TOLD = {}
    for line in answer["lines"]:
        assert line["zh"] != line["en"]
        told.setdefault(line["check"], []).append((line["mark"], line["en"]))
    assert answer["wrong"] == bool(done.returncode)
    return done.returncode, told, done.stdout


def marks(told: TOLD) -> dict[str, set[str]]:
    return {check: {mark for mark, _ in lines} for check, lines in told.items()}


def is_wrong(told: TOLD, check: str, *sentences: str) -> None:
    """The check has a wrong line with these words, and the others are not affected."""
    found = [line for mark, line in told[check] if mark == "wrong"]
    for words in sentences:
        assert any(words in line for line in found), told[check]
    elsewhere = [name for name, each in marks(told).items() if "wrong" in each]
    assert [check] == elsewhere, told


def store_of(house: Serving) -> StoreCalls:
    """The house's own bucket, as an administrator of the store reaches it."""
    told = json.loads((house.place.data / "services.json").read_text())
    signer = Signer(f"http://{told['s3_endpoint']}", told["s3_access_key"], told["s3_secret_key"], "us-east-1")
    return StoreCalls(signer, BUCKET, urllib3.PoolManager())


@contextmanager
def rule(house: Serving, about: str, xml: str) -> Iterator[None]:
    """A rule of the bucket, for the length of a block."""
    store = store_of(house)
    answer = store.call("PUT", query={about: ""}, body=xml.encode())
    assert answer.is_well, answer.body
    try:
        yield
    finally:
        store.call("DELETE", query={about: ""})


def keys_of(house: Serving, endpoint: str) -> dict[str, str]:
    """The settings of this house's store at another address."""
    told = json.loads((house.place.data / "services.json").read_text())
    return {
        "FUJING_S3_ENDPOINT": endpoint, "FUJING_S3_ACCESS_KEY": told["s3_access_key"],
        "FUJING_S3_SECRET_KEY": told["s3_secret_key"], "FUJING_S3_SECURE": "false",
    }  # fmt: skip


def endpoint_of(house: Serving) -> str:
    return str(json.loads((house.place.data / "services.json").read_text())["s3_endpoint"])


# -- well


def test_a_house_that_is_well(house: Serving) -> None:
    """Nothing is wrong; what a first evening lacks is a warning; exit code 0."""
    code, told, _ = asked(house)
    assert 0 == code, told
    assert {"warning"} == marks(told)["backup"], "there is no backup yet"
    assert ("warning", "well") == tuple(sorted(marks(told)["names"])), "phones do not reach 127.0.0.1"
    others = {name: each for name, each in marks(told).items() if name not in ("backup", "names", "rights")}
    assert {"well"} == set().union(*others.values()), told
    assert set() == {"wrong", "warning"} & marks(told)["rights"], told


def test_after_a_backup_the_backup_is_well(house: Serving, tmp_path: Path) -> None:
    """By the journal's line, which says too how many files were missing."""
    assert 0 == house.place.run("backup", str(tmp_path / "backup")).returncode
    _, told, _ = asked(house)
    assert [("well", "The last whole backup was made 0 hours ago.")] == told["backup"]


def test_a_threshold_judges() -> None:
    """Days of a certificate, hours of a backup, share of a disk, seconds of a stream: each with its source."""
    judged = {
        "certificate_days": [(90, "well"), (20, "warning"), (0.5, "wrong")],
        "backup_hours": [(26, "well"), (60, "warning"), (200, "wrong")],
        "lock_proof_hours": [(20, "well"), (60, "warning")],
        "disk_free_share": [(0.5, "well"), (0.05, "warning"), (0.01, "wrong")],
        "stream_gap_seconds": [(1.9, "well"), (0.1, "wrong")],
    }
    assert set(judged) == set(THRESHOLDS)
    for name, cases in judged.items():
        assert [mark for _, mark in cases] == [THRESHOLDS[name].judge(figure) for figure, _ in cases]
        assert THRESHOLDS[name].source
    assert PROBE_PAUSE > 1.5 * float(THRESHOLDS["stream_gap_seconds"].wrong_below or 0)


def test_it_leaves_nothing_in_the_store(house: Serving) -> None:
    """No upload of its own stays open, and no version or delete marker comes to be."""
    store = store_of(house)
    asked(house)
    assert [] == store.call("GET", query={"uploads": ""}).elements("Upload")
    listed = store.call("GET", query={"versions": "", "prefix": "probe/doctor"})
    assert listed.is_well
    assert [] == listed.elements("Version") + listed.elements("DeleteMarker")


@pytest.mark.parametrize("locale", ["C.UTF-8", "zh_CN.UTF-8"])
def test_the_table_fits_a_terminal(house: Serving, locale: str) -> None:
    """80 columns, in one language, with a last line that counts."""
    environment = house.place.environment() | {"LC_ALL": locale, "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "mobile_api.cli", "doctor"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert [] == [line for line in done.stdout.splitlines() if cell_len(line) > 80]
    assert ("项请注意" if locale.startswith("zh") else "to be looked at") in done.stdout.splitlines()[-1]
    assert locale.startswith("zh") == ("数据库" in done.stdout)
    assert "✓" in done.stdout


# -- names, certificates, the API


def test_a_name_that_nobody_knows(house: Serving) -> None:
    code, told, _ = asked(house, FUJING_PUBLIC_URL="https://no-such-name.invalid:8443")
    assert 1 == code
    assert ("wrong", True) == (told["names"][0][0], "no-such-name.invalid does not resolve" in told["names"][0][1])
    assert "wrong" == told["api"][0][0], told["api"]
    assert {"well"} == marks(told)["database"], "the later checks run"


def test_a_name_that_leads_to_another_house(house: Serving) -> None:
    """What answers has other keys than the data directory."""

    def other_keys(line: str, answer: Passed) -> None:
        if line.endswith("/jwks.json"):
            answer.body = re.sub(rb'"(session|evidence)-\w+-', rb'"\1-20200101-', answer.body)

    with fronted(house.url.removeprefix("http://"), change=other_keys) as front:
        _, told, _ = asked(house, FUJING_PUBLIC_URL=f"http://{front.endpoint}")
    assert "Another Fujing answers" in " ".join(line for mark, line in told["names"] if mark == "wrong"), told["names"]


def test_a_name_that_leads_to_no_fujing(house: Serving) -> None:
    """A store, here."""
    _, told, _ = asked(house, FUJING_PUBLIC_URL=f"http://{endpoint_of(house)}")
    assert "is no Fujing" in " ".join(line for mark, line in told["names"] if mark == "wrong")
    assert "that is not the API" in " ".join(line for mark, line in told["api"] if mark == "wrong")
    assert {"unknown"} == marks(told)["events"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ca")


@pytest.mark.parametrize(
    ("name", "is_trusted", "mark", "words"),
    [
        ("localhost", True, "warning", "is trusted, for another 2 days: have it renewed now"),
        ("other.lan", True, "wrong", "The certificate is not for localhost but for other.lan"),
        ("localhost", False, "wrong", "The certificate of localhost is not trusted (issued by CN=ca)"),
    ],
)
def test_a_certificate(
    house: Serving, authority: Authority, tmp_path: Path, name: str, is_trusted: bool, mark: str, words: str
) -> None:
    """Trusted and soon over; of another name; of a CA that nobody trusts. What lies behind it is tried all the same."""
    stranger = Authority(tmp_path, "stranger")
    with TlsFront(house.url.removeprefix("http://"), authority.issue(tmp_path, name)) as front:
        _, told, _ = asked(
            house, FUJING_PUBLIC_URL=f"https://localhost:{front.port}",
            SSL_CERT_FILE=str((authority if is_trusted else stranger).file),
        )  # fmt: skip
    assert mark == told["certificates"][0][0], told["certificates"]
    assert words in told["certificates"][0][1]
    assert {"well"} == marks(told)["api"] == marks(told)["events"], told


def test_a_house_that_is_open_to_its_network(
    tmp_path: Path, templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own name and CA: names, both certificates, and a part to the store's own port."""
    place, _ = templates.place(tmp_path)
    place.settings |= lans.OPEN
    with serving(place):
        monkeypatch.setattr(socket, "getaddrinfo", lans._resolved)  # the network's DNS knows the name
        looked_at = place_of(load({"FUJING_DATA_DIR": str(place.data)} | place.settings))
        assert {lans.NAME} == {urlsplit(url).hostname for url in (looked_at.api_url or "", looked_at.store_url or "")}
        found = [*addresses.certificates(looked_at), *uploads.part(looked_at), *api.stream(looked_at)]
        named = list(addresses.names(looked_at))
    assert {"well"} == {line.mark for line in found}, found
    assert 2 == sum("is trusted" in line.en for line in found)
    assert f"https://{lans.NAME}:{lans.ports(place)[0]} leads to this house." == named[-1].en
    stranger = dataclasses.replace(looked_at, ca=None)
    with serving(place):
        lines = list(addresses.certificates(stranger))
    assert ["wrong", "wrong"] == [line.mark for line in lines]
    assert "is not trusted" in lines[0].en


def test_a_plain_address_of_a_network(house: Serving) -> None:
    """No TLS where phones are: told, though it works."""
    _, told, _ = asked(house, FUJING_PUBLIC_URL="http://192.0.2.1:8080")
    assert ("warning", True) == (told["certificates"][0][0], "has no TLS" in told["certificates"][0][1])


def test_a_proxy_that_holds_news_back(house: Serving) -> None:
    with fronted(house.url.removeprefix("http://")) as front:
        code, told, _ = asked(house, FUJING_PUBLIC_URL=f"http://{front.endpoint}")
    assert 1 == code
    is_wrong(told, "events", "A proxy holds the stream back", "proxy_buffering off")


def test_a_stream_without_a_person_is_short_and_few(house: Serving) -> None:
    """Two seconds, and so many at once; one more is answered at once."""
    took, statuses = list[float](), list[int]()

    def listen() -> None:
        begun = time.monotonic()
        answer = urllib3.PoolManager().request("GET", f"{house.url}/v1/events/probe", retries=False)
        statuses.append(answer.status)
        took.append(time.monotonic() - begun)
        assert answer.data.startswith(b": hello")

    threads = [threading.Thread(target=listen) for _ in range(PROBES_AT_ONCE + 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [200] * PROBES_AT_ONCE + [503] * 4 == sorted(statuses)
    assert max(took) < 2 * PROBE_PAUSE


# -- the store


def cors(origin: str, exposed: str = "<ExposeHeader>ETag</ExposeHeader>") -> str:
    methods = "".join(f"<AllowedMethod>{method}</AllowedMethod>" for method in ("PUT", "GET", "HEAD"))
    headers = "<AllowedHeader>Content-MD5</AllowedHeader><AllowedHeader>Content-Type</AllowedHeader>"
    return (
        f"<CORSConfiguration {NS}><CORSRule><AllowedOrigin>{origin}</AllowedOrigin>{methods}{headers}{exposed}"
        "</CORSRule></CORSConfiguration>"
    )


def test_a_rule_for_another_origin(house: Serving) -> None:
    """The preflight of our own pages fails; the exact rule is told, and with it all is well."""
    with rule(house, "cors", cors("https://elsewhere.example")):
        code, told, said = asked(house)
    assert 1 == code
    is_wrong(told, "upload", f"may not send parts from {house.url}", "may not read the part's ETag")
    (paste,) = {line["paste"] for line in json.loads(said)["lines"] if "paste" in line}
    (given,) = json.loads(paste)["CORSRules"]
    assert ([house.url], ["PUT", "GET", "HEAD"], ["ETag"]) == (
        given["AllowedOrigins"], given["AllowedMethods"], given["ExposeHeaders"],
    )  # fmt: skip
    with rule(house, "cors", cors(house.url)):
        assert {"well"} == marks(asked(house)[1])["upload"]


def test_a_rule_that_hides_the_etag(house: Serving) -> None:
    with rule(house, "cors", cors(house.url, exposed="")):
        _, told, _ = asked(house)
    is_wrong(told, "upload", "may not read the part's ETag")
    assert "the preflight passes" in told["upload"][0][1]


def test_a_minio_is_told_its_variable(house: Serving) -> None:
    """It knows no rule of a bucket: what is to be set is in its environment."""

    def as_minio(line: str, answer: Passed) -> None:
        answer.headers = {
            name: text for name, text in answer.headers.items() if not name.lower().startswith("access-control")
        } | {"Server": "MinIO"}

    with fronted(endpoint_of(house), change=as_minio) as front:
        _, told, said = asked(house, FUJING_S3_PUBLIC_URL=f"http://{front.endpoint}")
    is_wrong(told, "upload", "MinIO knows no rule of a bucket")
    assert f"MINIO_API_CORS_ALLOW_ORIGIN={house.url}" in said


def test_a_store_that_devices_do_not_reach(house: Serving) -> None:
    _, told, _ = asked(house, FUJING_S3_PUBLIC_URL=f"http://127.0.0.1:{free_port()}")
    is_wrong(told, "upload", "Devices do not reach the store", "FUJING_S3_PUBLIC_URL")


def test_a_proxy_that_changes_the_name(house: Serving) -> None:
    """The signature covers the name: behind such a proxy every upload is refused."""
    with fronted(endpoint_of(house)) as front:
        answer = front.answer

        def renamed(line: str, headers: dict[str, str], body: bytes) -> Passed:
            return answer(line, headers | {"Host": "store.internal:9000"}, body)

        front.answer = renamed  # type: ignore[method-assign]
        _, told, _ = asked(house, FUJING_S3_PUBLIC_URL=f"http://{front.endpoint}")
    is_wrong(told, "upload", "refuses a signed part", "a proxy changes Host")


@pytest.mark.parametrize(
    ("xml", "mark", "words"),
    [
        (
            "<Filter><Prefix>recordings/</Prefix></Filter><Expiration><Days>30</Days></Expiration>", "wrong",
            "“a rule” expires files of recordings/ after 30 days; the term footage_retention is 184 days",
        ),
        ("<Filter><Prefix></Prefix></Filter><Expiration><Days>4000</Days></Expiration>", "warning", "all keys"),
        ("<Filter><Prefix>view/</Prefix></Filter><Expiration><Days>1</Days></Expiration>", "well", "No lifecycle rule"),
        (
            "<Filter><Prefix></Prefix></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>7"
            "</DaysAfterInitiation></AbortIncompleteMultipartUpload>", "wrong",
            "aborts unfinished uploads after 7 days; the term upload_abandoned_after is 30 days",
        ),
    ],
)  # fmt: skip
def test_a_lifecycle_rule(house: Serving, xml: str, mark: str, words: str) -> None:
    """One that would expire or abort before our terms is named, with the term."""
    status = "<ID>a rule</ID><Status>Enabled</Status>"
    with rule(house, "lifecycle", f"<LifecycleConfiguration {NS}><Rule>{status}{xml}</Rule></LifecycleConfiguration>"):
        code, told, _ = asked(house)
    assert mark == told["lifecycle"][0][0], told["lifecycle"]
    assert words in told["lifecycle"][0][1]
    assert (mark == "wrong") == bool(code)


def test_a_rule_that_nobody_may_read_is_not_known(house: Serving) -> None:
    """Never told as well; and the missing right is named."""
    with fronted(endpoint_of(house), refused=r"[?&]lifecycle=") as front:
        _, told, _ = asked(house, **keys_of(house, front.endpoint))
    assert {"unknown"} == marks(told)["lifecycle"]
    assert "s3:GetLifecycleConfiguration" in told["lifecycle"][0][1]
    is_wrong(told, "rights", "lack the right s3:GetLifecycleConfiguration")


def test_a_default_retention_is_named(house: Serving) -> None:
    """With what it does to refused bytes."""
    store, lock = store_of(house), "<ObjectLockEnabled>Enabled</ObjectLockEnabled>"
    default = "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>3</Days></DefaultRetention></Rule>"
    try:
        for each in (lock + default,):
            xml = f"<ObjectLockConfiguration {NS}>{each}</ObjectLockConfiguration>"
            assert store.call("PUT", query={"object-lock": ""}, body=xml.encode()).is_well
        code, told, _ = asked(house)
    finally:
        xml = f"<ObjectLockConfiguration {NS}>{lock}</ObjectLockConfiguration>"
        store.call("PUT", query={"object-lock": ""}, body=xml.encode())
    warned = [line for mark, line in told["store"] if mark == "warning"]
    assert "(COMPLIANCE, 3 days)" in warned[0], told["store"]
    assert "refused bytes" in warned[0]
    assert 0 == code


def test_a_bucket_without_versions_and_lock(house: Serving) -> None:
    store = StoreCalls(store_of(house).signer, "plain-bucket", urllib3.PoolManager())
    assert store.call("PUT").is_well
    _, told, _ = asked(house, FUJING_S3_BUCKET="plain-bucket")
    is_wrong(told, "store", "The bucket keeps no versions", "The bucket has no object lock")


REFUSED = {  # what a request line of each right looks like
    "s3:ListBucket": r"^GET /[^/]+\?.*list-type", "s3:GetBucketVersioning": r"[?&]versioning=",
    "s3:GetBucketObjectLockConfiguration": r"[?&]object-lock=", "s3:GetLifecycleConfiguration": r"[?&]lifecycle=",
    "s3:ListBucketVersions": r"[?&]versions=", "s3:ListBucketMultipartUploads": r"^GET .*[?&]uploads=",
    "s3:PutObject": r"^POST .*[?&]uploads=", "s3:ListMultipartUploadParts": r"^GET .*[?&]uploadId=",
    "s3:AbortMultipartUpload": r"^DELETE .*[?&]uploadId=",
    "s3:GetObject": r"^GET /[^/?]+/[^?]+\?(?!.*(versionId|retention|legal-hold|uploadId))",
    "s3:GetObjectVersion": r"^GET /[^/?]+/[^?]+\?(?!.*(retention|legal-hold)).*versionId",
    "s3:GetObjectRetention": r"^GET .*[?&]retention=", "s3:PutObjectRetention": r"^PUT .*[?&]retention=",
    "s3:GetObjectLegalHold": r"^GET .*[?&]legal-hold=", "s3:PutObjectLegalHold": r"^PUT .*[?&]legal-hold=",
    "s3:DeleteObjectVersion, s3:DeleteObject": r"^DELETE .*versionId=",
}  # fmt: skip


def test_the_rights_are_those_of_the_policy(repository: Path) -> None:
    """What doctor tries, what the table above refuses, and what an administrator is told to grant."""
    policy = json.loads((repository / "deploy" / "s3-policy.json").read_text())
    granted = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert granted == {action for right in RIGHTS for action in right.split(", ")}
    assert set(RIGHTS) == set(REFUSED)


@pytest.fixture(scope="module")
def locked_probe(house: Serving) -> None:
    """As a proof of the lock leaves it: a version that is locked for some minutes."""
    from datetime import UTC, datetime

    store = store_of(house)
    put = store.call("PUT", "probe/object-lock", body=b"a probe")
    until = (datetime.now(UTC) + timedelta(minutes=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    xml = f"<Retention {NS}><Mode>COMPLIANCE</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"
    about = {"retention": "", "versionId": put.headers["x-amz-version-id"]}
    assert store.call("PUT", "probe/object-lock", about, xml.encode()).is_well


@pytest.mark.usefixtures("locked_probe")
def test_every_right_is_there(house: Serving) -> None:
    _, told, _ = asked(house)
    assert [("well", f"Our keys have all {len(RIGHTS)} rights that they need.")] == told["rights"]


@pytest.mark.usefixtures("locked_probe")
@pytest.mark.parametrize("right", RIGHTS)
def test_the_missing_right_is_named(house: Serving, right: str) -> None:
    """By a store that refuses that one call. The check alone: each run of the command takes seconds."""
    with fronted(endpoint_of(house), refused=REFUSED[right]) as front:
        place = place_of(load({"FUJING_DATA_DIR": str(house.place.data)} | keys_of(house, front.endpoint)))
        lines = list(rights.each(place))
    named = [line.en for line in lines if line.mark == "wrong"]
    assert [f"Our keys lack the right {right}. Grant it as deploy/s3-policy.json has it."] == named, lines


def test_a_store_whose_clock_is_another(house: Serving) -> None:
    def an_hour_ahead(_line: str, answer: Passed) -> None:
        for name in [name for name in answer.headers if name.lower() == "date"]:
            told = parsedate_to_datetime(answer.headers[name]) + timedelta(hours=1)
            answer.headers[name] = format_datetime(told, usegmt=True)

    with fronted(endpoint_of(house), change=an_hour_ahead) as front:
        _, told, _ = asked(house, **keys_of(house, front.endpoint))
    is_wrong(told, "clocks", "s behind that of the store", "Run NTP on both")
    assert "well" in marks(told)["clocks"], "the database's is right"


def test_a_dead_store_costs_seconds(house: Serving) -> None:
    begun = time.monotonic()
    code, told, _ = asked(house, **keys_of(house, f"127.0.0.1:{free_port()}"))
    assert (1, True) == (code, time.monotonic() - begun < 10)
    is_wrong(told, "store", "does not answer", "FUJING_S3_ENDPOINT")
    assert {"unknown"} == marks(told)["rights"] == marks(told)["lifecycle"] == marks(told)["upload"]
    assert {"well"} == marks(told)["database"] == marks(told)["listen"]


def test_a_store_that_hangs_costs_seconds(house: Serving) -> None:
    """It takes the call and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        begun = time.monotonic()
        _, told, _ = asked(house, **keys_of(house, f"127.0.0.1:{silent.getsockname()[1]}"))
    assert time.monotonic() - begun < 30
    is_wrong(told, "store", "does not answer")
    assert {"unknown"} == marks(told)["rights"]


# -- the database


def urls_of(house: Serving) -> dict[str, str]:
    return dict(json.loads((house.place.data / "services.json").read_text()))


def with_query(url: str, words: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{words}"


def test_a_database_that_is_not_there(house: Serving) -> None:
    url = f"postgresql://nobody:x@127.0.0.1:{free_port()}/none"
    code, told, _ = asked(house, FUJING_DATABASE_URL=url)
    assert 1 == code
    assert {"wrong"} == marks(told)["database"] == marks(told)["listen"], told
    assert "FUJING_DATABASE_URL" in told["database"][0][1]
    assert {"unknown"} == marks(told)["backup"]
    assert {"well"} == marks(told)["store"]


def test_a_role_that_owns_the_tables(house: Serving) -> None:
    _, told, _ = asked(house, FUJING_DATABASE_URL=urls_of(house)["migrate_url"])
    is_wrong(told, "database", "owns tables and could alter the journal")


def test_a_setting_that_loses_entries(house: Serving) -> None:
    url = with_query(urls_of(house)["database_url"], "synchronous_commit=off")
    _, told, _ = asked(house, FUJING_DATABASE_URL=url)
    is_wrong(told, "database", "synchronous_commit of the database is off: a crash loses entries")


def test_more_connections_than_the_server_has(house: Serving) -> None:
    _, told, _ = asked(house, FUJING_WORKERS="8", FUJING_POOL_SIZE="20")
    is_wrong(told, "database", "184 connections are needed, and the server has 97: raise its max_connections")


async def test_a_database_whose_clock_is_another(house: Serving) -> None:
    """Ten minutes ahead, by a function that stands before the server's own."""
    urls = urls_of(house)
    owner = await asyncpg.connect(urls["migrate_url"])
    try:
        await owner.execute(
            "CREATE SCHEMA shifted; GRANT USAGE ON SCHEMA shifted TO public;"
            "CREATE FUNCTION shifted.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
            "$$ SELECT pg_catalog.clock_timestamp() + interval '10 minutes' $$"
        )
        url = with_query(urls["database_url"], "search_path=shifted,pg_catalog,public")
        _, told, _ = asked(house, FUJING_DATABASE_URL=url)
    finally:
        await owner.execute("DROP SCHEMA shifted CASCADE")
        await owner.close()
    is_wrong(told, "clocks", "s behind that of the database")


# -- a house that does not run


def test_a_house_that_does_not_run(tmp_path: Path, templates: Templates) -> None:
    """It is said first, with what to do; what cannot be asked is not known; nothing is started or written."""
    place, _ = templates.place(tmp_path)
    before = sorted(path.name for path in place.data.rglob("*"))
    done = place.run("doctor", "--json")
    lines = json.loads(done.stdout)["lines"]
    assert 1 == done.returncode
    assert ("house", "wrong") == (lines[0]["check"], lines[0]["mark"])
    assert "`fujing serve`" in lines[0]["en"]
    assert {"disk"} == {line["check"] for line in lines if line["mark"] == "well"}
    assert before == sorted(path.name for path in place.data.rglob("*"))


def test_a_place_without_a_house(tmp_path: Path) -> None:
    """A sentence and exit code, and no house is made."""
    done = Place(tmp_path / "empty").run("doctor")
    assert (1, True) == (done.returncode, "There is no Fujing in" in done.stderr)
    assert not (tmp_path / "empty" / "data").exists()
    with contextlib.suppress(FileNotFoundError):
        assert [] == os.listdir(tmp_path / "empty" / "data")


def test_a_check_that_fails_is_told_and_ends_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As not known; one that does not end, too."""
    from backend.core.settings import Settings
    from mobile_api.cli.doctor.checks import Check, all_of
    from mobile_api.cli.doctor.place import Place as Looked
    from mobile_api.cli.doctor.results import well

    def fails(_: Looked) -> Iterator[Any]:
        raise KeyError("a fault of ours")
        yield

    def never(_: Looked) -> Iterator[Any]:
        time.sleep(30)
        yield

    checks = (
        Check("a", "甲", "a", fails), Check("b", "乙", "b", never),
        Check("c", "丙", "c", lambda _: iter([well("好", "well")])),
    )  # fmt: skip
    told = all_of(Looked(Settings(data_dir=tmp_path), None, None, None, []), checks, 0.5)
    assert ["unknown", "unknown", "well"] == [each.lines[0].mark for each in told]
    assert "a fault of ours" in told[0].lines[0].en
