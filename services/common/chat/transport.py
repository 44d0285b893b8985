"""HTTP to the endpoint with a bound on what one response may hold."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Passes requests on, and breaks a response off above a limit.

    The client keeps a line until its end comes: one that never ends would fill the memory.

    Args:
        inner: Carries the requests.
        limit_bytes: Largest response.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, limit_bytes: int) -> None:
        self._inner, self._limit_bytes = inner, limit_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See `httpx2.AsyncBaseTransport`."""
        response = await self._inner.handle_async_request(request)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _BoundedStream(response.stream, self._limit_bytes)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, limit_bytes: int) -> None:
        self._inner, self._left_bytes = inner, limit_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            self._left_bytes -= len(part)
            if self._left_bytes < 0:
                raise httpx2.ReadError("the response is longer than an answer can be")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()
