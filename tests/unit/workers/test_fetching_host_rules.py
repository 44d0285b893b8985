"""Which hosts an operator allows, and what a policy lets pass."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from services.common.errors import UrlForbiddenError
from workers.fetching.addresses import parse_networks
from workers.fetching.host_rules import HostRule, parse_host_rules
from workers.fetching.policy import FetchPolicy
from workers.fetching.web_url import parse_url

RULES = "example.com, *.example.org, dam.local:8443, 8.8.8.8, [2606:2800::1]:8080, Bücher.example"


def allows(text: str, url: str) -> bool:
    try:
        FetchPolicy(parse_host_rules(text)).check_host(parse_url(url))
    except UrlForbiddenError:
        return False
    return True


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a",
        "https://example.com",
        "http://example.com:443",
        "https://EXAMPLE.com.",
        "https://a.example.org",
        "https://a.b.example.org",
        "https://dam.local:8443",
        "http://8.8.8.8",
        "http://[2606:2800:0::1]:8080",
        "https://bücher.example",
        "https://xn--bcher-kva.example",
    ],
)
def test_what_is_named_is_allowed(url: str) -> None:
    assert allows(RULES, url)


@pytest.mark.parametrize(
    "url",
    [
        "http://www.example.com",
        "http://example.com.evil.net",
        "http://notexample.com",
        "http://example.com:8080",
        "https://example.org",
        "https://evilexample.org",
        "https://dam.local",
        "http://8.8.4.4",
        "http://[2606:2800::1]",
    ],
)
def test_what_is_not_is_not(url: str) -> None:
    assert not allows(RULES, url)


def test_any_host_is_any_public_one_at_the_ports_of_the_web() -> None:
    assert allows("*", "http://whatever.net")
    assert allows("*", "http://8.8.8.8")
    assert allows("*:8080", "http://whatever.net:8080")
    assert not allows("*", "http://whatever.net:8080")
    assert not allows("*:8080", "http://whatever.net")
    assert not allows("*", "http://127.0.0.1")
    assert not allows("127.0.0.1", "http://127.0.0.1"), "naming a host does not make its network reachable"
    assert not allows("", "http://example.com")


def test_one_bad_address_among_good_ones_is_enough() -> None:
    own = FetchPolicy(parse_host_rules("*"), parse_networks("10.20.0.0/16"))
    own.check_addresses("a.b", [ip_address("8.8.8.8"), ip_address("10.20.0.1")])
    with pytest.raises(UrlForbiddenError) as raised:
        own.check_addresses("a.b", [ip_address("8.8.8.8"), ip_address("10.21.0.1")])
    assert "10.21" not in raised.value.message, "a caller does not learn what our names lead to"


@pytest.mark.parametrize("text", ["a.com,*.b.org,[::1]:80", '["a.com", "*.b.org", "[::1]:80"]'])
def test_rules_of_a_setting(text: str) -> None:
    expected = (HostRule("a.com"), HostRule("b.org", below=True), HostRule("::1", port=80))
    assert parse_host_rules(text) == expected
    assert parse_host_rules(" ") == ()


@pytest.mark.parametrize(
    "text",
    ["http://a.com", "a.com/x", "*a.com", "a.*.com", "a.com:0", "a.com:99999", "a b", "127.1", "u@a.com", "*.*"],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a host such as"):
        parse_host_rules(text)
