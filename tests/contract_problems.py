"""The contract, and which answers of a run are not in it."""

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


def unlisted(problems: Iterable[tuple[str, str, int, str]]) -> set[tuple[str, int, str]]:
    """The problems that the document does not list: operation, status, code."""
    found = set()
    for method, path, status, code in problems:
        for name, operation in OPERATIONS.items():
            allowed, _, template = name.partition(" ")
            if allowed == method and matches(template, path) and code not in ANYWHERE:
                listed = operation["responses"].get(str(status), {}).get("content", {}).get(PROBLEM_JSON, {})
                if code not in listed.get("examples", {}):
                    found.add((name, status, code))
    return found
