import pytest

from services.common.settings import SettingsError
from services.gateway.access import is_loopback, open_keyring, reason_to_refuse
from services.gateway.keys import OpenKeyring
from services.gateway.settings import GatewaySettings


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "::1", "[::1]", "127.8.9.1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.4", "localhost.evil.example", "127.0.0.1.nip.io", ""]
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_without_keys_only_loopback_is_bound() -> None:
    assert isinstance(open_keyring(GatewaySettings(host="127.0.0.1")), OpenKeyring)
    with pytest.raises(SettingsError, match="IMAGERAG_GATEWAY_KEYS_PATH"):
        open_keyring(GatewaySettings(host="0.0.0.0"))


@pytest.mark.parametrize(
    ("method", "host", "origin"),
    [
        ("GET", "127.0.0.1:8080", None),
        ("GET", "localhost", "https://elsewhere.example"),
        ("POST", "localhost:8080", "http://localhost:8080"),
        ("POST", "[::1]:8080", None),
    ],
)
def test_own_pages_and_programs_pass(method: str, host: str, origin: str | None) -> None:
    assert reason_to_refuse(method, host, origin) is None


@pytest.mark.parametrize(
    ("method", "host", "origin"),
    [
        ("GET", "rebound.example:8080", None),
        ("GET", None, None),
        ("GET", "127.0.0.1.nip.io", None),
        ("GET", "user@evil.example", None),
        ("GET", "[::1", None),
        ("POST", "127.0.0.1:8080", "https://evil.example"),
        ("DELETE", "127.0.0.1:8080", "http://127.0.0.1:9999"),
        ("POST", "127.0.0.1:8080", "null"),
    ],
)
def test_strangers_are_refused(method: str, host: str | None, origin: str | None) -> None:
    assert reason_to_refuse(method, host, origin) is not None


def test_without_keys_not_every_page_is_let_in() -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGINS"):
        open_keyring(GatewaySettings(cors_origins="*"))
    assert open_keyring(GatewaySettings(cors_origins="http://localhost:5173"))
