"""Settings: a wrong one is one sentence that names the variable, and no secret is printed."""

from pathlib import Path

import pytest

from backend.core.settings import SettingsError, load
from mobile_api.cli.serving import chosen_address, chosen_operations_address

URL = "postgresql://fujing_app:geheim@db.example/fujing"
STORE = {
    "FUJING_S3_ENDPOINT": "store.example:9000",
    "FUJING_S3_ACCESS_KEY": "an access key",
    "FUJING_S3_SECRET_KEY": "a secret key",
}


def test_without_any_setting_it_works_on_one_machine() -> None:
    """Embedded by default, in ./fujing-data."""
    chosen = load({})
    assert Path.cwd() / "fujing-data" == chosen.data_dir
    assert (None, None, 1) == (chosen.database_url, chosen.s3_endpoint, chosen.workers)


def test_what_is_not_ours_is_left_alone() -> None:
    """Other variables, empty ones, and those of a docking station are ignored."""
    assert load({}) == load({"PATH": "/bin", "FUJING_WORKERS": ""})
    assert load({}) == load({"FUJING_URL": "https://x", "FUJING_DOCK": "DOCK-01", "FUJING_DOCK_PASSWORD": "x"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FUJING_WORKERS", "many"),
        ("FUJING_WORKERS", "0"),
        ("FUJING_WORKERS", "65"),
        ("FUJING_WORKERS", "1.5"),
        ("FUJING_POOL_SIZE", "1"),
        ("FUJING_POOL_SIZE", "-16"),
        ("FUJING_LISTEN", "everywhere"),
        ("FUJING_LISTEN", "127.0.0.1:"),
        ("FUJING_LISTEN", "127.0.0.1:http"),
        ("FUJING_OPERATIONS_LISTEN", "inside"),
        ("FUJING_OPERATIONS_LISTEN", "127.0.0.1:65536"),
        ("FUJING_LAN", "fujing.lan:8443"),
        ("FUJING_LAN", "https://fujing.lan"),
        ("FUJING_LAN", "湖滨.lan"),
        ("FUJING_LAN", "-fujing"),
        ("FUJING_LAN", "127.0.0.1"),
        ("FUJING_LAN", "::1"),
        ("FUJING_LAN", "fujing.localhost"),
        ("FUJING_LAN", "::"),
        ("FUJING_STORE_LISTEN", "9443"),
        ("FUJING_STORE_LISTEN", "0.0.0.0:65536"),
        ("FUJING_TLS_CERT", "house.crt"),
        ("FUJING_TLS_KEY", "house.key"),
        ("FUJING_LOG_LEVEL", "loud"),
        ("FUJING_TRUST_PROXY", "perhaps"),
        ("FUJING_S3_SECURE", "somewhat"),
        ("FUJING_DATABASE_URL", "mysql://db.example/fujing"),
        ("FUJING_DATABASE_URL", "db.example"),
        ("FUJING_DATABASE_URL", "postgresql://[::1/fujing"),
        ("FUJING_MIGRATE_URL", URL),
        ("FUJING_DATABASE_DIRECT_URL", URL),
        ("FUJING_DATABASE_DIRECT_URL", "db.example"),
        ("FUJING_S3_PUBLIC_URL", "store.example"),
        ("FUJING_S3_PUBLIC_URL", "https://gate.example/s3"),
        ("FUJING_S3_PUBLIC_URL", "https://gate.example/?s3"),
        ("FUJING_PUBLIC_URL", "fujing.example"),
        ("FUJING_PUBLIC_URL", "https://"),
        ("FUJING_PUBLIC_URL", "https://fujing.example:99999"),
        ("FUJING_PUBLIC_URL", "https://fujing.example/app"),
        ("FUJING_PUBLIC_URL", "https://fujing.example?app"),
        ("FUJING_PUBLIC_URL", "https://somebody@fujing.example"),
        ("FUJING_S3_ENDPOINT", "store.example:9000"),
        ("FUJING_S3_ACCESS_KEY", "an access key"),
        ("FUJING_DATABASE", URL),
        ("FUJING_", "1"),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_it(name: str, text: str) -> None:
    """The error is one sentence that names the variable."""
    with pytest.raises(SettingsError) as error:
        load({name: text})
    sentence = str(error.value)
    assert name.removesuffix("_ACCESS_KEY").removesuffix("_ENDPOINT") in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_the_way_past_a_pooler_is_of_the_same_role() -> None:
    """Not of the owner, who may do more than the application."""
    direct = {"FUJING_DATABASE_URL": URL, "FUJING_DATABASE_DIRECT_URL": URL.replace("db.", "direct.")}
    assert "direct.example" in load(direct).listening_url
    assert URL == load({"FUJING_DATABASE_URL": URL}).listening_url
    with pytest.raises(SettingsError, match="the same role"):
        load(direct | {"FUJING_DATABASE_DIRECT_URL": URL.replace("_app", "_owner")})


def test_half_a_store_is_refused() -> None:
    """Endpoint and keys come together, and the missing one is named."""
    for name in ("FUJING_S3_ACCESS_KEY", "FUJING_S3_SECRET_KEY"):
        with pytest.raises(SettingsError, match=name):
            load({key: text for key, text in STORE.items() if key != name})
    assert "store.example:9000" == load(STORE).s3_endpoint


def test_an_endpoint_has_no_scheme() -> None:
    """TLS has its own setting, and the sentence names it."""
    with pytest.raises(SettingsError, match=r"FUJING_S3_ENDPOINT.*FUJING_S3_SECURE"):
        load(STORE | {"FUJING_S3_ENDPOINT": "https://store.example"})


def test_what_is_shown_hides_every_secret() -> None:
    """`fujing settings` prints no secret."""
    shown = str(load(STORE | {"FUJING_DATABASE_URL": URL, "FUJING_MIGRATE_URL": URL}).shown())
    assert not any(secret in shown for secret in ("geheim", "an access key", "a secret key"))
    assert "store.example:9000" in shown


def test_a_house_is_reached_itself_or_behind_a_proxy() -> None:
    """Both at once would tell phones two addresses. An external store has an address of its own beside it."""
    for more in ({"FUJING_PUBLIC_URL": "https://a.example"}, {"FUJING_TRUST_PROXY": "true"}):
        with pytest.raises(SettingsError, match=r"FUJING_LAN and FUJING_.* exclude each other"):
            load({"FUJING_LAN": "fujing.lan"} | more)
    assert "fujing.lan" == load(STORE | {"FUJING_LAN": "fujing.lan", "FUJING_S3_PUBLIC_URL": "https://s.example"}).lan
    with pytest.raises(SettingsError, match="a port of its own"):
        load({"FUJING_LISTEN": "10.0.0.5:8443", "FUJING_STORE_LISTEN": "10.0.0.5:8443"})
    given = load({"FUJING_TLS_CERT": "house.crt", "FUJING_TLS_KEY": "/etc/house.key"})
    assert (Path.cwd() / "house.crt", Path("/etc/house.key")) == (given.tls_cert, given.tls_key)


def test_operators_have_an_address_of_their_own() -> None:
    """Any free port of this machine, unless one is named; never the public one."""
    assert None is load({}).operations_listen
    host, port = chosen_operations_address(load({"FUJING_LISTEN": "0.0.0.0:8080"}))
    assert "127.0.0.1" == host
    assert (host, port) != ("127.0.0.1", 8080)
    assert port > 1024
    with pytest.raises(SettingsError, match="FUJING_OPERATIONS_LISTEN"):
        load({"FUJING_LISTEN": "127.0.0.1:8080", "FUJING_OPERATIONS_LISTEN": "127.0.0.1:8080"})


@pytest.mark.parametrize("text", ["127.0.0.1:65536", "127.0.0.1:99999"])
def test_a_port_that_cannot_be_is_named(text: str) -> None:
    """Ports end at 65535."""
    with pytest.raises(SettingsError, match="FUJING_LISTEN"):
        chosen_address(load({"FUJING_LISTEN": text}))
