"""Calls in OpenAI's format: what is read, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from services.common.errors import ImageError, ImageragError, InvalidRequestError, NotFoundError
from services.common.media.images import ImageLimits
from services.vision.conversation import Written
from services.vision.wire import AnswerFormat, CallLimits, error_body, read_call
from tests.fixtures.gateway import drawn_picture

LIMITS = CallLimits(answer_tokens=100, pictures=2, picture_px=64, images=ImageLimits(1 << 20, 1_000_000))
MODEL = "tiny"


def url(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def part(address: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": address}}


def body(*messages: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"model": MODEL, "messages": list(messages), **fields}).encode()


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_instructions_stand_before_the_users_words() -> None:
    call = body(
        {"role": "system", "content": "Be brief."},
        user([part(url(drawn_picture(1, 320, 240))), {"type": "text", "text": "What is it?"}]),
        temperature=0.7,
        stream=True,
        max_tokens=50,
    )
    wish = read_call(call, MODEL, LIMITS)
    (turn,) = wish.turns
    instructions, picture, question = turn.parts
    assert (instructions, question, turn.role) == ("Be brief.", "What is it?", "user")
    assert isinstance(picture, Image.Image)
    assert picture.size == (64, 48)
    assert (wish.temperature, wish.streams, wish.answer_tokens) == (0.7, True, 50)


@pytest.mark.parametrize(
    ("fields", "tokens"), [({}, 100), ({"max_tokens": 5000}, 100), ({"max_completion_tokens": 7}, 7)]
)
def test_an_answer_has_a_bound(fields: dict[str, int], tokens: int) -> None:
    assert read_call(body(user("x"), **fields), MODEL, LIMITS).answer_tokens == tokens


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (b"{", InvalidRequestError, "JSON"),
        (b"[]", InvalidRequestError, "body"),
        (body(), InvalidRequestError, "messages"),
        (body({"role": "assistant", "content": "x"}), InvalidRequestError, "user's"),
        (body({"role": "system", "content": "x"}), InvalidRequestError, "user's"),
        (body({"role": "tool", "content": "x"}), InvalidRequestError, "role"),
        (body(user([{"type": "video_url"}])), InvalidRequestError, "content"),
        (body(user("x"), n=2), InvalidRequestError, "n:"),
        (body(user("x"), temperature=9), InvalidRequestError, "temperature"),
        (body(user("x"), response_format={"type": "json_object"}), InvalidRequestError, "response_format"),
        (body(user("x"), model="other"), NotFoundError, "'tiny'"),
        (body(user([part("http://169.254.169.254/x.png")])), InvalidRequestError, "data:image"),
        (body(user([part("file:///etc/passwd")])), InvalidRequestError, "data:image"),
        (body(user([part("data:image/png;base64,!!")])), InvalidRequestError, "base64"),
        (body(user([part(url(b"GIF89a nothing"))])), ImageError, "."),
        (body(user([part(url(drawn_picture(1)))] * 3)), InvalidRequestError, "At most 2 image"),
        (body(user([part(url(drawn_picture(1, 1500, 900)))])), ImageError, "pixels"),
    ],
)
def test_what_cannot_be_done_is_refused_and_said(call: bytes, error: type[ImageragError], said: str) -> None:
    with pytest.raises(error, match=said):
        read_call(call, MODEL, LIMITS)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_nothing_that_is_sent_fails_in_another_way(call: bytes) -> None:
    with pytest.raises(ImageragError):
        read_call(call, MODEL, LIMITS)


def test_an_error_has_the_shape_that_clients_know() -> None:
    status, told = error_body(InvalidRequestError("no"))
    assert (status, told["error"]["message"], told["error"]["code"]) == (400, "no", "invalid_request")


def test_an_answer_that_ran_out_of_tokens_says_so() -> None:
    answer = AnswerFormat(MODEL)
    whole = answer.whole(Written("a", is_whole=True, prompt_tokens=3, answer_tokens=1))
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["usage"] == {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    cut = answer.last_chunk(Written("a", is_whole=False, prompt_tokens=3, answer_tokens=1))
    assert cut["choices"][0]["finish_reason"] == "length"
