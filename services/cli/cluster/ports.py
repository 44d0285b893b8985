"""Which ports the parts of a cluster listen on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

HOST = "127.0.0.1"
"""The embedded servers know no passwords: nothing but this machine may reach them."""


def choose_ports(
    wanted: Mapping[str, int], is_free: Callable[[int], bool], any_free: Callable[[], int]
) -> dict[str, int]:
    """A port for each part, no two the same: the wanted one if it is free, else any free one.

    Args:
        wanted: Port of each part; 0 asks for any.
        is_free: Whether a port can be listened on.
        any_free: A port that can be; may repeat itself.
    """
    chosen: dict[str, int] = {}
    for name, port in wanted.items():
        if port == 0 or port in chosen.values() or not is_free(port):
            port = _fresh(any_free, {*chosen.values(), *wanted.values()})
        chosen[name] = port
    return chosen


def is_free(port: int) -> bool:
    """Whether this process could listen on `port` now."""
    with socket.socket() as probe:
        # As the servers do: a connection that lingers from the last start does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def any_free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def answers(host: str, port: int, timeout_s: float = 0.5) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout_s):
            return True
    except OSError:
        return False


def _fresh(any_free: Callable[[], int], taken: set[int]) -> int:
    while True:
        port = any_free()
        if port not in taken:
            return port
