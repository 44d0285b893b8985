"""Which addresses of the internet may be connected to. Pure; the tables are IANA's special-purpose registries.

`ipaddress.is_global` is not asked: what it says of some networks changed between patch releases of Python 3.11.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host: Linux connects 0.0.0.0 to itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT; some clouds' metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # looks public, and is the host under every virtual machine in Azure
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast tunnels
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")
"""All that is given out for public use; loopback, link-local, unique local and mapped addresses lie outside."""
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo (which holds an IPv4 address), ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which holds an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
"""Behind it stands the IPv4 address of the last 32 bits (RFC 6052); networks without IPv4 need it."""
_V4_BITS = 0xFFFFFFFF


def is_public(address: Address) -> bool:
    """Whether an address belongs to a host of the public internet, and to no network of special purpose."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & _V4_BITS))
    return address in _UNICAST_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def may_reach(address: Address, also: Sequence[Network]) -> bool:
    """Whether an address may be connected to.

    Args:
        address: As it was resolved. One that wraps another (IPv4-mapped, NAT64, 6to4) counts as written: a network
            of `also` is never reached through another notation.
        also: Networks that are not public and may be reached all the same.
    """
    return is_public(address) or any(address in network for network in also)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks of a setting: separated by commas, or a JSON list.

    Raises:
        ValueError: One is not a network in CIDR notation.
    """
    inner = text.strip().removeprefix("[").removesuffix("]")
    parts = [part.strip().strip("\"'") for part in inner.split(",") if part.strip()]
    return tuple(_network(part) for part in parts)


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a network such as 10.20.0.0/16") from None
