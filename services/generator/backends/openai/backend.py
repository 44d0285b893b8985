"""Lets a language model write, and passes on what it can show the source of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import structlog

from services.common.chat.refusals import Reason
from services.generator.backends.base import Declined, Task
from services.generator.backends.openai.endpoint import Endpoint, RefusedCallError
from services.generator.backends.openai.messages import to_messages
from services.generator.grounding.grounded import GroundedText
from services.generator.grounding.secrets import instruction_sentences
from services.generator.metrics import count_sentences
from services.generator.prompting.fencing import new_boundary
from services.generator.prompting.pictures import picture_urls, question_picture_url
from services.generator.prompting.prompt import Budget, Prompt, build_prompt

log = structlog.get_logger(__name__)


class OpenAIBackend:
    """Answers by the model behind `endpoint`.

    Args:
        endpoint: Streams the model's text.
        budget: The tokens of one call.
        api_key: Never written, whatever the endpoint sends.
    """

    def __init__(self, endpoint: Endpoint, budget: Budget, api_key: str) -> None:
        self._endpoint, self._budget, self._api_key = endpoint, budget, api_key

    @property
    def model(self) -> str:
        """The model's name at the endpoint."""
        return self._endpoint.model

    @property
    def reads_images(self) -> bool:
        """Whether pictures are sent along."""
        return self._budget.pictures > 0

    async def write(self, task: Task) -> AsyncGenerator[str | Declined, None]:
        """See `AnswerBackend.write`; one piece is one sentence or more."""
        prompt = await self._prompt(task, self._budget)
        while prompt.numbers:  # a question as long as the window leaves no room for a source to cite
            try:
                async with aclosing(self._grounded(prompt)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except RefusedCallError as error:
                smaller = None if error.begun else self._smaller(error.refusal.reason, prompt)
                if smaller is None:
                    raise error.refusal.as_error(begun=error.begun) from None
            prompt = await self._prompt(task, smaller)

    async def _prompt(self, task: Task, budget: Budget) -> Prompt:
        urls = await asyncio.to_thread(
            picture_urls, task.sources, limit=budget.pictures, side_px=budget.picture_side_px
        )
        asked_with = None
        if budget.pictures:
            asked_with = await asyncio.to_thread(question_picture_url, task.image, budget.picture_side_px)
        return build_prompt(task, urls, new_boundary(), budget, asked_with)

    def _smaller(self, reason: Reason, prompt: Prompt) -> Budget | None:
        """What may fit after a refusal, tried once: half of the window, or no pictures."""
        if prompt.budget != self._budget:
            return None
        if reason is Reason.CONTEXT:
            return replace(self._budget, context=self._budget.context // 2)
        return replace(self._budget, pictures=0) if reason is Reason.PICTURES and prompt.has_pictures else None

    async def _grounded(self, prompt: Prompt) -> AsyncGenerator[str | Declined, None]:
        secrets = [self._api_key, prompt.boundary, *instruction_sentences(prompt.system)]
        text = GroundedText(prompt.numbers, secrets)
        try:
            async with aclosing(self._endpoint.stream(to_messages(prompt))) as pieces:
                async for piece in pieces:
                    if shown := text.feed(piece):
                        yield shown
            if shown := text.finish():
                yield shown
            if text.declined and not text.tally.kept:
                yield Declined()
        finally:
            count_sentences(text.tally)
