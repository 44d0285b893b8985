"""What is tried again, after which wait, and what a failure means."""

from __future__ import annotations

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.chat.refusals import Reason, Refusal, refusal_of, retry_after_s
from services.common.chat.retries import Retries
from services.common.errors import DeadlineError, ModelRefusedError, OverloadedError, UnavailableError

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")


def failed(status: int, message: str = "", **headers: str) -> openai.APIStatusError:
    response = httpx2.Response(
        status, headers={k.replace("_", "-"): v for k, v in headers.items()}, request=REQUEST
    )
    return openai.APIStatusError(message, response=response, body={"message": message, "code": None})


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (failed(429), Reason.BUSY),
        (failed(500), Reason.OUTAGE),
        (failed(503), Reason.OUTAGE),
        (failed(529), Reason.OUTAGE),
        (failed(504), Reason.LATE),
        (failed(401), Reason.KEY),
        (failed(403), Reason.KEY),
        (failed(404, "The model does not exist"), Reason.MODEL),
        (failed(400, "This model's maximum context length is 4096 tokens"), Reason.CONTEXT),
        (failed(400, "The input (9000 tokens) is longer than the model's context length"), Reason.CONTEXT),
        (failed(400, "the request exceeds the available context size"), Reason.CONTEXT),
        (failed(413), Reason.CONTEXT),
        (failed(400, "At most 0 image(s) may be provided in one prompt."), Reason.PICTURES),
        (failed(400, "m is not a multimodal model"), Reason.PICTURES),
        (failed(500, "image input is not supported by this server"), Reason.PICTURES),
        (failed(400, "Unsupported parameter: 'max_tokens'"), Reason.REQUEST),
        (failed(302), Reason.REQUEST),
        (TimeoutError(), Reason.LATE),
        (openai.APITimeoutError(REQUEST), Reason.LATE),
        (openai.APIConnectionError(request=REQUEST), Reason.OUTAGE),
        (httpx2.RemoteProtocolError("cut"), Reason.OUTAGE),
    ],
)
def test_what_a_failure_means(error: Exception, reason: Reason) -> None:
    refusal = refusal_of(error)
    assert refusal is not None
    assert refusal.reason is reason


def test_a_fault_of_our_own_is_not_the_endpoints() -> None:
    assert refusal_of(KeyError("x")) is None


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_an_error(reason: Reason) -> None:
    error = Refusal(reason).as_error()
    assert isinstance(error, OverloadedError | UnavailableError | DeadlineError | ModelRefusedError)
    assert (error.retry_after_s is not None) == (reason in (Reason.BUSY, Reason.OUTAGE))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after_ms": "250", "retry_after": "7"}, 0.25),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry_after": "-1"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "1e9"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_is_asked_for(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(failed(429, **headers).response.headers) == expected


@given(
    st.integers(1, 12),
    st.sampled_from(Reason),
    st.none() | st.floats(0, 100),
    st.floats(0, 200),
    st.floats(0, 1),
)
def test_waits_keep_every_bound(
    attempt: int, reason: Reason, wished: float | None, left: float, jitter: float
) -> None:
    retries = Retries(limit=3, base_s=0.5, cap_s=8.0)
    wait = retries.wait_s(attempt, Refusal(reason, retry_after_s=wished), left, jitter)
    if wait is None:
        assert attempt > 3 or reason not in (Reason.OUTAGE, Reason.BUSY) or (wished or 0) > 8 or left <= 8
    else:
        assert attempt <= 3
        assert (wished or 0.0) <= wait <= 8.0
        assert wait < left


def test_waits_double() -> None:
    waits = [Retries(limit=9).wait_s(attempt, Refusal(Reason.OUTAGE), 100.0, 1.0) for attempt in range(1, 7)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
