"""`make bench AGAINST=COMMIT`: figures of this build beside those of another one, `bench NAME_vs_before VALUE x`.

The commit is checked out into build/against/, with an environment of its own; both stay for the next time. Figures are
paired round by round, A B B A; VALUE is the median of ours / before. Those of driven.py are taken by this build's load
from both houses, side by side; every other one by each build's own tests/bench/run.py, once a round.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import driven
from driven import LEFT_OUT, Build
from figures import BenchError, say
from fleet import NAMES as FLEET
from growth import NAMES as GROWTH
from run import NAMES

from mobile_api.client.api import Problem, Unreachable

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "against"
TOGETHER = (driven.CHECKIN, driven.SYNC, FLEET, ("upload_vs_sdk", "upload_api_cpu"), (*GROWTH, "line_bytes"))
LESS = {"checkin_cpu", "upload_api_cpu", "fleet_p50", "fleet_p99", "line_bytes", *GROWTH}  # is better
Values = dict[str, float | None]


def asked() -> tuple[argparse.Namespace, list[str]]:
    """Our words, and those that are for run.py of both builds."""
    parser = argparse.ArgumentParser(description="Measure this build beside another one.")
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=5, help="A B pairs for each figure (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="of each run of check-ins (%(default)s)")
    parser.add_argument(
        "--only", choices=(*driven.NAMES, *NAMES), action="append", help="this figure; may be given again"
    )
    return parser.parse_known_args()


def environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith(LEFT_OUT)}


def said(argv: Sequence[str | Path], folder: Path = ROOT) -> str:
    """What a program writes. Raises BenchError where it fails."""
    done = subprocess.run(argv, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(map(str, argv))}: {(done.stderr or done.stdout)[-400:]}")
    return done.stdout.strip()


def built(commit: str) -> Path:
    """The commit in a worktree with its environment, made once."""
    sha = said(["git", "rev-parse", "--verify", f"{commit}^{{commit}}"])
    place = KEPT / sha[:12]
    if (place / ".venv" / ".for-bench").exists():
        return place
    say(f"building {sha[:12]} in {place.relative_to(ROOT)}")
    shutil.rmtree(place, ignore_errors=True)
    said(["git", "worktree", "prune"])
    said(["git", "worktree", "add", "--detach", place, sha])
    said(["make", "env"], place)
    for lock in filter(Path.exists, [place / "requirements-bench.lock"]):
        python = place / ".venv" / "bin" / "python"
        said([python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--requirement", lock], place)
    tus = place / "tests" / "bench" / "tus"
    if shutil.which("npm") and tus.exists():
        with contextlib.suppress(BenchError):  # as in `make bench`: without it there is no upload_vs_tus
            said(["npm", "ci", "--prefix", tus, "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], place)
    (place / ".venv" / ".for-bench").touch()
    return place


def own(root: Path, names: Sequence[str], words: Sequence[str]) -> Values:
    """Each of these figures once, by the build's own bench; None where it does not give it."""
    told: Values = dict.fromkeys(names)
    only = [word for name in names for word in ("--only", name)]
    python = root / ".venv" / "bin" / "python"
    argv = [python, "tests/bench/run.py", "--rounds", "1", "--no-json", *only, *words]
    done = subprocess.run(argv, cwd=root, env=environment(), capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        word, name, value, *_ = [*line.split(), "", ""]
        if word == "bench" and name in told and value != "-":
            told[name] = float(value)
    if not any(value is not None for value in told.values()):
        say(f"{root.name} gave none of {', '.join(names)}: {done.stderr.strip().splitlines()[-1:]}")
    return told


def rounds_of(
    names: Sequence[str], ours: Build, before: Build, count: int, seconds: float, words: Sequence[str]
) -> Iterator[tuple[Values, Values]]:
    """A round of each build after the other; who comes first changes from round to round."""

    def one(build: Build) -> Values:
        if names[0] in driven.NAMES:
            return {**driven.measure(names[0], build, seconds)}
        return own(build.root, names, words)

    for number in range(count):
        say(f"{', '.join(names)}: round {number + 1} of {count}")
        if number % 2:
            theirs, mine = one(before), one(ours)
        else:
            mine, theirs = one(ours), one(before)
        yield mine, theirs


def line(name: str, pairs: Sequence[tuple[float | None, float | None]]) -> str:
    """The figure, with its spread told beside it."""
    both = [(ours, before) for ours, before in pairs if ours and before]
    if not both:
        lacking = "this build" if not any(ours for ours, _ in pairs) else "the build before"
        return f"bench {name}_vs_before - {lacking} gives no such figure, or nothing but zero"
    ratios = [ours / before for ours, before in both]
    ours, before = (statistics.median(each) for each in zip(*both, strict=True))
    better = "less" if name in LESS else "more"
    say(
        f"{name}: {ours:.3f} now, {before:.3f} before; min {min(ratios):.3f} max {max(ratios):.3f} over {len(ratios)}; "
        f"{better} is better"
    )
    return f"bench {name}_vs_before {statistics.median(ratios):.3f} x"


def groups(wanted: set[str]) -> list[list[str]]:
    """The figures asked for; what is measured together stands together."""
    joined = {name for group in TOGETHER for name in group}
    all_groups = [*TOGETHER, *((name,) for name in NAMES if name not in joined)]
    found = [[name for name in group if name in wanted] for group in all_groups]
    return [group for group in found if group]


def compare(options: argparse.Namespace, words: list[str], home: Path) -> None:
    ours, before = Build(ROOT, home / "ours"), Build(built(options.commit), home / "before")
    wanted = set(options.only or (*driven.NAMES, *NAMES))
    words = ["--seconds", str(options.seconds), *words]
    with contextlib.ExitStack() as houses:
        if wanted & {*driven.NAMES}:
            houses.enter_context(driven.serving(ours))
            houses.enter_context(driven.serving(before))
        for names in groups(wanted):
            if names[0] not in driven.NAMES:
                houses.close()  # nothing runs beside what each build measures by itself
            try:
                told = list(rounds_of(names, ours, before, options.rounds, options.seconds, words))
            except (BenchError, Problem, Unreachable) as error:
                say(f"no figure: {error}")
                told = []
            for name in names:
                print(line(name, [(mine.get(name), theirs.get(name)) for mine, theirs in told]), flush=True)


def main() -> int:
    options, words = asked()
    home = Path(tempfile.mkdtemp(prefix="fujing-against-"))
    try:
        compare(options, words, home)
    except BenchError as error:
        say(f"nothing was compared: {error}")
        return 1
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
