"""Jobs as a person follows and checks them, against a real HTTP server that plays the gateway's part."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from rich.console import Console

from services.cli.errors import CliError
from services.cli.jobs.proving import proof_table, verify
from services.cli.jobs.watching import follow_events, pace, watch
from services.cli.output import Output
from services.cli.rest.client import RestClient

JOB: dict[str, Any] = {
    "id": "j",
    "state": "running",
    "listed": True,
    "total": 100,
    "pending": 40,
    "rate_per_s": 4.0,
    "eta_s": 10.0,
}
DONE = {**JOB, "state": "done", "pending": 0, "eta_s": 0.0}
PROOF: dict[str, Any] = {
    **dict.fromkeys(
        ("merged", "superseded", "failed", "skipped", "pending", "replaced", "deleted", "incomplete"), 0
    ),
    "total": 3,
    "checked": 3,
    "stored": 3,
    "present": 3,
    "listed": True,
    "cancelled": False,
    "job_id": "j",
    "proven": True,
    "duplicates": dict.fromkeys(("linked_exact", "linked_near", "skipped_exact", "skipped_near"), 0),
    "firsts_deleted": 0,
    "faults": {},
    "findings": [],
}
LOST = {"line": 1, "name": "cat.jpg", "id": "x", "fault": "not_stored"}
BROKEN = {**PROOF, "proven": False, "present": 2, "faults": {"not_stored": 30}, "findings": [LOST]}


def encoded(*events: tuple[str, Any]) -> bytes:
    return b"".join(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode() for name, data in events)


@contextmanager
def gateway(*answers: bytes | int) -> Iterator[RestClient]:
    """Gives each answer once: the bytes of a stream, which then breaks off, or a status."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = left.pop(0)
            self.send_response(answer if isinstance(answer, int) else 200)
            self.end_headers()
            if isinstance(answer, bytes):
                self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name in the base class)
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        with RestClient(f"http://127.0.0.1:{server.server_port}") as client:
            yield client
    finally:
        server.shutdown()
        server.server_close()


def shown(document: Any) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(proof_table(document))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_job_is_watched_over_a_restart_of_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.cli.jobs.watching._PAUSE_S", 0.01)
    with gateway(encoded(("progress", JOB)), 503, encoded(("progress", JOB), ("done", DONE))) as client:
        assert watch(client, "j", Output(as_json=True)) == DONE


def test_what_will_not_pass_ends_the_watching() -> None:
    with gateway(404) as client, pytest.raises(CliError):
        list(follow_events(client, "j"))
    with gateway(b"") as client, pytest.raises(CliError, match="broke off"):
        list(follow_events(client, "j", patience_s=0))
    problem = {"code": "internal", "detail": "Something failed."}
    with gateway(encoded(("progress", JOB), ("error", problem))) as client, pytest.raises(CliError) as caught:
        list(follow_events(client, "j"))
    assert caught.value.code == "internal"


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (JOB, "4.0/s, 0:10 left"),
        ({**JOB, "eta_s": 3725.0}, "4.0/s, 1:02:05 left"),
        ({**JOB, "eta_s": None, "listed": False}, "4.0/s, still reading the source"),
        ({**JOB, "eta_s": None, "rate_per_s": None}, ""),
        ({**JOB, "state": "paused"}, "paused"),
    ],
)
def test_rate_and_time_left_are_said_in_words(job: dict[str, Any], text: str) -> None:
    assert pace(job) == text


def test_a_proof_comes_after_its_progress() -> None:
    events = encoded(("progress", {"checked": 2, "total": 3}), ("done", PROOF))
    with gateway(events) as client:
        assert verify(client, "j", Output(as_json=True)) == PROOF
    with gateway(encoded(("progress", {"checked": 2, "total": 3}))) as client, pytest.raises(CliError):
        verify(client, "j", Output(as_json=True))


def test_the_table_says_whether_it_is_proven_and_what_is_wrong() -> None:
    assert "Everything is accounted for" in shown(PROOF)
    broken = shown(BROKEN)
    assert "cat.jpg" in broken
    assert "said to be stored, and not there" in broken
    assert "29 more" in broken
    assert "Not proven" in broken
    assert "7 items have no end yet" in shown({**PROOF, "proven": False, "pending": 7})
    cancelled = {**PROOF, "proven": False, "pending": 7, "cancelled": True}
    assert "cancelled, and 7 items were never done" in shown(cancelled)
    assert "not read to the end" in shown({**PROOF, "proven": False, "listed": False})
