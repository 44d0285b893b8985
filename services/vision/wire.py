"""Calls and answers in OpenAI's chat format. Pure but for the decoding of pictures."""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.common.errors import ImageragError, InvalidRequestError, Kind, NotFoundError
from services.common.media.images import ImageLimits, decode_rgb
from services.vision.conversation import Role, Turn, Wish, Written

_STATUS = {
    Kind.INVALID: 400,
    Kind.UNSUPPORTED_MEDIA: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.NOT_FOUND: 404,
    Kind.TOO_LARGE: 413,
    Kind.UNAVAILABLE: 503,
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Url(_Model):
    url: str


class _TextPart(_Model):
    type: Literal["text"]
    text: str


class _PicturePart(_Model):
    type: Literal["image_url"]
    image_url: _Url


class _Message(_Model):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_TextPart | _PicturePart]


class _Form(_Model):
    type: str


class _Call(_Model):
    model: str
    messages: list[_Message] = Field(min_length=1, max_length=256)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    stream: bool = False
    response_format: _Form = _Form(type="text")
    n: Literal[1] | None = None


@dataclass(frozen=True)
class CallLimits:
    """What one call may ask for.

    Attributes:
        answer_tokens: Most tokens of an answer.
        pictures: Most pictures.
        picture_px: Longest side that the model is shown.
        images: Pictures that are decoded at all.
    """

    answer_tokens: int
    pictures: int
    picture_px: int
    images: ImageLimits


def read_call(body: bytes, model: str, limits: CallLimits) -> Wish:
    """A call as a wish. Decodes pictures: call it in a thread.

    Args:
        body: JSON.
        model: The one that is served.
        limits: What may be asked for.

    Raises:
        InvalidRequestError: It is no such call, or asks for what is not there.
        NotFoundError: Another model is asked for.
        ImageError: A picture cannot be read.
    """
    try:
        call = _Call.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise InvalidRequestError(f"{where}: {first['msg']}") from None
    if call.model != model:
        raise NotFoundError(f"The model {call.model[:80]!r} is not served here, but {model!r}.")
    if call.response_format.type != "text":
        raise InvalidRequestError(
            "response_format: this server cannot hold its model to a format; ask it in words."
        )
    wished_tokens = call.max_completion_tokens or call.max_tokens or limits.answer_tokens
    return Wish(
        turns=_turns(call.messages, limits),
        answer_tokens=min(wished_tokens, limits.answer_tokens),
        temperature=call.temperature or 0.0,
        streams=call.stream,
    )


def _turns(messages: Sequence[_Message], limits: CallLimits) -> list[Turn]:
    """The turns; instructions stand at the beginning of the user's next one, for many templates know no others."""
    pictures = sum(
        part.type == "image_url" for each in messages if isinstance(each.content, list) for part in each.content
    )
    if pictures > limits.pictures:
        raise InvalidRequestError(f"At most {limits.pictures} image(s) may be provided in one call.")
    turns: list[Turn] = []
    instructions: list[str | Image.Image] = []
    for message in messages:
        parts = _parts(message, limits)
        if message.role in ("system", "developer"):
            instructions.extend(parts)
            continue
        role: Role = "assistant" if message.role == "assistant" else "user"
        if role == "user":
            parts, instructions = [*instructions, *parts], []
        turns.append(Turn(role, parts))
    if not turns or turns[-1].role != "user":
        raise InvalidRequestError("messages: the last one must be the user's.")
    return turns


def _parts(message: _Message, limits: CallLimits) -> list[str | Image.Image]:
    if isinstance(message.content, str):
        return [message.content]
    return [
        part.text if isinstance(part, _TextPart) else _picture(part.image_url.url, limits)
        for part in message.content
    ]


def _picture(url: str, limits: CallLimits) -> Image.Image:
    """Nothing is fetched: a server that opens addresses of strangers opens those of its own network."""
    head, _, encoded = url.partition(",")
    if not (head.startswith("data:image/") and head.endswith(";base64")):
        raise InvalidRequestError("image_url: write the picture itself: data:image/jpeg;base64,...")
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise InvalidRequestError("image_url: this is not base64.") from None
    picture = decode_rgb(data, limits.images, at_least_px=limits.picture_px)
    picture.thumbnail((limits.picture_px, limits.picture_px), Image.Resampling.BICUBIC)
    return picture


class AnswerFormat:
    """One answer in the format of the interface.

    Args:
        model: Who writes.
    """

    def __init__(self, model: str) -> None:
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    def whole(self, written: Written) -> dict[str, Any]:
        """The answer at once."""
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": written.text},
            "finish_reason": _reason(written),
        }
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": _usage(written)}

    def chunk(self, piece: str) -> dict[str, Any]:
        """A further piece of a streamed answer."""
        return self._chunk({"role": "assistant", "content": piece}, None)

    def last_chunk(self, written: Written) -> dict[str, Any]:
        """The end of a streamed answer."""
        return {**self._chunk({}, _reason(written)), "usage": _usage(written)}

    def _chunk(self, delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}


def error_body(error: ImageragError) -> tuple[int, dict[str, Any]]:
    """Status and body of an error."""
    return _STATUS.get(error.kind, 500), {
        "error": {"message": error.message, "type": error.kind.value, "code": error.code}
    }


def model_list(model: str) -> dict[str, Any]:
    """The one model that there is."""
    return {"object": "list", "data": [{"id": model, "object": "model", "created": 0, "owned_by": "local"}]}


def _reason(written: Written) -> str:
    return "stop" if written.is_whole else "length"


def _usage(written: Written) -> dict[str, int]:
    total = written.prompt_tokens + written.answer_tokens
    return {
        "prompt_tokens": written.prompt_tokens,
        "completion_tokens": written.answer_tokens,
        "total_tokens": total,
    }
