"""What people type: codes with spaces and full-width digits, passwords of a Windows file, a directory that is none."""

import io
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from backend.people.devices import read_code
from backend.people.factor import typed
from mobile_api.cli.terminal import read_password
from mobile_api.routes.sessions import Code


@pytest.mark.parametrize(
    "told",
    ["7YQ2-M4XK-0C9T-WHR3", "7yq2 m4xk 0c9t whr3", "７ＹＱ２－Ｍ４ＸＫ－０Ｃ９Ｔ－ＷＨＲ３",
     " 7YQ2\u3000M4XK—oc9t‐whr3\r\n"]
)  # fmt: skip
def test_an_enrolment_code_is_read_however_it_is_typed(told: str) -> None:
    """An input method writes full-width signs; a word processor makes dashes of its own."""
    assert "7YQ2M4XK0C9TWHR3" == read_code(told)


@pytest.mark.parametrize("told", ["492039", "492 039", "４９２０３９", "４９２　０３９", " 492-039 ", "4 9 2 0 3 9"])
def test_a_code_of_the_authenticator_is_read_however_it_is_typed(told: str) -> None:
    """The app shows 492 039."""
    assert "492039" == typed(msgspec.convert(told, Code))


@pytest.mark.parametrize("told", ["49203", "4920399", "49203a", "", "四九二〇三九", "492039\n", " " * 30])
def test_what_is_no_code_is_refused_by_its_form(told: str) -> None:
    """Six digits, whatever stands between them."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(told, Code)


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_a_password_ends_where_its_line_ends(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """A file from Windows ends its lines with CR LF; spaces belong to the password."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f" a pass word 口令 {ending}second line"[: None if ending else -11]))
    assert " a pass word 口令 " == read_password()


@pytest.mark.parametrize("words", [["serve"], ["set-password", "FJ1"], ["import-roster", "x.csv"]])
@pytest.mark.parametrize("where", ["under a file", "not ours"])
def test_a_data_directory_that_cannot_be_used_is_a_sentence(tmp_path: Path, words: list[str], where: str) -> None:
    """Exit 2 and the path; no stack. For `nobody` too, where this runs as root."""
    (tmp_path / "file").write_text("")
    (tmp_path / "x.csv").write_text("record,code\n")
    (tmp_path / "ours").mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    data = tmp_path / "file" / "data" if where == "under a file" else Path("/sys/fujing")
    done = subprocess.run(
        [sys.executable, "-m", "mobile_api.cli", *words],
        env={"PATH": os.environ["PATH"], "FUJING_DATA_DIR": str(data)},
        cwd=Path(__file__).parents[2] if words[0] != "import-roster" else tmp_path, input="a password 12345\n",
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if words[0] == "set-password":  # there is no house: nothing is made
        assert (1, True) == (done.returncode, "no Fujing" in done.stderr), done.stderr
        return
    assert (2, True) == (done.returncode, str(data) in done.stderr), done.stderr
    assert ("Traceback" in done.stderr, done.stderr.count("\n")) == (False, 1)
