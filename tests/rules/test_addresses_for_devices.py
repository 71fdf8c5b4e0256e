"""What an enrolment code tells a phone to call is an address that a phone can reach."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.core.settings import Settings, SettingsError
from mobile_api.cli.operations_addresses import address_for_devices, published


@contextlib.contextmanager
def running(home: Path, listen: str | None, public_url: str | None = None) -> Iterator[None]:
    """An API that runs over this data directory, with settings of its own."""
    with published(home, "127.0.0.1:9", {"listen": listen, "public_url": public_url}):
        yield


@pytest.mark.parametrize(
    ("listen", "public", "own_listen", "own_public", "url"),
    [
        ("10.0.0.5:8080", None, None, None, "http://10.0.0.5:8080"),
        ("0.0.0.0:8080", "https://fujing.example", None, None, "https://fujing.example"),
        ("0.0.0.0:8080", None, None, "https://fujing.example:8443", "https://fujing.example:8443"),
        ("127.0.0.1:8080", "https://fujing.example", None, None, "https://fujing.example"),  # behind a proxy
        ("127.0.0.1:41234", None, "127.0.0.1:0", None, "http://127.0.0.1:41234"),  # one machine, as in development
        (None, None, None, None, "http://127.0.0.1:8080"),
        ("[fd00::5]:8080", None, None, None, "http://[fd00::5]:8080"),
    ],
)
def test_an_address_that_a_phone_can_reach_is_told(
    tmp_path: Path, listen: str | None, public: str | None, own_listen: str | None, own_public: str | None, url: str
) -> None:
    """That of the settings, else that of the running API, whose environment may be another than the command's."""
    with running(tmp_path, listen, public):
        assert url == address_for_devices(Settings(data_dir=tmp_path, listen=own_listen, public_url=own_public))


@pytest.mark.parametrize(
    ("listen", "own_listen", "own_public"),
    [
        ("0.0.0.0:8080", None, None), ("[::]:8080", None, None), ("0.0.0.0:8080", None, "http://127.0.0.1:8080"),
        ("10.0.0.5:8080", None, "http://localhost:8080"), ("0.0.0.0:8080", None, "http://0.0.0.0:8080"),
        ("127.0.0.1:0", None, None),
    ],
)  # fmt: skip
def test_an_address_that_no_phone_can_reach_is_a_sentence(
    tmp_path: Path, listen: str, own_listen: str | None, own_public: str | None
) -> None:
    """It names the setting; exit 2."""
    settings = Settings(data_dir=tmp_path, listen=own_listen, public_url=own_public)
    with running(tmp_path, listen), pytest.raises(SettingsError, match="FUJING_PUBLIC_URL"):
        address_for_devices(settings)
    assert 2 == SettingsError.exit_code


def test_where_nothing_runs_the_settings_count(tmp_path: Path) -> None:
    """As `serve` would start it: open to the network under HTTPS, but behind a proxy or for this machine alone."""
    assert "https://10.0.0.5:80" == address_for_devices(Settings(data_dir=tmp_path, listen="10.0.0.5:80"))
    assert "https://fujing.lan" == address_for_devices(
        Settings(data_dir=tmp_path, lan="Fujing.lan", listen="0.0.0.0:443")
    )
    assert "http://127.0.0.1:8080" == address_for_devices(Settings(data_dir=tmp_path))
    proxied = Settings(data_dir=tmp_path, listen="0.0.0.0:80", public_url="https://fujing.example")
    assert "https://fujing.example" == address_for_devices(proxied)


def test_a_port_that_is_not_chosen_yet_is_not_guessed(tmp_path: Path) -> None:
    """Before its first start nobody knows at which port phones will call."""
    with pytest.raises(SettingsError, match="run `fujing serve` first"):
        address_for_devices(Settings(data_dir=tmp_path, lan="fujing.lan"))
