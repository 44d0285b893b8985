"""Connections that are opened to checked addresses alone, and end in time.

httpcore hands timeouts to this module unread. Here they are points on the monotonic clock, not durations: a server
that sends a byte now and then would otherwise begin a new wait with each of them.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore

from services.common.errors import UrlError
from workers.fetching.addresses import Address
from workers.fetching.policy import FetchPolicy
from workers.fetching.resolving import Resolver

_MOST_ADDRESSES = 4
_ONE_ADDRESS_S = 5.0
"""A host with several addresses may have some that answer nobody, all of IPv6 for example."""


class CheckedNetwork(httpcore.NetworkBackend):
    """Resolves a host once for each connection, checks every address, and connects to one of those checked.

    The name stays with TLS, which shows it to the server and compares it with the certificate.

    Args:
        policy: Says which addresses may be connected to.
        resolver: Looks names up.
    """

    def __init__(self, policy: FetchPolicy, resolver: Resolver) -> None:
        self._policy, self._resolver = policy, resolver
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect.

        Args:
            host: See `WebUrl.host`.
            port: Of the URL.
            timeout: Point on the monotonic clock.
            local_address: Not used.
            socket_options: Not used.

        Raises:
            UrlForbiddenError: One of the host's addresses may not be reached; nothing was connected to.
            UrlError: There is no such host.
            PassingError: Its addresses cannot be found out now.
            httpcore.ConnectError: None of them answers.
            httpcore.ConnectTimeout: Not in time.
        """
        give_up_at = timeout if timeout is not None else time.monotonic()
        addresses = self._resolver.resolve(host, give_up_at)
        self._policy.check_addresses(host, addresses)
        return TimedStream(self._connect(addresses[:_MOST_ADDRESSES], port, give_up_at))

    def _connect(self, addresses: Sequence[Address], port: int, give_up_at: float) -> httpcore.NetworkStream:
        *first, last = addresses
        for address in first:
            try:
                return self._open(address, port, min(give_up_at, time.monotonic() + _ONE_ADDRESS_S))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._open(last, port, give_up_at)

    def _open(self, address: Address, port: int, give_up_at: float) -> httpcore.NetworkStream:
        return self._sockets.connect_tcp(str(address), port, timeout=_left_s(give_up_at, httpcore.ConnectTimeout))


class TimedStream(httpcore.NetworkStream):
    """A connection whose every operation ends at a point in time.

    Args:
        stream: The connection.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read up to a point on the monotonic clock."""
        return self._stream.read(max_bytes, _left_s(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write up to a point on the monotonic clock."""
        self._stream.write(buffer, _left_s(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Agree on TLS up to a point on the monotonic clock.

        Raises:
            UrlError: The certificate is not that of `server_hostname`, or nobody we trust has signed it.
            httpcore.ConnectError: It does not come to an agreement.
            httpcore.ConnectTimeout: Not in time.
        """
        left_s = _left_s(timeout, httpcore.ConnectTimeout)
        try:
            return TimedStream(self._stream.start_tls(ssl_context, server_hostname, left_s))
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise UrlError(f"The certificate that {server_hostname} shows is not valid for it.") from None
            raise

    def get_extra_info(self, info: str) -> Any:
        """What the connection knows about itself."""
        return self._stream.get_extra_info(info)


def _left_s(at: float | None, too_late: type[httpcore.TimeoutException]) -> float:
    """Seconds until a point on the monotonic clock; without one, none are left.

    Raises:
        httpcore.TimeoutException: It is over; a socket would take 0 for "do not wait" and no time for "for ever".
    """
    left_s = -1.0 if at is None else at - time.monotonic()
    if left_s <= 0:
        raise too_late("no time is left")
    return left_s
