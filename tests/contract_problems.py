"""Every problem that any test of a run was answered, and whether the contract lists it."""

from collections.abc import Iterable

from mobile_api.app import assemble
from mobile_api.openapi import contract
from tests.builders import matches

DOCUMENT = contract(assemble([]))
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
PROBLEM_JSON = "application/problem+json"
ANYWHERE = {"not_found", "method_not_allowed", "bad_request"}


def unlisted(met: Iterable[tuple[str, str, int, str]]) -> set[tuple[str, int, str]]:
    """Operation, status and code of what stands not in the document under its operation and status."""
    found = set()
    for method, path, status, code in met:
        for name, operation in OPERATIONS.items():
            asked, _, template = name.partition(" ")
            if asked == method and matches(template, path) and code not in ANYWHERE:
                listed = operation["responses"].get(str(status), {}).get("content", {}).get(PROBLEM_JSON, {})
                if code not in listed.get("examples", {}):
                    found.add((name, status, code))
    return found
