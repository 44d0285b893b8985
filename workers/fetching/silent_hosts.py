"""Hosts that did not answer several times in a row are left alone for a while, so that a long list ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.common.errors import UrlUnreachableError

_MOST_FAILURES = 8
_REST_S = 60.0
_MOST_HOSTS = 10_000


@dataclass(frozen=True)
class _Silence:
    """What is known of a host that did not answer the last time.

    Attributes:
        failures: In a row.
        until: On the monotonic clock: it is not asked before.
    """

    failures: int
    until: float


class SilentHosts:
    """Counts URLs that failed in a row because their host did not answer. Thread-safe.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._hosts: dict[tuple[str, int], _Silence] = {}
        self._lock = threading.Lock()

    def check(self, host: str, port: int) -> None:
        """Let pass what may be asked now; after its rest a host is asked by one, and then by all if it answers.

        Raises:
            UrlUnreachableError: The host rests.
        """
        with self._lock:
            known = self._hosts.get((host, port))
            if known is None or known.failures < _MOST_FAILURES:
                return
            if self._clock() >= known.until:
                self._hosts[host, port] = _Silence(known.failures, self._clock() + _REST_S)
                return
        raise UrlUnreachableError(
            f"{host} did not answer {known.failures} times in a row, so its other URLs were not tried. "
            "Retry the job's failures later."
        )

    def answered(self, host: str, port: int) -> None:
        """It lives, whatever it said."""
        with self._lock:
            self._hosts.pop((host, port), None)

    def failed(self, host: str, port: int) -> None:
        """It did not answer one URL, however often it was tried."""
        with self._lock:
            known = self._hosts.pop((host, port), None)
            if len(self._hosts) >= _MOST_HOSTS:
                self._hosts.pop(next(iter(self._hosts)))
            failures = known.failures + 1 if known else 1
            self._hosts[host, port] = _Silence(failures, self._clock() + _REST_S)
