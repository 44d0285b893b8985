"""One answer of a model as a whole: a deadline for all of it, tried again while that may help."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from services.common.chat.refusals import MalformedChunkError, Refusal, refusal_of
from services.common.chat.retries import Retries

Message = ChatCompletionMessageParam
"""One message of a conversation."""
Failed = Callable[[Refusal, Exception, int], None]
"""Told of each failed call: what it means, the error, and which call it was, from 1."""


@dataclass(frozen=True)
class Completion:
    """What a model wrote.

    Attributes:
        text: Empty if it wrote nothing.
        is_whole: False: a limit on tokens cut it off.
        prompt_tokens: Read for it; 0 if the endpoint does not say.
        answer_tokens: Written; 0 if the endpoint does not say.
    """

    text: str
    is_whole: bool
    prompt_tokens: int = 0
    answer_tokens: int = 0


class RefusedError(Exception):
    """A call failed for good; the caller decides what becomes of it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason.value)
        self.refusal = refusal


class CompletionModel:
    """One model behind one address, asked for whole answers.

    Args:
        client: See `services.common.chat.client`.
        model: Its name at the endpoint.
        total_s: Longest time for an answer, with all retries.
        retries: What is tried again.
        failed: Told of each failed call.
    """

    def __init__(
        self, client: AsyncOpenAI, model: str, *, total_s: float, retries: Retries, failed: Failed
    ) -> None:
        self._client, self._model, self._total_s = client, model, total_s
        self._retries, self._failed = retries, failed

    async def complete(self, messages: Sequence[Message], fields: Mapping[str, Any]) -> Completion:
        """The model's answer.

        Args:
            messages: The conversation.
            fields: More fields of the call's body.

        Raises:
            RefusedError: It failed, and trying again is no use or there is no time left.
        """
        ends_at = time.monotonic() + self._total_s
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._once(messages, fields, ends_at)
            except Exception as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                self._failed(refusal, error, attempt)
            left_s = ends_at - time.monotonic()
            wait_s = self._retries.wait_s(attempt, refusal, left_s, random.random())  # noqa: S311
            if wait_s is None:
                raise RefusedError(refusal)
            await asyncio.sleep(wait_s)

    async def _once(self, messages: Sequence[Message], fields: Mapping[str, Any], ends_at: float) -> Completion:
        async with asyncio.timeout(max(ends_at - time.monotonic(), 0.0)):
            answer = await self._client.chat.completions.create(
                model=self._model, messages=list(messages), extra_body=dict(fields)
            )
        return _read(answer)


def _read(answer: ChatCompletion) -> Completion:
    """The client builds answers without checking them: any field may be of any type."""
    try:
        choice, usage = answer.choices[0], answer.usage
        text, reason = choice.message.content, choice.finish_reason
        read, written = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
    except (AttributeError, TypeError, IndexError, KeyError):
        raise MalformedChunkError from None
    if not isinstance(text, str | None):
        raise MalformedChunkError
    return Completion(text or "", reason != "length", _number(read), _number(written))


def _number(given: object) -> int:
    return given if isinstance(given, int) and given >= 0 else 0
