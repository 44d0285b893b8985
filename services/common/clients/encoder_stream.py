"""One stream of inputs over as many calls as it takes: each input is answered once, whatever happens to calls."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Generic, TypeVar

import grpc
import structlog
from imagerag.v1 import encoder_pb2

from services.common.clients.encoder_inputs import Encoded, EncoderInput
from services.common.clients.stream_window import StreamBounds, Window
from services.common.errors import (
    DeadlineError,
    ExhaustedError,
    FingerprintMismatchError,
    ImageragError,
    UnavailableError,
    rebuild,
)
from services.common.rpc.channel import stream
from services.common.rpc.tensors import vector_from_bytes

log = structlog.get_logger(__name__)
K = TypeVar("K")
Requests = AsyncIterator[encoder_pb2.EncodeStreamRequest]
OpenCall = Callable[[Requests], "grpc.aio.StreamStreamCall[Any, encoder_pb2.EncodeStreamResponse]"]
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_FAREWELL_S = 1.0
_PASSING = (UnavailableError, ExhaustedError, DeadlineError)


async def answered(
    source: AsyncIterable[tuple[K, EncoderInput]],
    open_call: OpenCall,
    head: encoder_pb2.EncodeStreamRequest,
    bounds: StreamBounds,
    progress_s: float,
) -> AsyncGenerator[tuple[K, Encoded], None]:
    """See `EncoderClient.encode_stream`.

    Args:
        source: Inputs, each under a key of its caller's.
        open_call: Begins a call, each time on the next replica.
        head: What the first message of each call says.
        bounds: How much is held at once.
        progress_s: Longest time without an outcome.
    """
    window: Window[K] = Window(bounds, progress_s)
    calls = _Calls(window, open_call, head, bounds.renew_s)
    parts = (partial(window.fill, source), window.watch, calls.run)
    tasks = [asyncio.create_task(window.guard(part)) for part in parts]
    try:
        async with aclosing(window.outcomes()) as outcomes:
            async for outcome in outcomes:
                yield outcome
        if calls.running:
            # All is answered: what remains to come is the status. A call that is cut off here counts as cancelled.
            await asyncio.wait(calls.running, timeout=_FAREWELL_S)
    finally:
        await _cancelled([*tasks, *calls.running])


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(eq=False)
class _Call:
    number: int
    is_accepted: bool = False


class _Calls(Generic[K]):
    """The calls of a stream: one takes inputs, and those before it answer what they took."""

    def __init__(
        self, window: Window[K], open_call: OpenCall, head: encoder_pb2.EncodeStreamRequest, renew_s: float
    ) -> None:
        self._window = window
        self._open_call = open_call
        self._head = head
        self._renew_s = renew_s
        self._taking: _Call | None = None
        self._fruitless = 0
        self._resume_at_s = 0.0
        self.running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Begin a call whenever inputs wait and none takes them."""
        loop = asyncio.get_running_loop()
        numbers = count()
        while True:
            await self._window.until(self._is_wanted)
            pause_s = self._resume_at_s - loop.time()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
                continue
            self._taking = _Call(next(numbers))
            task = asyncio.create_task(self._window.guard(partial(self._carry_out, self._taking)))
            self.running.add(task)
            task.add_done_callback(self.running.discard)

    def _is_wanted(self) -> bool:
        return self._taking is None and self._window.has_waiting

    async def _carry_out(self, call: _Call) -> None:
        renewal = asyncio.get_running_loop().call_later(self._renew_s, self._close, call)
        error: ImageragError | None = None
        try:
            async with aclosing(stream("encoder", self._open_call(self._requests(call)))) as answers:
                async for answer in answers:
                    self._receive(call, answer)
        except _PASSING as passing:
            error = passing
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            # The channel was closed under the call, as it is when certificates are renewed.
            error = UnavailableError("The connection to the encoder was closed.")
        finally:
            renewal.cancel()
            self._close(call)
        self._resume(call, error)

    async def _requests(self, call: _Call) -> Requests:
        """Messages of one call; the end says that it takes no more inputs."""
        head = encoder_pb2.EncodeStreamRequest()
        head.CopyFrom(self._head)
        # Alone, for the status of a call that ends while a message is on its way is lost in gRPC: why a replica
        # refuses is known for certain if nothing is sent before it has accepted.
        yield head
        while True:
            await self._window.until(partial(self._has_something_for, call))
            inputs = self._window.take(call.number) if self._taking is call else []
            if not inputs:
                self._close(call)
                return
            try:
                parts = [content.to_proto(number) for number, content in inputs]
            except (TypeError, ValueError) as error:  # else gRPC says no more than that the call was cancelled
                self._window.fail(error)
                return
            yield encoder_pb2.EncodeStreamRequest(inputs=parts)

    def _has_something_for(self, call: _Call) -> bool:
        if self._taking is not call:
            return True
        return call.is_accepted and (self._window.has_waiting or self._window.source_is_over)

    def _close(self, call: _Call) -> None:
        if self._taking is call:
            self._taking = None
            self._window.changed()

    def _receive(self, call: _Call, answer: encoder_pb2.EncodeStreamResponse) -> None:
        if not call.is_accepted:
            self._check(answer.fingerprint)
            call.is_accepted = True
            self._window.changed()
        for outcome in answer.outcomes:
            self._window.answer(call.number, outcome.id, _encoded(outcome))
            self._fruitless = 0

    def _check(self, fingerprint: str) -> None:
        context = self._head.context
        # Whoever expects nothing is held to what the first replica serves: models never mix within a stream.
        context.expected_fingerprint = context.expected_fingerprint or fingerprint
        if context.expected_fingerprint != fingerprint:
            raise FingerprintMismatchError.between(context.expected_fingerprint, fingerprint)

    def _resume(self, call: _Call, error: ImageragError | None) -> None:
        """Let the next call carry what this one left."""
        is_broken = call.is_accepted and isinstance(error, UnavailableError)
        left = self._window.end(call.number, broken=is_broken)
        if error is None and not left:
            return
        error = error or UnavailableError("The encoder ended the stream before it had answered everything.")
        log.warning("stream_resumed", code=error.code, accepted=call.is_accepted)
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**self._fruitless)
        pause_s = max(error.retry_after_s or 0.0, pause_s * random.uniform(0.5, 1))  # noqa: S311 - jitter
        self._resume_at_s = asyncio.get_running_loop().time() + pause_s
        self._fruitless += 1
        self._window.trouble = error


def _encoded(outcome: encoder_pb2.StreamOutcome) -> Encoded:
    if outcome.WhichOneof("outcome") == "vector":
        return vector_from_bytes(outcome.vector)
    return rebuild(outcome.error.code, outcome.error.message)


def _is_cancelled() -> bool:
    """Whether it is this task that is to end, and not a call that somebody cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
