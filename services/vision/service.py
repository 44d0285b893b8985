"""The use case: one answer at a time, a bounded queue, and no work for callers who left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator

from services.common.errors import OverloadedError
from services.vision.backends.base import Backend
from services.vision.conversation import Wish, Written

_RETRY_AFTER_S = 2.0


class VisionService:
    """Lets the model answer. Belongs to one event loop.

    Args:
        backend: The model.
        waiting_limit: Calls that may wait while one is answered.
    """

    def __init__(self, backend: Backend, waiting_limit: int) -> None:
        self._backend, self._waiting_limit = backend, waiting_limit
        self._turn = asyncio.Lock()
        self._inside = 0

    @property
    def model(self) -> str:
        """What the model is called at the interface."""
        return self._backend.name

    async def write(self, wish: Wish) -> AsyncGenerator[str | Written, None]:
        """Yield the answer piece by piece, and at the end what became of the call.

        Closing the generator ends the work with the next token.

        Raises:
            OverloadedError: As many calls wait as may.
            InvalidRequestError: See `Backend.write`.
        """
        if self._inside > self._waiting_limit:
            raise OverloadedError("The model has too much to do. Ask again later.", retry_after_s=_RETRY_AFTER_S)
        self._inside += 1
        try:
            async with self._turn:
                async for piece in self._answer(wish):
                    yield piece
        finally:
            self._inside -= 1

    async def _answer(self, wish: Wish) -> AsyncGenerator[str | Written, None]:
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue[str | None]()
        stop = threading.Event()

        def hand_on(piece: str | None) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        def work() -> Written:
            try:
                return self._backend.write(wish, hand_on, stop)
            finally:
                hand_on(None)

        working = asyncio.create_task(asyncio.to_thread(work))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            yield await working
        finally:
            stop.set()
            # The model belongs to the next caller only once this one's thread has left it.
            await asyncio.wait({working})
