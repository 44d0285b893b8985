"""HTTP to Qdrant: TLS with an authority of one's own, and one more try when a connection breaks."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import structlog

log = structlog.get_logger(__name__)

_BROKEN = (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=4.0)
"""Kept shorter than the 5 s after which servers close an idle connection."""


def trusted(ca_path: Path | None) -> ssl.SSLContext:
    """Whom an https address must show a certificate of: this authority alone, or the public ones.

    Raises:
        OSError: The file cannot be read.
        ssl.SSLError: It holds no certificate.
    """
    # Without a file httpx takes the list that it brings along: a slim image has none of its own.
    return httpx.create_ssl_context() if ca_path is None else ssl.create_default_context(cafile=str(ca_path))


class PersistentTransport(httpx.AsyncBaseTransport):
    """Sends a request once more, on a new connection, when the connection breaks before the answer.

    Behind one name stand several nodes; when one goes away, its open connections break and the next one leads to
    another node. All our calls may be made twice: reads, writes under the condition "stored revision is older",
    aliases and indexes. A timeout is not tried again: the caller's time is over.

    Args:
        ca_path: See `trusted`.
    """

    def __init__(self, ca_path: Path | None) -> None:
        self._inner = httpx.AsyncHTTPTransport(verify=trusted(ca_path), limits=_LIMITS, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and once more if the connection broke."""
        try:
            return await self._inner.handle_async_request(request)
        except _BROKEN as error:
            log.info("store_connection_broken", error=type(error).__name__, path=request.url.path)
            return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()
