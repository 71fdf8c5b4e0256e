"""The examples of docs/mobile.md do what the page says, from processes of their own, against a house that runs."""

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mobile_api.client.api import digest_of
from tests.houses import STATION, Serving, succeeded

RUNS = {
    "phone.py": ("FJ1901", "HH-1901"), "phone.ts": ("FJ1902", "HH-1902"), "multipart.py": ("FJ1903", "HH-1903"),
}  # fmt: skip
ROSTER = "record,code,name,kind,organ,from,until\n" + "".join(
    f"person,{badge},何小舟,duty_auxiliary,{STATION},2024-03-01,\ndevice,{serial},手持终端,handheld,{STATION},,\n"
    for badge, serial in RUNS.values()
)
CONTENT = bytes(range(256)) * 512
IN_PARTS = bytes(range(256)) * 4096 * 11  # 11 MiB: two parts of 5 MiB, and the rest


@pytest.fixture(scope="module")
def first_passwords(running: Serving, passwords: dict[str, str]) -> dict[str, str]:
    """Two more people and their handhelds, for nobody else: by badge number."""
    return running.place.bring_in_people(ROSTER)


@pytest.fixture
def examples(repository: Path) -> Path:
    return repository / "docs" / "examples"


def needed(program: str) -> str:
    """The program's path. Without it the test is skipped, but never where everything has to be there."""
    path = shutil.which(program)
    if path is None and not os.environ.get("CI"):
        pytest.skip(f"{program} is not installed")
    assert path is not None, f"{program} is missing"
    return path


def played(running: Serving, name: str, words: list[str], passwords: dict[str, str], home: Path) -> str:
    """The example's own words, once it has ended well."""
    badge, serial = RUNS[name]
    memory, file = home / "memory", home / "街面 01.mp4"
    memory.mkdir()
    file.write_bytes((IN_PARTS if name == "multipart.py" else CONTENT) + badge.encode())
    variables = {"FUJING_URL": running.url, "FUJING_CODE": running.place.code_for(serial)}
    variables |= {"FUJING_BADGE": badge, "FUJING_PASSWORD": passwords[badge]}
    done = subprocess.run(
        [*words, str(memory), str(file)], env=os.environ | variables, capture_output=True, text=True, timeout=90
    )
    assert not file.exists(), done.stdout + done.stderr  # deleted after its receipt, and only then
    return succeeded(done)


def assert_told(running: Serving, name: str, said: str, password: str, file: Path) -> None:
    """What the server holds afterwards is what happened: one shift of four hours, one sealed file."""
    badge, serial = RUNS[name]
    client = running.handheld(serial)  # enrolled anew: the example's key was its own
    client.sign_in(badge, password)
    assert f"enrolled as {serial}" in said
    (shift,) = client.get("/v1/shifts")["items"]
    begun, ended = (datetime.fromisoformat(shift[name]) for name in ("started_at", "ended_at"))
    assert shift["in_force"]
    assert abs(ended - begun - timedelta(hours=4)) < timedelta(seconds=2)
    assert abs(datetime.now(UTC) - ended - timedelta(hours=1)) < timedelta(minutes=3)
    (recording,) = client.get("/v1/recordings")["items"]
    file.write_bytes(CONTENT + badge.encode())
    size, sha256 = digest_of(file)
    claims: dict[str, Any] = client.receipt(recording["id"], bytes=size, sha256=sha256)
    receipt = client.get(f"/v1/uploads/{recording['id']}/receipt")["receipt"]
    assert f"sealed {claims['id']} {receipt}" in said


def test_the_python_phone(running: Serving, first_passwords: dict[str, str], examples: Path, tmp_path: Path) -> None:
    """Without a line of our client."""
    source = (examples / "phone.py").read_text()
    assert not re.search(r"^(from|import) (backend|mobile_api|storage)", source, re.MULTILINE)
    said = played(running, "phone.py", [sys.executable, str(examples / "phone.py")], first_passwords, tmp_path)
    assert_told(running, "phone.py", said, first_passwords["FJ1901"], tmp_path / "again.mp4")


def test_an_ordinary_multipart_client(
    running: Serving, first_passwords: dict[str, str], examples: Path, tmp_path: Path
) -> None:
    """Parts of its own size, in any order and twice, given up and taken up again, the digest at the end."""
    words = [sys.executable, str(examples / "multipart.py")]
    said = played(running, "multipart.py", words, first_passwords, tmp_path)
    assert "in 3 parts" in said


def test_the_typescript_phone(
    running: Serving, first_passwords: dict[str, str], examples: Path, tmp_path: Path
) -> None:
    """Compiled strictly, from the locked compiler, and run by Node alone."""
    npm, npx, node = (needed(program) for program in ("npm", "npx", "node"))
    here = tmp_path / "examples"
    shutil.copytree(examples, here, ignore=shutil.ignore_patterns("node_modules", "*.js"))
    for words in ([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], [npx, "--no-install", "tsc"]):
        succeeded(subprocess.run(words, cwd=here, capture_output=True, text=True, timeout=240))
    shutil.rmtree(here / "node_modules")  # nothing of it is needed to run
    said = played(running, "phone.ts", [node, str(here / "phone.js")], first_passwords, tmp_path)
    assert_told(running, "phone.ts", said, first_passwords["FJ1902"], tmp_path / "again.mp4")
