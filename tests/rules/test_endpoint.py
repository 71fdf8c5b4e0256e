"""`make test-store`: the store that is named is used as it is named, and nothing of a house in it is touched."""

import re
from pathlib import Path

import pytest

from tests.conftest import ON_ANY_STORE
from tests.endpoint import NAMED, RUN, NamedStore, bucket, named_store

LITERAL = re.compile(r"""(s3_bucket=|make_bucket\(|bucket_name=)["']""")


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("http://a:s@h:9000", NamedStore("h:9000", "a", "s", "us-east-1", False)),
        ("https://a:s%2F%40@h?region=cn-north-1", NamedStore("h", "a", "s/@", "cn-north-1", True)),
        ("http://h:9000", NamedStore("h:9000", "told", "told too", "us-east-1", False)),
        ("http://a:s@[::1]:9000/", NamedStore("[::1]:9000", "a", "s", "us-east-1", False)),
    ],
)
def test_keys_stand_in_the_url_or_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, url: str, store: NamedStore
) -> None:
    """A URL stands in the list of processes for everybody; the environment does not."""
    monkeypatch.setenv(NAMED, url)
    monkeypatch.setenv("FUJING_S3_ACCESS_KEY", "told")
    monkeypatch.setenv("FUJING_S3_SECRET_KEY", "told too")
    assert store == named_store()


@pytest.mark.parametrize("url", ["h:9000", "ftp://a:s@h", "http://a@h:9000", "http://a:s@"])
def test_a_store_that_cannot_be_is_one_sentence(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Told before anything starts."""
    monkeypatch.setenv(NAMED, url)
    for word in ("ACCESS", "SECRET"):
        monkeypatch.delenv(f"FUJING_S3_{word}_KEY", raising=False)
    with pytest.raises(pytest.UsageError, match="http://KEY:SECRET@HOST:PORT"):
        named_store()


def test_no_bucket_of_a_house_is_touched(repository: Path) -> None:
    """A test that runs on a named store asks `bucket` for each of its own."""
    assert bucket("evidence").startswith(f"{RUN}-")
    files = [path for path in (repository / "tests").rglob("test_*.py") if path.stem in ON_ANY_STORE]
    assert len(files) >= len(ON_ANY_STORE)
    assert [] == [path.name for path in files if LITERAL.search(path.read_text(encoding="utf-8"))]
