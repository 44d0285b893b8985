"""The uniform start: settings, logs, compose, serve, wait for SIGTERM or Ctrl-C, drain, stop."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

import structlog

from services.common.settings import ServiceSettings, SettingsError, load_settings
from services.common.telemetry.export import tracing
from services.common.telemetry.logs import configure_logs
from services.common.telemetry.metrics import serve_metrics, set_build_info

S = TypeVar("S", bound=ServiceSettings)
log = structlog.get_logger(__name__)


class Server(Protocol):
    """Something that listens: a gRPC or an HTTP server."""

    async def start(self) -> str:
        """Begin to answer; return the bound `host:port`."""

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, let running ones finish for `grace_s` seconds, then end them."""


Compose = Callable[[S], AbstractAsyncContextManager[Server]]


def run(name: str, settings_type: type[S], compose: Compose[S]) -> NoReturn:
    """Be the deployable `name`: parse `--check`, then serve until told to stop.

    Args:
        name: For logs, e.g. "encoder".
        settings_type: Read from the environment; a wrong one ends the process with status 2.
        compose: The deployable's composition root; opens what it needs in order and closes it in reverse.
    """
    parser = argparse.ArgumentParser(prog=f"python -m services.{name}")
    parser.add_argument("--check", action="store_true", help="compose everything, serve nothing, and end")
    arguments = parser.parse_args()
    try:
        settings = load_settings(settings_type)
    except SettingsError as error:
        print(f"{name}: wrong settings\n{error}", file=sys.stderr)
        sys.exit(2)
    configure_logs(name, settings.log_level, settings.log_format)
    set_build_info(name)
    with tracing(name, settings.otlp_endpoint, settings.trace_ratio):
        status = asyncio.run(_main(name, settings, compose, check=arguments.check))
    sys.exit(status)


async def _main(name: str, settings: S, compose: Compose[S], *, check: bool) -> int:
    try:
        async with compose(settings) as server:
            if check:
                print(f"{name}: ok")
                return 0
            await _serve(name, settings, server)
    except SettingsError as error:
        log.error("wrong_settings", service=name, detail=str(error))
        return 2
    return 0


async def _serve(name: str, settings: ServiceSettings, server: Server) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    address = await server.start()
    if settings.metrics_port is not None:
        serve_metrics(settings.host, settings.metrics_port)
    if settings.announce_path is not None:
        announce(settings.announce_path, address)
    log.info("serving", service=name, address=address)
    await stop.wait()
    log.info("stopping", service=name, grace_s=settings.drain_s)
    await server.stop(settings.drain_s)


def announce(path: Path, text: str) -> None:
    """Write `text` to `path` so that a reader sees all of it or none."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
