import pytest

from services.common.settings import SettingsError, load_settings
from services.gateway.cross_origin import parse_origins
from services.gateway.settings import GatewaySettings


def test_origins_are_read() -> None:
    assert parse_origins("") == ()
    assert parse_origins(" https://Shop.example , http://localhost:5173") == (
        "https://shop.example",
        "http://localhost:5173",
    )
    assert parse_origins("*") == ("*",)


@pytest.mark.parametrize("text", ["shop.example", "https://shop.example/", "ftp://x", "https://", "null"])
def test_what_is_no_origin_stops_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGERAG_GATEWAY_CORS_ORIGINS", text)
    with pytest.raises(SettingsError, match=r"IMAGERAG_GATEWAY_CORS_ORIGINS.*no origin"):
        load_settings(GatewaySettings)
