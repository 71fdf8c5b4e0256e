"""TypeScript types made from the contract by `openapi-typescript`, and judged by the compiler.

Needs node and npm; without them it is skipped, and the last lines of the run say so.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.contract_problems import DOCUMENT, OPERATIONS

pytestmark = pytest.mark.web

PACKAGE = Path(__file__).parents[1] / "generators"
STRICT = ("--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2022", "--moduleResolution", "bundler",
          "--module", "esnext", "--skipLibCheck")  # fmt: skip
BODY = 'paths["{path}"]["{method}"]["requestBody"]["content"]["application/json"]'
OF_A_PROBLEM = """
declare const problem: components["schemas"]["Problem"];
// @ts-expect-error the wire leaves it out where there is none
const length: number = problem.errors.length;
export const known: number | undefined = problem.errors?.length;
export const wrong = {} as Record<string, unknown>;
// @ts-expect-error required, so an empty object is no check-in
const nothing: paths["/v1/shifts/check-in"]["post"]["requestBody"]["content"]["application/json"] = {};
"""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of the lock and the types, made without a word against the document."""
    npm, npx = shutil.which("npm"), shutil.which("npx")
    if npm is None or npx is None:
        pytest.skip("node and npm are not installed: no TypeScript types were made from the contract")
    home = tmp_path_factory.mktemp("typescript")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PACKAGE / name, home)
    (home / "openapi.json").write_text(json.dumps(DOCUMENT, ensure_ascii=False))
    run(home, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    said = run(home, npx, "--no-install", "openapi-typescript", "openapi.json", "--output", "types.ts")
    assert not re.search("warn|error", said, re.IGNORECASE), said
    return home


def run(home: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=home, capture_output=True, text=True, timeout=300)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_every_example_is_of_the_type_of_its_body(generated: Path) -> None:
    """Optional fields are optional, in requests and in answers; required ones are required."""
    lines = ['import type { components, paths } from "./types";', OF_A_PROBLEM]
    for number, (name, operation) in enumerate(OPERATIONS.items()):
        if "requestBody" in operation:
            method, _, path = name.partition(" ")
            example = json.dumps(operation["requestBody"]["content"]["application/json"]["example"], ensure_ascii=False)
            kind = BODY.format(path=path, method=method.lower())
            lines.append(f"export const example{number}: {kind} = {example};")
    assert len(lines) > 60
    (generated / "examples.ts").write_text("\n".join(lines))
    npx = shutil.which("npx")
    assert npx is not None
    run(generated, npx, "--no-install", "tsc", *STRICT, "examples.ts")


def test_what_may_be_absent_is_not_required() -> None:
    """A generator takes a property with a default for one that is always there."""
    assert [] == [name for name, schema in DOCUMENT["components"]["schemas"].items() if defaults(schema)]


def defaults(schema: dict[str, Any]) -> list[str]:
    return [name for name, field in schema.get("properties", {}).items() if "default" in field]


def test_the_lock_names_no_address() -> None:
    """Whoever installs takes the packages from the registry that they have."""
    lock = (PACKAGE / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in lock
    assert "://" not in lock
