"""Whose address a request comes from, when proxies stand before the gateway."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks in CIDR form, comma separated.

    Raises:
        ValueError: Names the one that is neither.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return tuple(_network(part) for part in parts)


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """The nearest address that is no trusted proxy.

    Each proxy appends who called it to `X-Forwarded-For`. Read from the right, an entry is to be believed as long
    as everyone right of it is trusted; what stands further left may have been made up by the client.

    Args:
        peer: Address of the connection.
        forwarded_for: Values of `X-Forwarded-For`, in order of the headers.
        trusted: Proxies that are believed.
    """
    address = _address(peer)
    if address is None:
        return ""
    entries = [entry.strip() for value in forwarded_for for entry in value.split(",")]
    while entries and _is_trusted(address, trusted):
        named = _address(entries.pop())
        if named is None:
            break
        address = named
    return str(address)


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no address or network such as 10.0.0.0/8") from None


def _address(text: str) -> Address | None:
    """An address, perhaps with a port or in brackets; an IPv4 address in IPv6 dress is shown plainly."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
