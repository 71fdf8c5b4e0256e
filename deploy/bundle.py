"""`make bundle`: a folder that installs Fujing on a closed network, with pip alone.

requirements.txt    the packages that it needs to run, embedded services included, with hashes: from requirements.lock
wheels/             these packages, for this Python and this kind of machine
fujing-*.whl        the program
install.sh          makes a virtual environment and installs into it; fetches nothing
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
INSTALL = """#!/bin/sh
# 在封闭网络中安装 / installs on a closed network:  sh install.sh /opt/fujing/venv
set -eu
cd "$(dirname "$0")"
target=${1:?where the virtual environment goes, for example /opt/fujing/venv}
"${PYTHON:-python3}" -m venv "$target"
"$target/bin/pip" install --no-index --no-deps --require-hashes --find-links wheels --requirement requirements.txt
"$target/bin/pip" install --no-index --no-deps fujing-*.whl
"$target/bin/pip" check
"""
ENTRY = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==.*\n(?:    --hash=.*\n)+", re.MULTILINE)


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, ...]]) -> Iterator[str]:
    """What runs needs, by what is installed here: markers are judged for this machine."""
    for line in metadata.requires(name) or []:
        asked = Requirement(line)
        wanted = [asked.marker.evaluate({"extra": extra}) for extra in extras or {""}] if asked.marker else [True]
        key = canonical(asked.name)
        if any(wanted) and (key, *sorted(asked.extras)) not in seen:
            seen.add((key, *sorted(asked.extras)))
            yield key
            yield from needed(asked.name, frozenset(asked.extras) | {""}, seen)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(names: set[str]) -> str:
    """The lock's entries of these, hashes and all."""
    entries = {canonical(found[1]): found[0] for found in ENTRY.finditer((ROOT / "requirements.lock").read_text())}
    absent = names - entries.keys()
    if absent:
        raise SystemExit(f"requirements.lock has no {', '.join(sorted(absent))}")
    return "".join(entries[name] for name in sorted(names))


def main() -> None:
    folder = ROOT / "dist" / "fujing-bundle"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "wheels").mkdir(parents=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(locked(set(needed("fujing", frozenset({"", "embedded"}), set()))))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
    subprocess.run(
        [*pip, "download", "--only-binary=:all:", "--no-deps", "--require-hashes", "--requirement", requirements,
         "--dest", folder / "wheels"], check=True,
    )  # fmt: skip
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT], check=True)
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    (folder / "install.sh").write_text(INSTALL)
    wheels = list((folder / "wheels").iterdir())
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder.relative_to(ROOT)}: {len(wheels)} wheels, {size / 2**20:.0f} MiB; sh install.sh TARGET")


if __name__ == "__main__":
    main()
