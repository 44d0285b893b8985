"""A `services.common.runtime.Server` over uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from services.common.web.header_deadline import protocol_with_header_deadline


class _QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers: the runtime has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves one ASGI application.

    Args:
        app: The application.
        host: Address to bind.
        port: Port to bind; 0 takes a free one.
        keep_alive_s: Idle connections are closed after this time.
        header_s: A connection whose request header is not complete after this time is closed.
    """

    def __init__(
        self, app: ASGIApp, host: str, port: int, *, keep_alive_s: float = 75.0, header_s: float = 10.0
    ) -> None:
        self._app, self._host, self._port = app, host, port
        self._keep_alive_s, self._header_s = keep_alive_s, header_s
        self._server: _QuietServer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Bind and answer.

        Returns:
            The bound `host:port`.

        Raises:
            OSError: The address is taken.
        """
        listener = _listen(self._host, self._port)
        config = uvicorn.Config(
            self._app,
            http=protocol_with_header_deadline(self._header_s),
            access_log=False,
            log_config=None,
            timeout_keep_alive=int(self._keep_alive_s),
            lifespan="on",
            server_header=False,
            # uvicorn would believe X-Forwarded-For from loopback, and take more from the environment.
            proxy_headers=False,
        )
        self._server = _QuietServer(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        if self._task.done():
            self._task.result()
            raise RuntimeError("The HTTP application did not start; the log has the reason.")
        return f"{self._host}:{listener.getsockname()[1]}"

    async def stop(self, grace_s: float) -> None:
        """Refuse new connections, let running requests finish within `grace_s`."""
        if self._server is None or self._task is None:
            return
        self._server.config.timeout_graceful_shutdown = max(1, int(grace_s))
        self._server.should_exit = True
        await self._task


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY on every connection; without it each answer waits 40 ms
    # for the client's delayed acknowledgement (measured on loopback).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener
