"""Closes connections that do not finish a request's header: uvicorn alone would keep them for ever."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


def protocol_with_header_deadline(header_s: float) -> type[asyncio.Protocol]:
    """A uvicorn protocol whose clients have `header_s` seconds from the first byte to the end of the header."""

    class HeaderDeadlineProtocol(_HeaderDeadlineProtocol):
        deadline_s = header_s

    return HeaderDeadlineProtocol


class _HeaderDeadlineProtocol(H11Protocol):
    deadline_s: float
    _giving_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self._is_serving():
            self._unwatch()
        elif self._giving_up is None:
            self._giving_up = self.loop.call_later(self.deadline_s, self._give_up)

    def _unwatch(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _give_up(self) -> None:
        self._giving_up = None
        if not self._is_serving():
            self.transport.close()

    def _is_serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete
