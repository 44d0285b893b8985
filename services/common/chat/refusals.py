"""What a failed call to the endpoint means. Nothing that the endpoint wrote gets into an error."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum

import httpx2
import openai

from services.common.errors import (
    DeadlineError,
    ImageragError,
    ModelRefusedError,
    OverloadedError,
    UnavailableError,
)

DEFAULT_RETRY_AFTER_S = 5.0
_RETRY_AFTER_LIMIT_S = 3_600.0
_CONTEXT = re.compile(
    r"context.{0,20}(?:length|size|window)|(?:too|is) (?:long|large)|longer than|maximum.{0,20}tokens|exceed", re.I
)
_NO_PICTURES = re.compile(r"image|multi-?modal|vision|content.{0,30}(?:string|array|type)", re.I)
_LOOK = "Its operator has to look at the settings; the log says at which."


class Reason(Enum):
    """Why a call failed, as its maker acts on it."""

    OUTAGE = "outage"
    BUSY = "busy"
    LATE = "late"
    CONTEXT = "context_too_long"
    PICTURES = "pictures_refused"
    KEY = "key_refused"
    MODEL = "model_unknown"
    REQUEST = "request_refused"


@dataclass(frozen=True)
class Refusal:
    """A failed call.

    Attributes:
        status: HTTP status; 0 if there was none.
        retry_after_s: What the endpoint asked for.
    """

    reason: Reason
    status: int = 0
    retry_after_s: float | None = None

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed in a moment."""
        return self.reason in (Reason.OUTAGE, Reason.BUSY)

    def as_error(self, *, begun: bool = False) -> ImageragError:
        """The error that a caller is shown.

        Args:
            begun: A part of the answer has been shown already.
        """
        if self.reason is Reason.BUSY:
            wait_s = DEFAULT_RETRY_AFTER_S if self.retry_after_s is None else self.retry_after_s
            return OverloadedError("The language model has too much to do. Ask again later.", retry_after_s=wait_s)
        if self.reason is Reason.LATE:
            return DeadlineError("The language model did not answer in time.")
        if self.reason is Reason.OUTAGE:
            what = "broke off in the middle of its answer" if begun else "does not answer"
            return UnavailableError(
                f"The language model {what}. Ask again later.", retry_after_s=DEFAULT_RETRY_AFTER_S
            )
        return ModelRefusedError(f"The language model refused the call. {_LOOK}")


def refusal_of(error: Exception) -> Refusal | None:
    """What `error` of a call means; None if it is a fault of our own."""
    if isinstance(error, openai.APIStatusError):
        return _of_status(error)
    if isinstance(error, TimeoutError | openai.APITimeoutError | httpx2.ReadTimeout):
        return Refusal(Reason.LATE)
    if isinstance(error, openai.APIError | httpx2.HTTPError | httpx2.StreamError | json.JSONDecodeError):
        return Refusal(Reason.OUTAGE)
    # Bytes that are no UTF-8, or JSON of another shape than a chunk's.
    return Refusal(Reason.OUTAGE) if isinstance(error, UnicodeDecodeError | MalformedChunkError) else None


class MalformedChunkError(Exception):
    """The endpoint sent something that is no part of an answer. Never leaves this package."""


def _of_status(error: openai.APIStatusError) -> Refusal:
    status, text = error.status_code, _text_of(error)
    if status == 429:
        return Refusal(Reason.BUSY, status, retry_after_s(error.response.headers))
    if status == 503:
        return Refusal(Reason.OUTAGE, status, retry_after_s(error.response.headers))
    if status in (408, 504):
        return Refusal(Reason.LATE, status)
    if status in (401, 403):
        return Refusal(Reason.KEY, status)
    if status == 404:
        return Refusal(Reason.MODEL, status)
    # llama.cpp's server answers 500 to a picture that its model cannot take.
    if status >= 500:
        return Refusal(Reason.PICTURES if "image input" in text else Reason.OUTAGE, status)
    if status == 413 or (status in (400, 422) and _CONTEXT.search(text)):
        return Refusal(Reason.CONTEXT, status)
    return Refusal(Reason.PICTURES if _NO_PICTURES.search(text) else Reason.REQUEST, status)


def _text_of(error: openai.APIStatusError) -> str:
    """Code and message, only ever searched for words."""
    return f"{error.code or ''} {error.message}"[:2_000]


def retry_after_s(headers: httpx2.Headers) -> float | None:
    """The wait that `Retry-After` (in seconds) or `retry-after-ms` asks for; None if there is none."""
    for name, factor in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name, "")) * factor
        except ValueError:
            continue
        if 0 <= wait_s <= _RETRY_AFTER_LIMIT_S:
            return wait_s
    return None
