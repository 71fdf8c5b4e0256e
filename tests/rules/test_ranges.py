"""One range of bytes, as RFC 9110 has it; what cannot be read is the whole."""

import pytest

from mobile_api.ranges import Unsatisfiable, span_of

READ = {
    "bytes=0-0": (0, 0), "bytes=0-": (0, 99), "bytes=10-19": (10, 19), "bytes=90-500": (90, 99), "bytes=-10": (90, 99),
    "bytes=-500": (0, 99), "Bytes = 5 - 6": (5, 6),
    "": None, "bytes=": None, "bytes=-": None, "bytes=9-5": None, "bytes=0-1,5-6": None, "items=0-1": None,
    "bytes=a-b": None, "bytes=0-1x": None, "bytes=1٣-20": None,
}  # fmt: skip


@pytest.mark.parametrize("header", READ)
def test_a_range_is_read(header: str) -> None:
    assert READ[header] == span_of(header, 100)


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=999999999999999999-"])
def test_a_range_beyond_the_end_is_refused(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        span_of(header, 100)


def test_no_header_is_the_whole() -> None:
    assert span_of(None, 100) is None
