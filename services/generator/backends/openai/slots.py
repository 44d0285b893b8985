"""A bound on the calls that are at the endpoint at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.common.errors import OverloadedError


class Slots:
    """Lets so many calls through; the next ones wait a little, then are refused with a hint when to come back.

    Args:
        limit: Calls at once.
        wait_s: Longest wait for a free one.
    """

    def __init__(self, limit: int, wait_s: float) -> None:
        self._free = asyncio.Semaphore(limit)
        self._wait_s = wait_s

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Hold one slot.

        Raises:
            OverloadedError: None became free in time.
        """
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            message = "As many answers are being written as the language model may write at once. Ask again later."
            raise OverloadedError(message, retry_after_s=max(self._wait_s, 1.0)) from None
        try:
            yield
        finally:
            self._free.release()
