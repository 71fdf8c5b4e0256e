"""One whole Fujing in processes of its own for the stories, removed afterwards."""

import shutil
from collections.abc import Iterator

import pytest

from tests.houses import Place, Serving, serving
from tests.prepared import Templates


@pytest.fixture(scope="session")
def peopled(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> tuple[Place, dict[str, str]]:
    """Where the people of houses.ROSTER may sign in, and their passwords."""
    return templates.place(tmp_path_factory.mktemp("running"))


@pytest.fixture(scope="session")
def running(peopled: tuple[Place, dict[str, str]]) -> Iterator[Serving]:
    """`fujing serve`, ready."""
    place, _ = peopled
    with serving(place) as house:
        yield house
    shutil.rmtree(place.home)


@pytest.fixture(scope="session")
def passwords(peopled: tuple[Place, dict[str, str]]) -> dict[str, str]:
    """The first passwords of the people of houses.ROSTER."""
    return peopled[1]
