"""The REST client against a real HTTP server that plays the gateway's part."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.errors import EXIT_UNREACHABLE, CliError
from services.cli.rest.client import RestClient
from services.cli.rest.events import Event, read_events
from services.cli.rest.problems import retry_after_s


@dataclass
class Played:
    """Answers to give, in order, and the requests that came: method, path, authorization, body."""

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    requests: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)
    url: str = ""

    def answer(self, status: int, document: Any = None, headers: dict[str, str] | None = None) -> None:
        self.answers.append((status, headers or {}, b"" if document is None else json.dumps(document).encode()))


@pytest.fixture
def played() -> Iterator[Played]:
    state = Played()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _play(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.requests.append((self.command, self.path, self.headers.get("Authorization"), body))
            status, headers, data = state.answers.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _play  # noqa: N815 (the base class's names)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name in the base class)
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()


PROBLEM = {"code": "invalid_filter", "detail": "price: no such operator", "request_id": "r-1"}


def test_the_key_is_sent_and_the_answer_read(played: Played) -> None:
    played.answer(200, {"model": "starter"})
    with RestClient(played.url + "/", "secret") as client:
        assert client.info() == {"model": "starter"}
    assert played.requests == [("GET", "/v1/info", "Bearer secret", b"")]


def test_a_problem_becomes_its_sentence_and_code(played: Played) -> None:
    played.answer(422, PROBLEM)
    with RestClient(played.url) as client, pytest.raises(CliError) as caught:
        client.search({"text": "cat"})
    assert (caught.value.message, caught.value.code) == ("price: no such operator", "invalid_filter")
    assert caught.value.document()["error"]["request_id"] == "r-1"


def test_an_answer_that_is_not_ours_is_said(played: Played) -> None:
    played.answer(404)
    played.answer(200, ["a list"])
    with RestClient(played.url) as client:
        with pytest.raises(CliError, match="answered 404"):
            client.info()
        with pytest.raises(CliError, match="does not speak"):
            client.info()


def test_not_now_is_waited_out_and_then_given_up(played: Played) -> None:
    for _ in range(2):
        played.answer(503, {"code": "unavailable", "detail": "The broker is away."}, {"Retry-After": "0"})
    played.answer(202, {"job_id": "j"})
    with RestClient(played.url, patience_s=5.0) as client:
        assert client.create_job([{"text": "x"}]) == {"job_id": "j"}
    played.answer(429, {"code": "exhausted", "detail": "Too much."}, {"Retry-After": "30"})
    with RestClient(played.url, patience_s=1.0) as client, pytest.raises(CliError, match="Too much"):
        client.create_job([{"text": "x"}])
    assert len(played.requests) == 4


def test_without_patience_there_is_one_try(played: Played) -> None:
    played.answer(503, {"code": "unavailable", "detail": "away"}, {"Retry-After": "0"})
    with RestClient(played.url) as client, pytest.raises(CliError) as caught:
        client.info()
    assert caught.value.exit_code == EXIT_UNREACHABLE


def test_no_cluster_is_said_at_once() -> None:
    started = time.monotonic()
    with RestClient("http://127.0.0.1:1") as client, pytest.raises(CliError, match="No cluster answers") as caught:
        client.info()
    assert time.monotonic() - started < 5
    assert "imagerag up" in caught.value.fix


def test_a_word_that_is_no_address_is_said() -> None:
    with RestClient("ftp://nowhere") as client, pytest.raises(CliError, match="failed"):
        client.info()


def test_failures_are_read_page_by_page(played: Played) -> None:
    played.answer(200, {"failures": [{"line": 1}, {"line": 4}], "next": 4})
    played.answer(200, {"failures": [{"line": 9}], "next": None})
    with RestClient(played.url) as client:
        assert [failure["line"] for failure in client.failures("a/b")] == [1, 4, 9]
    assert played.requests[1][1] == "/v1/jobs/a%2Fb/failures?limit=500&after=4"


def test_media_is_asked_for_before_it_is_put(played: Played) -> None:
    played.answer(404)
    played.answer(200)
    with RestClient(played.url) as client:
        assert not client.has_media("0" * 64)
        assert client.has_media("0" * 64)


def test_what_is_missing_is_named(played: Played) -> None:
    played.answer(503, {"ready": False, "missing": ["store"]})
    with RestClient(played.url, patience_s=30.0) as client:
        assert client.missing() == ["store"]


def test_a_picture_travels_with_its_query(played: Played) -> None:
    played.answer(200, {"hits": []})
    with RestClient(played.url) as client:
        client.search({"limit": 3}, b"\xff\xd8picture")
    body = played.requests[0][3]
    assert b'name="image"' in body
    assert b"\xff\xd8picture" in body
    assert b'{"limit": 3}' in body


def test_an_answer_streams(played: Played) -> None:
    stream = b'event: text\ndata: {"text": "A "}\n\n: still here\n\nevent: done\ndata: {"answer": "A "}\n\n'
    played.answers.append((200, {"Content-Type": "text/event-stream"}, stream))
    with RestClient(played.url) as client, client.ask_stream({"question": "?"}) as events:
        assert [event.name for event in events] == ["text", "done"]


def test_an_error_before_the_stream_is_an_error(played: Played) -> None:
    played.answer(422, PROBLEM)
    with RestClient(played.url) as client, pytest.raises(CliError, match="no such operator"):  # noqa: SIM117
        with client.ask_stream({"question": "?"}):
            pass


NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
DATA = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@given(st.lists(st.tuples(NAMES, DATA), max_size=5))
def test_any_events_are_read_back(sent: list[tuple[str, Any]]) -> None:
    lines: list[str] = []
    for name, data in sent:
        lines += [": a comment", f"event: {name}", f"data: {json.dumps(data)}", ""]
    assert list(read_events(lines)) == [Event(name, data) for name, data in sent]


def test_an_event_that_breaks_off_is_not_given() -> None:
    assert list(read_events(["event: text", 'data: {"text": "A"}'])) == []


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])) | st.floats().map(str))
def test_any_retry_after_is_a_bounded_wait(header: str) -> None:
    wait_s = retry_after_s(httpx.Response(503, headers={"Retry-After": header}), 1.0)
    assert 0 <= wait_s <= 60
