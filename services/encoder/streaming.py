"""One caller's stream: inputs are read as fast as there is room for them and answered as they are ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from services.common.errors import ImageragError, InvalidRequestError
from services.encoder.admission import LaneRoom
from services.encoder.batching.item import Item, Result
from services.encoder.inputs import Input, size_bytes
from services.encoder.pipeline import Pipeline

MOST_OUTCOMES = 256
"""Of one message: what is ready goes out at once, in messages that no limit refuses."""

MakeItem = Callable[[Input, Callable[[Result], None]], Item | None]
"""An input and who is to be told its result, to an item; None: it was answered at once."""


@dataclass(frozen=True, slots=True)
class StreamInput:
    """An input under its caller's number; an error stands for one that could not be read."""

    number: int
    content: Input | ImageragError


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """What became of an input."""

    number: int
    result: Result


class InputStream:
    """Bounded on both sides: no more is read while `window_items` inputs are read and not yet handed out.

    A caller that sends faster than the model computes, or reads slower, is slowed down by flow control.

    Args:
        make_item: See `MakeItem`.
        pipeline: Computes.
        room: The lane's; an input waits for room in it before the next one is read.
        window_items: Most inputs of this stream at once.
    """

    def __init__(self, make_item: MakeItem, pipeline: Pipeline, room: LaneRoom, window_items: int) -> None:
        self._make_item, self._pipeline, self._room = make_item, pipeline, room
        self._window = asyncio.Semaphore(window_items)
        self._in_use: dict[int, Item | None] = {}
        self._ready: list[StreamOutcome] = []
        self._changed = asyncio.Event()

    async def outcomes(
        self, messages: AsyncIterator[Sequence[StreamInput]]
    ) -> AsyncGenerator[list[StreamOutcome], None]:
        """Answer everything that `messages` bring, and end when they have ended.

        Closing this iterator gives up what waits.

        Yields:
            What has become ready, at most `MOST_OUTCOMES` at once.

        Raises:
            InvalidRequestError: A number was sent that is still in use.
        """
        reading = asyncio.create_task(self._read(messages))
        reading.add_done_callback(self._wake)
        try:
            while self._in_use or not reading.done():
                await self._changed.wait()
                self._changed.clear()
                if reading.done():
                    reading.result()
                while self._ready:
                    batch, self._ready = self._ready[:MOST_OUTCOMES], self._ready[MOST_OUTCOMES:]
                    for outcome in batch:
                        del self._in_use[outcome.number]
                    yield batch
                    for _ in batch:
                        self._window.release()
            reading.result()
        finally:
            reading.cancel()
            self._pipeline.withdraw([item for item in self._in_use.values() if item is not None])

    async def _read(self, messages: AsyncIterator[Sequence[StreamInput]]) -> None:
        async for message in messages:
            for sent in message:
                await self._take(sent)

    async def _take(self, sent: StreamInput) -> None:
        if sent.number in self._in_use:
            raise InvalidRequestError(
                f"The id {sent.number} is in use: an input that was sent under it has not been answered yet. "
                "Give each input of a stream an id of its own."
            )
        self._in_use[sent.number] = None
        answer = partial(self._put, sent.number)
        await self._window.acquire()
        if isinstance(sent.content, ImageragError):
            answer(sent.content)
            return
        await self._room.wait_and_enter(size_bytes(sent.content))
        item = self._make_item(sent.content, answer)
        if item is not None:
            self._in_use[sent.number] = item
            self._pipeline.submit([item])

    def _put(self, number: int, result: Result) -> None:
        self._ready.append(StreamOutcome(number, result))
        self._changed.set()

    def _wake(self, _reading: asyncio.Task[None]) -> None:
        self._changed.set()
