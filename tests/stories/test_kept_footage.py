"""A report is taken in a criminal case, and 400 days pass: nothing of the case is disposed of, the rest falls due."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mobile_api.client.api import Client, Problem, digest_of
from tests import forked
from tests.houses import STATION, Place, Serving, succeeded
from tests.stories.test_a_review import inspector_at

ROSTER = f"""record,code,name,kind,organ,from,until
organ,330102000000,上城区分局,,,,
organ,{STATION},城关派出所,,330102000000,,
person,FJ7001,林小川,duty_auxiliary,{STATION},2024-03-01,
person,P7001,赵立,officer,{STATION},2015-07-01,
person,P7002,吴督察,officer,330102000000,2015-07-01,
person,P7003,孙所长,officer,330102000000,2015-07-01,
role,P7002,,inspector,330102000000,2026-01-01,
role,P7003,,commander,330102000000,2026-01-01,
qualification,FJ7001,,pre_job_training,,2026-06-01,
device,HH-0701,手持终端,handheld,{STATION},,
device,HH-0702,手持终端,handheld,{STATION},,
"""
NOW = datetime.now(UTC)
DRESSED = {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "roster_post": "南门岗亭"}
AT = ["declared_at", "received_at", "touched_at", "sealed_at", "locked_until"]
SHIFTED = "UPDATE upload SET " + ", ".join(f"{name} = {name} + $2::interval" for name in AT) + " WHERE id = ANY ($1)"  # noqa: S608
SHIFT = """
import asyncpg, json, sys
from datetime import UTC, datetime, timedelta
from uuid import UUID
from backend.core import journal
from mobile_api.cli.house import existing_house, in_services
ids = [UUID(each) for each in json.loads(sys.argv[2])]
async def shift(full):
    owner = await asyncpg.connect(full.migrate_url)  # the application shortens no term
    line = journal.Line(at=datetime.now(UTC), verb="evidence/extend", outcome="done", subjects=ids)
    async with owner.transaction():  # with a line that tells of it: proof compares each file with the last one
        await owner.execute(sys.argv[1], ids, timedelta(days=int(sys.argv[3])))
        await owner.execute(journal.APPEND, *journal.columns(line))
    await owner.close()
in_services(existing_house(), shift)
"""


def days_pass(place: Place, uploads: list[str], days: int) -> None:
    """As if these files had come so many days earlier; negative: bring them back."""
    succeeded(forked.run([SHIFTED, json.dumps(uploads), str(-days)], place.environment(), code=SHIFT))


def a_film(phone: Client, folder: Path, minutes_ago: int, **fields: Any) -> str:
    """Sealed footage of five minutes."""
    file = folder / f"{minutes_ago}.mp4"
    file.write_bytes(random.Random(minutes_ago).randbytes(20_000))  # noqa: S311 - no secret
    began = NOW - timedelta(minutes=minutes_ago)
    span = {"started_at": began, "ended_at": began + timedelta(minutes=5)}
    upload = phone.declare(file, camera_serial="DSJ-0701", media_type="video/mp4", **span, **fields)
    phone.upload(upload, file)
    phone.complete(upload)
    size, sha256 = digest_of(file)
    phone.receipt(upload, bytes=size, sha256=sha256)
    return str(upload)


def a_report(lin: Client, zhao: Client) -> None:
    """Lin, led by Zhao, takes a report in a criminal case: from 170 to 150 minutes ago."""
    lin.entry("shifts/check-in", occurred_at=NOW - timedelta(minutes=200), **DRESSED)
    officer = zhao.get("/v1/me")["id"]
    naming = lin.entry("supervisions/name", occurred_at=NOW - timedelta(minutes=199), officer=officer)["id"]
    zhao.entry("supervisions/confirm", occurred_at=NOW - timedelta(minutes=198), supervision=naming)
    case = {"work": "10.4", "case_kind": "criminal", "case_ref": "A3301022026030071", "officers_present": 1}
    act = lin.entry("activities/start", occurred_at=NOW - timedelta(minutes=170), **case)["id"]
    lin.entry("activities/finish", occurred_at=NOW - timedelta(minutes=150), activity=act)


def test_nothing_of_a_case_goes_after_400_days(running: Serving, tmp_path: Path) -> None:
    """By the operator's own command; then the organ lets one film go, with four eyes, and it falls due at once."""
    place = running.place
    passwords = place.bring_in_people(ROSTER)
    lin, zhao = running.handheld("HH-0701"), running.handheld("HH-0702")
    lin.sign_in("FJ7001", passwords["FJ7001"])
    zhao.sign_in("P7001", passwords["P7001"])
    a_report(lin, zhao)
    lins, zhaos = a_film(lin, tmp_path, 168, key_mark=True), a_film(zhao, tmp_path, 160)
    other = a_film(lin, tmp_path, 60)
    days_pass(place, [lins, zhaos, other], 400)
    try:
        assert [False, False, True] == due(place, lins, zhaos, other)
        refused = place.run("dispose", "--recording", lins, "--for-real")
        assert (1, True) == (refused.returncode, "so it stays" in refused.stderr), refused.stderr
        the_organ_lets_go(running, passwords, zhaos)
        assert [False, True, True] == due(place, lins, zhaos, other)
    finally:
        days_pass(place, [lins, zhaos, other], -400)  # the other stories have nothing past its term
    assert "nothing was altered" in succeeded(
        place.run("verify", "--trust", succeeded(place.run("fingerprint")).split()[0])
    )


def due(place: Place, *uploads: str) -> list[bool]:
    """Whether `fujing dispose` names each of these."""
    told = "".join(succeeded(place.run("dispose")).split())
    return [upload[:13] in told for upload in uploads]


def the_organ_lets_go(running: Serving, passwords: dict[str, str], film: str) -> None:
    """The inspector asks to release the holds on this film, the commander agrees; neither does so alone."""
    wu, sun = inspector_at(running, "P7002", passwords["P7002"]), inspector_at(running, "P7003", passwords["P7003"])
    holds = [row for row in wu.get("/v1/holds", limit=200)["items"] if row["origin"] == "category"]
    over = [row["id"] for row in holds if film in {each["id"] for each in wu.get(f"/v1/holds/{row['id']}")["covers"]}]
    assert 1 == len(over)
    for hold in over:
        wu.entry("holds/release", hold=hold, why="未采集到与案件有关的内容")
        with pytest.raises(Problem, match="four_eyes"):
            wu.entry("holds/answer-release", hold=hold, agrees=True, why="-")
        sun.entry("holds/answer-release", hold=hold, agrees=True, why="同意解除")
