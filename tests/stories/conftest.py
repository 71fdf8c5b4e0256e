"""One whole Fujing in processes of its own for the stories, removed afterwards."""

import shutil
from collections.abc import Iterator

import pytest

from tests.houses import Place, Serving, serving


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """`fujing serve`, ready."""
    place = Place(tmp_path_factory.mktemp("running"))
    with serving(place) as house:
        yield house
    shutil.rmtree(place.home)


@pytest.fixture(scope="session")
def passwords(running: Serving) -> dict[str, str]:
    """The people of houses.ROSTER, who may sign in."""
    return running.place.bring_in_people()
