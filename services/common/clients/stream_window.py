"""The caller's side of a stream: a bounded number of inputs is inside, and outcomes are handed on as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from services.common.clients.encoder_inputs import Encoded, EncoderInput
from services.common.clients.unanswered import Numbered, Unanswered
from services.common.errors import DeadlineError, ImageragError, PayloadTooLargeError, UnavailableError
from services.common.rpc.server import MESSAGE_LIMIT_BYTES

K = TypeVar("K")
_MOST_BREAKS = 4
_MOST_INPUT_BYTES = MESSAGE_LIMIT_BYTES - 4096
"""Room for what a message holds beside its only input."""


@dataclass(frozen=True)
class StreamBounds:
    """How much of a stream is held by its caller at once, and in what portions it is sent.

    Attributes:
        items: Most inputs that were taken from the source and whose outcome was not yet taken by the caller.
        size_bytes: No further input is taken from the source while those without outcome have this size.
        message_items: Most inputs of one message.
        message_bytes: Size of a message, unless a single input is larger.
        renew_s: A call takes no more inputs after this time, and another one, as a rule on another replica, takes
            its place: so that new replicas get work, and that no call outlives its connection.
    """

    items: int = 256
    size_bytes: int = 64 * 1024 * 1024
    message_items: int = 32
    message_bytes: int = 4 * 1024 * 1024
    renew_s: float = 60.0


class _End(NamedTuple):
    error: BaseException | None


class Window(Generic[K]):
    """What is inside.

    Args:
        bounds: See `StreamBounds`.
        progress_s: Longest time without an outcome while there are inputs that wait for theirs.
    """

    def __init__(self, bounds: StreamBounds, progress_s: float) -> None:
        self._bounds = bounds
        self._progress_s = progress_s
        self._unanswered: Unanswered[K] = Unanswered(_MOST_BREAKS)
        self._outcomes: asyncio.Queue[tuple[K, Encoded] | _End] = asyncio.Queue()
        self._inside_items = 0
        self._progressed_at_s = 0.0
        self._changed = asyncio.Event()
        self.source_is_over = False
        self.trouble: ImageragError | None = None
        """Why no call is under way, if that is so."""

    @property
    def has_waiting(self) -> bool:
        """Whether an input waits for a call."""
        return self._unanswered.waiting

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it may look at anything that `changed` is called for."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def changed(self) -> None:
        """Let those who wait look again."""
        self._changed.set()

    async def guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """Carry out a part of the stream; where it fails, the stream fails."""
        try:
            await work()
        except asyncio.CancelledError as error:
            self.fail(error)
            raise
        except Exception as error:
            self.fail(error)

    async def fill(self, source: AsyncIterable[tuple[K, EncoderInput]]) -> None:
        """Take inputs from the source, no faster than outcomes are taken away."""
        inputs = aiter(source)
        while True:
            await self.until(self._has_room)
            try:
                key, content = await anext(inputs)
            except StopAsyncIteration:
                break
            self._inside_items += 1
            self._add(key, content)
        self.source_is_over = True
        self._end_if_over()
        self.changed()

    def _has_room(self) -> bool:
        return self._inside_items < self._bounds.items and self._unanswered.size_bytes < self._bounds.size_bytes

    def _add(self, key: K, content: EncoderInput) -> None:
        if content.size_bytes > _MOST_INPUT_BYTES:
            refusal = PayloadTooLargeError(
                f"The input has {content.size_bytes:,} bytes; at most {_MOST_INPUT_BYTES:,} fit into a message."
            )
            self._deliver([key], refusal)
            return
        if not self._unanswered:
            self._progressed_at_s = _now_s()
        self._unanswered.add(key, content)
        self.changed()

    def take(self, call: int) -> list[Numbered]:
        """Inputs for one message of `call`."""
        return self._unanswered.take(call, self._bounds.message_items, self._bounds.message_bytes)

    def answer(self, call: int, number: int, outcome: Encoded) -> None:
        """Hand on an outcome; one that is not expected of this call is passed over."""
        keys = self._unanswered.answer(call, number)
        if keys:
            self._progressed_at_s = _now_s()
            self.trouble = None
        self._deliver(keys, outcome)

    def end(self, call: int, *, broken: bool) -> bool:
        """Take note of the end of a call, see `Unanswered.end`.

        Returns:
            Whether it left inputs unanswered.
        """
        left = self._unanswered.carries(call)
        given_up = self._unanswered.end(call, broken=broken)
        self._deliver(
            given_up, UnavailableError(f"The encoder broke off {_MOST_BREAKS} times while it had this input.")
        )
        self.changed()
        return left

    def _deliver(self, keys: Iterable[K], outcome: Encoded) -> None:
        for key in keys:
            self._outcomes.put_nowait((key, outcome))
        self._end_if_over()
        self.changed()

    def _end_if_over(self) -> None:
        if self.source_is_over and not self._unanswered:
            self._outcomes.put_nowait(_End(None))

    def fail(self, error: BaseException) -> None:
        """End the stream with an error; outcomes that came before it are still handed out."""
        self._outcomes.put_nowait(_End(error))

    async def watch(self) -> None:
        """End the stream when nothing comes any more."""
        while True:
            await self.until(self._is_expecting)
            left_s = self._progressed_at_s + self._progress_s - _now_s()
            if left_s <= 0:
                silence = DeadlineError(f"The encoder gave no outcome for {self._progress_s:g} s.")
                raise self.trouble or silence
            await asyncio.sleep(left_s)

    def _is_expecting(self) -> bool:
        return bool(self._unanswered)

    async def outcomes(self) -> AsyncGenerator[tuple[K, Encoded], None]:
        """Outcomes in the order of their arrival, until all inputs have theirs or the stream fails."""
        while True:
            outcome = await self._outcomes.get()
            if isinstance(outcome, _End):
                if outcome.error is not None:
                    raise outcome.error
                return
            self._inside_items -= 1
            self.changed()
            yield outcome


def _now_s() -> float:
    return asyncio.get_running_loop().time()
