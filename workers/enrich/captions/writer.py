"""Lets a vision model behind an OpenAI-compatible endpoint write captions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from services.common.chat.completion import Completion, CompletionModel, RefusedError
from services.common.chat.pictures import picture_url
from services.common.chat.refusals import Reason, Refusal
from services.common.domain import Caption
from services.common.embeddings.breaker import Breaker
from services.common.errors import ImageragError, ModelAnswerError, UnavailableError
from services.common.media.images import ImageLimits
from workers import metrics
from workers.enrich.captions import prompt
from workers.enrich.captions.prompt import Form, caption_messages, form_fields, simpler
from workers.enrich.captions.reading import read_caption

log = structlog.get_logger(__name__)
_TRIES = 2
"""A model that wrote nothing of use may do better the second time; more is not tried."""
_ADVICE = {
    Reason.CONTEXT: "lower IMAGERAG_WORKERS_CAPTION_PICTURE_PX or serve the model with a larger window",
    Reason.PICTURES: "IMAGERAG_WORKERS_CAPTION_MODEL seems to take no pictures: name a vision model",
    Reason.KEY: "set IMAGERAG_WORKERS_CAPTION_API_KEY to a key that the endpoint accepts",
    Reason.MODEL: "set IMAGERAG_WORKERS_CAPTION_MODEL to a model of the endpoint, or correct _BASE_URL",
    Reason.REQUEST: "the endpoint refuses a field: see _TEMPERATURE, _ANSWER_TOKENS_FIELD and _EXTRA_JSON",
}
"""For the log of the operator."""
_OF_ONE_PICTURE = frozenset({Reason.CONTEXT, Reason.REQUEST, Reason.PICTURES})
"""Refusals that say nothing about the next picture: a filter for content, a picture that is too much."""
_MOST_LATE = 3
"""So many answers in a row that did not come in time, and the endpoint counts as away."""
_REFUSING_STATUS = frozenset({400, 422, 500, 501})


@dataclass(frozen=True)
class CaptionOptions:
    """What each call says.

    Attributes:
        model: Its name at the endpoint; stands in each caption.
        language: English name of the language to write in.
        picture_px: Longest side of what is sent.
        answer_tokens: Most tokens of an answer.
        tokens_field: `max_tokens` for open servers; OpenAI's own newer models want `max_completion_tokens`.
        temperature: None: not sent, as reasoning models want it.
        form: How the endpoint is held to JSON, to begin with.
        extra: More fields of the body.
    """

    model: str
    language: str = "English"
    picture_px: int = 768
    answer_tokens: int = 700
    tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: float | None = 0.0
    form: Form = "schema"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def made_by(self) -> Mapping[str, str]:
        """What shapes a caption: another model, prompt or size of the picture gives another one."""
        shaping = {"language": self.language, "picture_px": str(self.picture_px), "prompt": prompt.VERSION}
        return {"model": self.model, **shaping}

    def fields(self, form: Form) -> dict[str, Any]:
        """Fields of a call's body."""
        sampling = {} if self.temperature is None else {"temperature": self.temperature}
        return {self.tokens_field: self.answer_tokens, **sampling, **form_fields(form), **self.extra}


class CaptionWriter:
    """Writes one caption at a time. Belongs to one event loop.

    Args:
        model: Answers.
        options: What it is told.
        limits: Pictures that are decoded at all.
        breaker: Spares a job the wait for an endpoint that is away, picture by picture.
    """

    def __init__(
        self, model: CompletionModel, options: CaptionOptions, limits: ImageLimits, breaker: Breaker
    ) -> None:
        self._model, self._options, self._limits, self._breaker = model, options, limits, breaker
        self._form, self._is_proven, self._late_in_a_row = options.form, False, 0
        self._trying: asyncio.Event | None = None

    async def write(self, picture: bytes) -> Caption:
        """Describe a picture.

        Args:
            picture: Encoded bytes.

        Raises:
            UnavailableError: The endpoint does not answer, or did not a moment ago.
            DeadlineError: It did not answer in time.
            ModelRefusedError: It does not take the call.
            ModelAnswerError: What it wrote is no description.
            ImageError: The picture cannot be read.
        """
        async with self._admitted():
            url = await asyncio.to_thread(picture_url, picture, self._limits, self._options.picture_px)
            for _ in range(_TRIES):
                answer = await self._answer(url)
                caption = read_caption(answer.text, self._options.model)
                if caption is not None:
                    return caption
            log.warning("caption_unusable", chars=len(answer.text), cut_off=not answer.is_whole)
            raise ModelAnswerError("What the vision model wrote is no description of the picture.")

    @asynccontextmanager
    async def _admitted(self) -> AsyncIterator[None]:
        """After an outage one picture tries whether it is over, and the others wait for what it finds.

        Raises:
            UnavailableError: It is not over, or nobody is to try yet.
        """
        if self._trying is not None:
            await self._trying.wait()
        if not self._breaker.lets_through():
            raise UnavailableError("The model that writes captions did not answer a moment ago.")
        if not self._breaker.is_failing:
            yield
            return
        self._trying = trying = asyncio.Event()
        try:
            yield
        finally:
            self._trying = None
            trying.set()

    async def _answer(self, url: str) -> Completion:
        form = self._form
        while True:
            try:
                answer = await self._call(url, form)
            except RefusedError as error:
                plainer = simpler(form) if self._may_be_the_form(error.refusal, form) else None
                if plainer is None:
                    raise self._refused(error.refusal) from None
                form = plainer
            else:
                self._note_success(form)
                return answer

    async def _call(self, url: str, form: Form) -> Completion:
        answer = await self._model.complete(
            caption_messages(url, self._options.language), self._options.fields(form)
        )
        metrics.count_caption_tokens(answer.prompt_tokens, answer.answer_tokens)
        return answer

    def _note_success(self, form: Form) -> None:
        self._breaker.succeeded()
        self._late_in_a_row = 0
        if form != self._form:
            log.warning("caption_form_refused", refused=self._form, taken=form)
        self._form, self._is_proven = form, True

    def _refused(self, refusal: Refusal) -> ImageragError:
        self._late_in_a_row = self._late_in_a_row + 1 if refusal.reason is Reason.LATE else 0
        if refusal.reason is Reason.LATE:
            passes = self._late_in_a_row < _MOST_LATE
        else:
            passes = self._is_proven and refusal.reason in _OF_ONE_PICTURE
        if passes:
            self._breaker.succeeded()
        else:
            self._breaker.failed()
        return refusal.as_error()

    def _may_be_the_form(self, refusal: Refusal, form: Form) -> bool:
        """Servers word it in many ways that they know no `response_format`; some blame the picture."""
        # Of several first calls at once, one may have found out already what the endpoint takes.
        if self._is_proven and form == self._form:
            return False
        return refusal.status in _REFUSING_STATUS and refusal.reason in _OF_ONE_PICTURE


def log_failure(refusal: Refusal, error: Exception, attempt: int) -> None:
    """Tell the operator of a failed call. Not the endpoint's own text: it may repeat the key."""
    log.warning(
        "caption_call_failed",
        reason=refusal.reason.value,
        status=refusal.status,
        error=type(error).__name__,
        attempt=attempt,
        advice=_ADVICE.get(refusal.reason, ""),
    )
