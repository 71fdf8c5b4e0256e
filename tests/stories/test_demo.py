"""`fujing demo`: the first thing a newcomer runs."""

from pathlib import Path

from tests.houses import Place


def test_the_demonstration_is_all_true_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Exit 0, on a busy machine too; it says where the documentation is; nothing stays in the temporary directory."""
    place = Place(tmp_path, starts_anew=True)
    done = place.run("demo", seconds=240)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "/docs" in done.stdout
    assert "all true" in done.stdout
    assert [] == [line for line in done.stdout.splitlines() if line.startswith("  ✗")]  # of what is claimed
    assert [] == place.left_in_temporary()
    assert not place.data.exists()
