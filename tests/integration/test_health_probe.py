"""The probe of the containers against real servers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from services.common.rpc.server import RpcServer


@pytest.fixture
async def server() -> AsyncIterator[RpcServer]:
    made = RpcServer("127.0.0.1", 0, ["tests.Nothing"], lambda _server: None)
    yield made
    await made.stop(0)


async def probe(address: str, *arguments: str) -> int:
    """Exit status of the probe, told the address as a container's environment tells it."""
    _, port = address.rsplit(":", 1)
    environment = os.environ | {"IMAGERAG_DOOR_HOST": "0.0.0.0", "IMAGERAG_DOOR_PORT": port}
    command = [sys.executable, "-m", "services.common.health", "door", *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert "Traceback" not in done.stderr
    return done.returncode


async def test_grpc_is_asked_for_all_or_for_one_name(server: RpcServer) -> None:
    address = await server.start()
    assert await probe(address) == 0
    assert await probe(address, "--service", "tests.Nothing") == 0
    assert await probe(address, "--service", "tests.Unknown") == 1
    await server.set_serving(False)
    assert await probe(address) == 1


async def test_nobody_there_is_not_well() -> None:
    assert await probe("127.0.0.1:9") == 1
    assert await probe("127.0.0.1:9", "--http", "/healthz") == 1


async def test_a_page_must_answer_200() -> None:
    with pages() as address:
        assert await probe(address, "--http", "/healthz") == 0
        assert await probe(address, "--http", "/other") == 1


async def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGERAG_LOG_LEVEL", "loud")
    assert await probe("127.0.0.1:9") == 2


@contextmanager
def pages() -> Iterator[str]:
    """A server of one page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
