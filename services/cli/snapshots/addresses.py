"""What `--node` names: one node, or all addresses of a headless Service."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

from services.cli.errors import CliError

Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, sorted.

    Raises:
        OSError: It has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in found})


def node_urls(named: Iterable[str], look_up: Resolve = resolve) -> list[str]:
    """The address of each node.

    An http:// name stands for every address it has. An https:// name stands for itself, for a certificate is
    checked against the name.

    Raises:
        CliError: It is no http(s) URL, or the name has no address.
    """
    urls: list[str] = []
    for url in named:
        urls += [one for one in _expanded(url, look_up) if one not in urls]
    return urls


def _expanded(url: str, look_up: Resolve) -> list[str]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise CliError(f"{url!r} is no address of a Qdrant node.", "Write http://host:6333.", code="wrong_node")
    if parts.scheme == "https" or _is_address(parts.hostname):
        return [url.rstrip("/")]
    port = parts.port or 80
    try:
        addresses = look_up(parts.hostname, port)
    except OSError as error:
        raise CliError(f"The name {parts.hostname!r} has no address ({error}).", code="wrong_node") from None
    if len(addresses) == 1:
        return [url.rstrip("/")]
    return [f"http://{_bracketed(address)}:{port}" for address in addresses]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
