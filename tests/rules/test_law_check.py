"""`fujing law check`: a table and a sentence for a person, an exit code for a script."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mobile_api.cli.main import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "law" / "jiangxi"
NAMED = "[regulation]\nzh = '另一省的条例'\nen = 'Another'\nin_force_from = 2020-07-01\nsource = 'R.50'\n"


def checked(*words: str) -> Result:
    return CliRunner().invoke(main, ["law", "check", *words], env={"COLUMNS": "160", "LC_ALL": "C"})


def test_a_law_that_confirms_everything_is_in_order() -> None:
    """It shows what differs, and the exit code is 0."""
    done = checked(str(EXAMPLE))
    assert 0 == done.exit_code
    assert "执法执勤辅警" in done.output
    assert "articles not confirmed: 0" in done.output


def test_the_built_in_law_is_checked_where_nothing_is_named() -> None:
    """Mistakes, dates and reviews of our own."""
    done = checked()
    assert (0, True) == (done.exit_code, "mistakes: 0" in done.output)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (NAMED, '[articles] does not confirm "33"'),
        ("[regulation]\nzh = ''\n", "[regulation] en is missing"),
        ("[kinds.x]\nzh = '甲'\nen = 'a'\nsource = 'nobody'\n", "its source is not dated: regulation.toml [x]"),
    ],
)
def test_what_is_wrong_or_not_confirmed_is_told(tmp_path: Path, text: str, told: str) -> None:
    """With exit code 1, so that whoever installs a law notices."""
    (tmp_path / "regulation.toml").write_text(text, encoding="utf-8")
    done = checked(str(tmp_path))
    assert 1 == done.exit_code
    assert told in done.output.replace("\n", "")


def test_a_directory_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """As every path that a command takes."""
    assert 2 == checked(str(tmp_path / "nowhere")).exit_code
