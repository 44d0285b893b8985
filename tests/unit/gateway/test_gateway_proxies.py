import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.proxies import client_address, parse_networks

TRUSTED = parse_networks("10.0.0.0/8, 192.0.2.7,2001:db8::/32")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["1.2.3.4"], "203.0.113.9"),  # nobody asked it
        ("10.0.0.1", ["198.51.100.4"], "198.51.100.4"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.4"], "198.51.100.4"),  # 1.1.1.1 is the client's own claim
        ("10.0.0.1", ["1.1.1.1, 198.51.100.4, 10.2.2.2", "192.0.2.7"], "198.51.100.4"),
        ("10.0.0.1", ["10.0.0.5"], "10.0.0.5"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.4:1234"], "198.51.100.4"),
        ("10.0.0.1", ["[2001:db9::1]:443"], "2001:db9::1"),
        ("::ffff:10.0.0.1", ["198.51.100.4"], "198.51.100.4"),
        ("2001:db8::1", ["198.51.100.4"], "198.51.100.4"),
        ("", ["198.51.100.4"], ""),
    ],
)
def test_the_nearest_that_is_no_proxy(peer: str, forwarded: list[str], client: str) -> None:
    assert client_address(peer, forwarded, TRUSTED) == client


@given(st.lists(st.text(max_size=30), max_size=5))
def test_a_stranger_cannot_choose_its_address(forwarded: list[str]) -> None:
    assert client_address("203.0.113.9", forwarded, TRUSTED) == "203.0.113.9"
    claimed = [*forwarded, "198.51.100.4"]
    assert client_address("10.0.0.1", claimed, TRUSTED) == "198.51.100.4"


def test_without_proxies_the_header_says_nothing() -> None:
    assert client_address("127.0.0.1", ["198.51.100.4"], ()) == "127.0.0.1"


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.0/99", "10.0.0.1;10.0.0.2"])
def test_a_wrong_network_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="no address or network"):
        parse_networks(text)
