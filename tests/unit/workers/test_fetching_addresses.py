"""Which addresses may be connected to, in whatever notation they come."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.fetching.addresses import is_public, may_reach, parse_networks

PUBLIC = ["93.184.215.14", "8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1"]
PUBLIC += ["198.17.0.1", "198.20.0.1", "223.255.255.255", "2606:2800:21f:cb07::1", "2a00:1450:4001::71"]
PUBLIC += ["2001:200::1", "64:ff9b::8.8.8.8"]
NOT_PUBLIC = {
    "this host": ["0.0.0.0", "0.1.2.3", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1"],
    "unique local": ["fc00::1", "fd00:ec2::254", "fdff::1"],
    "carriers": ["100.64.0.1", "100.100.100.200", "100.127.255.255"],
    "loopback": ["127.0.0.1", "127.255.255.255", "::1"],
    "link-local": ["169.254.169.254", "169.254.170.2", "fe80::1", "febf::1"],
    "clouds": ["168.63.129.16", "192.0.0.192"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.88.99.1", "4000::1", "5f00::1", "100::1", "fec0::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::ffff:0:127.0.0.1"],
    "wrapped": ["64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:808:808::1", "2001:0:1::1"],
}
SPECIAL_V4 = [ip_address(text) for texts in NOT_PUBLIC.values() for text in texts if ":" not in text]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_hosts_are_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", [text for texts in NOT_PUBLIC.values() for text in texts])
def test_everything_of_special_purpose_is_not(text: str) -> None:
    assert not is_public(ip_address(text))


@given(st.integers(0, 2**32 - 1))
def test_nothing_that_python_holds_to_be_private_is_public(number: int) -> None:
    address = IPv4Address(number)
    if is_public(address):
        assert not any((address.is_private, address.is_multicast, address.is_reserved, address.is_loopback))


@given(st.integers(0, 2**128 - 1) | st.integers(0, 2**64).map(lambda low: (0x2000 << 112) | low))
def test_nor_of_ipv6(number: int) -> None:
    address = IPv6Address(number)
    if is_public(address):
        assert not any((address.is_private, address.is_multicast, address.is_loopback, address.ipv4_mapped))
        assert address.sixtofour is None
        assert address.teredo is None


@given(st.sampled_from(SPECIAL_V4) | st.integers(0, 2**32 - 1).map(IPv4Address))
def test_no_wrapping_makes_an_address_public(address: IPv4Address) -> None:
    number = int(address)
    wrapped = {
        "mapped": IPv6Address((0xFFFF << 32) | number),
        "compatible": IPv6Address(number),
        "translated": IPv6Address((0xFFFF << 48) | number),
        "6to4": IPv6Address((0x2002 << 112) | (number << 80)),
        "local NAT64": IPv6Address((0x64FF9B0001 << 80) | number),
        "Teredo": IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),
    }
    assert not any(is_public(each) for each in wrapped.values())
    assert is_public(IPv6Address((0x64FF9B << 96) | number)) == is_public(address), (
        "NAT64 leads to it and no further"
    )


def test_networks_of_ones_own_are_reached_as_they_are_written_and_in_no_other_way() -> None:
    own = parse_networks("10.20.0.0/16, fd12::/16")
    assert may_reach(ip_address("10.20.3.4"), own)
    assert may_reach(ip_address("fd12::1"), own)
    assert may_reach(ip_address("8.8.8.8"), own)
    for text in ("10.21.0.1", "127.0.0.1", "fd13::1", "::ffff:10.20.3.4", "64:ff9b::10.20.3.4", "2002:a14:304::1"):
        assert not may_reach(ip_address(text), own), text


@pytest.mark.parametrize("text", ["10.20.0.0/16,fd12::/16", ' ["10.20.0.0/16", "fd12::/16"] '])
def test_networks_of_a_setting(text: str) -> None:
    assert parse_networks(text) == (ip_network("10.20.0.0/16"), ip_network("fd12::/16"))
    assert parse_networks("") == ()


@pytest.mark.parametrize("text", ["10.20.0.1/16", "example.com", "10.20.0.0/33", "10.20", "*"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a network such as"):
        parse_networks(text)
