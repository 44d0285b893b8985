"""What answers mean, and when to ask again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import UrlError, UrlUnreachableError
from workers.fetching.answers import Answer
from workers.fetching.passing import PassingError, pause_s, retry_after_s
from workers.fetching.silent_hosts import SilentHosts

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_say_where_it_lies(status: int) -> None:
    assert Answer(status, [(b"LOCATION", "/ü".encode())]).redirect == "/ü"
    assert Answer(status, [(b"Location", b"/\xfc")]).redirect == "/ü"
    with pytest.raises(UrlError, match="does not say where"):
        _ = Answer(status).redirect


@pytest.mark.parametrize("status", [200, 203, 300, 304, 404])
def test_others_do_not_redirect(status: int) -> None:
    assert Answer(status, [(b"location", b"/b")]).redirect is None


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_some_answers_may_be_others_later(status: int) -> None:
    with pytest.raises(PassingError) as raised:
        Answer(status, [(b"Retry-After", b"7")]).check(NOW)
    assert raised.value.after_s == 7


@pytest.mark.parametrize("status", [100, 201, 204, 206, 300, 304, 400, 401, 403, 404, 410, 418, 451, 501, 999])
def test_others_will_not(status: int) -> None:
    with pytest.raises(UrlError, match=f"The server answers {status}"):
        Answer(status).check(NOW)


def test_what_is_packed_is_not_taken() -> None:
    Answer(200, [(b"Content-Encoding", b"identity")]).check(NOW)
    for packed in (b"gzip", b"br", b"identity, gzip"):
        with pytest.raises(UrlError, match="compressed"):
            Answer(200, [(b"Content-Encoding", packed)]).check(NOW)


def test_headers_are_read_with_care() -> None:
    assert Answer(200, [(b"Content-Length", b"12")]).announced_bytes == 12
    assert Answer(200, [(b"Content-Length", b"-1")]).announced_bytes is None
    assert Answer(200, [(b"Content-Length", "１".encode())]).announced_bytes is None
    assert Answer(200, [(b"Content-Type", b"Text/HTML; charset=x")]).content_type == "text/html"
    assert Answer(200).content_type == ""


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("Fri, 01 May 2026 12:00:30 GMT", 30),
        ("Fri, 01 May 2026 11:00:00 GMT", 0),
        ("Fri, 01 May 2026 12:00:30", 30),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_when_a_host_wants_to_be_asked_again(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds


@given(st.text(max_size=40))
def test_no_header_is_too_odd(header: str) -> None:
    wait_s = retry_after_s(header, NOW)
    assert wait_s is None or wait_s >= 0


def test_pauses_grow_and_are_never_shorter_than_asked_for() -> None:
    assert [pause_s(tries, None) for tries in (1, 2, 3)] == [0.5, 2.0, 8.0]
    assert pause_s(1, 5) == 5
    assert pause_s(3, 5) == 8


def test_a_host_that_is_silent_rests_and_is_then_asked_once() -> None:
    now = [1000.0]
    hosts = SilentHosts(lambda: now[0])
    for _ in range(8):
        hosts.check("a.b", 80)
        hosts.failed("a.b", 80)
    for _ in range(2):
        with pytest.raises(UrlUnreachableError, match="8 times in a row"):
            hosts.check("a.b", 80)
    hosts.check("a.b", 443)
    hosts.check("c.d", 80)
    now[0] += 61
    hosts.check("a.b", 80)
    with pytest.raises(UrlUnreachableError):
        hosts.check("a.b", 80)  # one is on its way
    hosts.answered("a.b", 80)
    hosts.check("a.b", 80)
    hosts.failed("a.b", 80)
    hosts.check("a.b", 80)
