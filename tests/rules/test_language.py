"""Chinese unless the reader prefers English."""

import pytest
from litestar import Request

from mobile_api.problems import language_of


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        (None, "zh"),
        ("", "zh"),
        ("*", "zh"),
        ("en", "en"),
        ("EN-us", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("zh;q=0.5,en;q=0.6", "en"),
        ("en;q=0.5,zh;q=0.6", "zh"),
        ("en,zh", "zh"),
        ("en;q=0", "zh"),
        ("fr,de", "zh"),
        ("fr,en;q=0.1", "en"),
        ("en;q=nonsense", "zh"),
        ("en;q=nan", "zh"),
        (";;;,,,=", "zh"),
        ("x" * 10_000 + ",en", "zh"),
    ],
)
def test_the_language_is_what_the_reader_prefers(accept_language: str | None, language: str) -> None:
    """Equal preferences, or none that we support, mean Chinese."""
    headers = [] if accept_language is None else [(b"accept-language", accept_language.encode())]
    request = Request({"type": "http", "headers": headers})
    assert language == language_of(request)
