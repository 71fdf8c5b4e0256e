"""A forked command of the tests is one that Python was started for: the same words, exit code and mistakes."""

import os
from pathlib import Path

import pytest

from tests.houses import Place


@pytest.mark.parametrize("words", ["settings", "enrol HH-0001", "report expiring --organ x", "law check", "health"])
def test_it_says_and_ends_as_one_that_is_started(tmp_path: Path, words: str) -> None:
    """What it writes to either stream, and its exit code, by its own environment."""
    place = Place(tmp_path, {"FUJING_LISTEN": "127.0.0.1:1", "FUJING_PUBLIC_URL": "https://fujing.example"})
    forked = place.run(*words.split())
    place.starts_anew = True
    started = place.run(*words.split())
    assert forked.stdout + forked.stderr
    assert (started.returncode, started.stdout, started.stderr) == (forked.returncode, forked.stdout, forked.stderr)


def test_another_locale_is_started_anew(tmp_path: Path) -> None:
    """The words of a command are chosen when it is imported."""
    assert "There is no Fujing" in Place(tmp_path).run("verify").stderr
    assert "C.UTF-8" == os.environ["LC_ALL"]
    assert "中没有 Fujing" in Place(tmp_path, {"LC_ALL": "zh_CN.UTF-8"}).run("verify").stderr
    assert "用法" in Place(tmp_path, {"LC_ALL": "zh_CN.UTF-8"}).run("verify", "--help").stdout
