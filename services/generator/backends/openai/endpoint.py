"""Calls the chat endpoint: streamed text, a deadline for each phase, retries before the first word."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

import structlog
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from services.common.chat.refusals import MalformedChunkError, Refusal, refusal_of
from services.common.chat.retries import Retries
from services.generator.backends.openai.advice import ADVICE
from services.generator.backends.openai.slots import Slots

log = structlog.get_logger(__name__)
TEXT_LIMIT_CHARS = 200_000
"""Reasoning included. An endpoint that writes more is cut off."""
RESPONSE_LIMIT_BYTES = 64 * 1024 * 1024
"""Of one response; a chunk takes about 300 bytes for a few characters."""


@dataclass(frozen=True)
class EndpointOptions:
    """What each call says.

    Attributes:
        tokens_field: `max_tokens` for open servers; OpenAI's own newer models want `max_completion_tokens`.
        temperature: None: not sent, as reasoning models want it.
        extra: More fields of the body.
    """

    model: str
    answer_tokens: int = 800
    tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: float | None = 0.2
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Deadlines:
    """Longest waits, in seconds: for a connection, the first chunk, the next chunk, the whole answer."""

    connect_s: float
    first_token_s: float
    between_tokens_s: float
    total_s: float


class RefusedCallError(Exception):
    """A call failed for good; the backend decides what becomes of it. Never leaves this package."""

    def __init__(self, refusal: Refusal, *, begun: bool) -> None:
        super().__init__(refusal.reason.value)
        self.refusal, self.begun = refusal, begun


class Endpoint:
    """One model behind one address.

    Args:
        client: See `services.common.chat.client`.
        options: What each call says.
        deadlines: How long each phase may take.
        retries: What is tried again.
        slots: How many calls at once.
    """

    def __init__(
        self, client: AsyncOpenAI, options: EndpointOptions, deadlines: Deadlines, retries: Retries, slots: Slots
    ) -> None:
        self._client, self._options, self._deadlines = client, options, deadlines
        self._retries, self._slots = retries, slots

    @property
    def model(self) -> str:
        """Its name at the endpoint."""
        return self._options.model

    async def stream(self, messages: Sequence[ChatCompletionMessageParam]) -> AsyncGenerator[str, None]:
        """Yield the text of one completion in pieces. Closing the generator ends the call at the endpoint.

        Raises:
            RefusedCallError: It failed, and trying again is no use, or text has been yielded already.
            OverloadedError: No slot became free.
        """
        async with self._slots.taken(), aclosing(self._tried(messages)) as pieces:
            async for piece in pieces:
                yield piece

    async def _tried(self, messages: Sequence[ChatCompletionMessageParam]) -> AsyncGenerator[str, None]:
        ends_at = time.monotonic() + self._deadlines.total_s
        for attempt in count(1):
            begun = False
            try:
                async with aclosing(self._once(messages, ends_at)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except Exception as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                wait_s = self._wait_s(attempt, refusal, ends_at, begun=begun)
                _log(error, refusal, attempt, wait_s)
            if wait_s is None:
                raise RefusedCallError(refusal, begun=begun)
            await asyncio.sleep(wait_s)

    def _wait_s(self, attempt: int, refusal: Refusal, ends_at: float, *, begun: bool) -> float | None:
        if begun:
            return None
        return self._retries.wait_s(attempt, refusal, ends_at - time.monotonic(), random.random())  # noqa: S311

    async def _once(
        self, messages: Sequence[ChatCompletionMessageParam], ends_at: float
    ) -> AsyncGenerator[str, None]:
        first_at = min(time.monotonic() + self._deadlines.first_token_s, ends_at)
        async with _until(first_at):
            stream = await self._begin(messages)
        async with stream:
            async for text in self._texts(stream, first_at, ends_at):
                yield text

    async def _begin(self, messages: Sequence[ChatCompletionMessageParam]) -> AsyncStream[ChatCompletionChunk]:
        options = self._options
        sampling = {} if options.temperature is None else {"temperature": options.temperature}
        fields = {options.tokens_field: options.answer_tokens, **sampling, **options.extra}
        return await self._client.chat.completions.create(
            model=options.model, messages=list(messages), stream=True, extra_body=fields
        )

    async def _texts(
        self, stream: AsyncStream[ChatCompletionChunk], first_at: float, ends_at: float
    ) -> AsyncIterator[str]:
        chunks, next_at, length, finished = aiter(stream), first_at, 0, False
        while length < TEXT_LIMIT_CHARS:
            try:
                async with _until(next_at):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                break
            text, is_last = _read(chunk)
            finished = finished or is_last
            length += len(text)
            if text:
                yield text
            next_at = min(time.monotonic() + self._deadlines.between_tokens_s, ends_at)
        if not finished and length < TEXT_LIMIT_CHARS:
            # The connection was closed without a word: a cut answer must not pass for a whole one.
            raise MalformedChunkError


@asynccontextmanager
async def _until(at: float) -> AsyncIterator[None]:
    async with asyncio.timeout(max(at - time.monotonic(), 0.0)):
        yield


def _read(chunk: ChatCompletionChunk) -> tuple[str, bool]:
    """The text of a chunk, and whether it is the last one that holds any.

    The client builds chunks without checking them: any field may be of any type.
    """
    try:
        choices = chunk.choices
        if not choices:
            return "", False
        text, reason = choices[0].delta.content, choices[0].finish_reason
    except (AttributeError, TypeError, IndexError, KeyError):
        raise MalformedChunkError from None
    if not isinstance(text, str | None):
        raise MalformedChunkError
    return text or "", reason is not None


def _log(error: Exception, refusal: Refusal, attempt: int, wait_s: float | None) -> None:
    # Not the endpoint's own text: it may repeat the key or the prompt.
    log.warning(
        "model_call_failed",
        reason=refusal.reason.value,
        status=refusal.status,
        error=type(error).__name__,
        attempt=attempt,
        again_in_s=wait_s,
        advice=ADVICE.get(refusal.reason, ""),
    )
