"""`make bench AGAINST=COMMIT`: figures of this build beside those of another one, `bench NAME_vs_before VALUE x`.

The commit is checked out into build/against/, with an environment of its own; both stay for the next time. Figures are
paired round by round, A B B A; VALUE is the median of (ours / before). For the figures of driven.py this build's load
runs against both houses. For every other figure each build runs its own tests/bench/run.py, once a round.
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
BUILDS = ROOT / "build" / "against"
TOGETHER = (
    driven.CHECKIN, driven.VERDICT, driven.SYNC, FLEET, ("upload_vs_sdk", "upload_api_cpu"), (*GROWTH, "line_bytes"),
)  # fmt: skip
LESS_IS_BETTER = {"checkin_cpu", *driven.VERDICT, "upload_api_cpu", "fleet_p50", "fleet_p99", "line_bytes", *GROWTH}
Values = dict[str, float | None]


def arguments() -> tuple[argparse.Namespace, list[str]]:
    """Our own options, and the other words, which are passed on to run.py of both builds."""
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


def output_of(argv: Sequence[str | Path], folder: Path = ROOT) -> str:
    """Run a program and return its standard output. Raises BenchError where it fails."""
    done = subprocess.run(argv, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(map(str, argv))}: {(done.stderr or done.stdout)[-400:]}")
    return done.stdout.strip()


def build_of(commit: str) -> Path:
    """Check the commit out into a worktree with its environment, once. Its path."""
    sha = output_of(["git", "rev-parse", "--verify", f"{commit}^{{commit}}"])
    place = BUILDS / sha[:12]
    if (place / ".venv" / ".for-bench").exists():
        return place
    say(f"building {sha[:12]} in {place.relative_to(ROOT)}")
    shutil.rmtree(place, ignore_errors=True)
    output_of(["git", "worktree", "prune"])
    output_of(["git", "worktree", "add", "--detach", place, sha])
    output_of(["make", "env"], place)
    for lock in filter(Path.exists, [place / "requirements-bench.lock"]):
        python = place / ".venv" / "bin" / "python"
        output_of(
            [python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--requirement", lock], place
        )
    tus = place / "tests" / "bench" / "tus"
    if shutil.which("npm") and tus.exists():
        with contextlib.suppress(BenchError):  # as in `make bench`: without it there is no upload_vs_tus
            output_of(["npm", "ci", "--prefix", tus, "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], place)
    (place / ".venv" / ".for-bench").touch()
    return place


def own_figures(root: Path, names: Sequence[str], words: Sequence[str]) -> Values:
    """Measure each of these figures once with the build's own bench; None where it lacks the figure."""
    values: Values = dict.fromkeys(names)
    only = [word for name in names for word in ("--only", name)]
    python = root / ".venv" / "bin" / "python"
    argv = [python, "tests/bench/run.py", "--rounds", "1", "--no-json", *only, *words]
    done = subprocess.run(argv, cwd=root, env=environment(), capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        word, name, value, *_ = [*line.split(), "", ""]
        if word == "bench" and name in values and value != "-":
            values[name] = float(value)
    if not any(value is not None for value in values.values()):
        say(f"{root.name} gave none of {', '.join(names)}: {done.stderr.strip().splitlines()[-1:]}")
    return values


def rounds_of(
    names: Sequence[str], ours: Build, before: Build, count: int, seconds: float, words: Sequence[str]
) -> Iterator[tuple[Values, Values]]:
    """Measure both builds in each round; the build that comes first alternates."""

    def one(build: Build) -> Values:
        if names[0] in driven.NAMES:
            return {**driven.measure(names[0], build, seconds)}
        return own_figures(build.root, names, words)

    for number in range(count):
        say(f"{', '.join(names)}: round {number + 1} of {count}")
        if number % 2:
            theirs, mine = one(before), one(ours)
        else:
            mine, theirs = one(ours), one(before)
        yield mine, theirs


def line(name: str, pairs: Sequence[tuple[float | None, float | None]]) -> str:
    """The line of one figure; its spread goes to standard error."""
    both = [(ours, before) for ours, before in pairs if ours and before]
    if not both:
        lacking = "this build" if not any(ours for ours, _ in pairs) else "the build before"
        return f"bench {name}_vs_before - {lacking} gives no such figure, or nothing but zero"
    ratios = [ours / before for ours, before in both]
    ours, before = (statistics.median(each) for each in zip(*both, strict=True))
    better = "less" if name in LESS_IS_BETTER else "more"
    say(
        f"{name}: {ours:.3f} now, {before:.3f} before; min {min(ratios):.3f} max {max(ratios):.3f} over {len(ratios)}; "
        f"{better} is better"
    )
    return f"bench {name}_vs_before {statistics.median(ratios):.3f} x"


def groups(wanted: set[str]) -> list[list[str]]:
    """The wanted figures in groups: figures of one run stand in one group."""
    joined = {name for group in TOGETHER for name in group}
    all_groups = [*TOGETHER, *((name,) for name in NAMES if name not in joined)]
    chosen = [[name for name in group if name in wanted] for group in all_groups]
    return [group for group in chosen if group]


def compare(options: argparse.Namespace, words: list[str], home: Path) -> None:
    ours, before = Build(ROOT, home / "ours"), Build(build_of(options.commit), home / "before")
    wanted = set(options.only or (*driven.NAMES, *NAMES))
    words = ["--seconds", str(options.seconds), *words]
    with contextlib.ExitStack() as houses:
        if wanted & {*driven.NAMES}:
            houses.enter_context(driven.serving(ours))
            houses.enter_context(driven.serving(before))
        for names in groups(wanted):
            if names[0] not in driven.NAMES:
                houses.close()  # no other house may run while a build measures itself
            try:
                rounds = list(rounds_of(names, ours, before, options.rounds, options.seconds, words))
            except (BenchError, Problem, Unreachable) as error:
                say(f"no figure: {error}")
                rounds = []
            for name in names:
                print(line(name, [(mine.get(name), theirs.get(name)) for mine, theirs in rounds]), flush=True)


def main() -> int:
    options, words = arguments()
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
