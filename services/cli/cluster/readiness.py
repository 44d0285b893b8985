"""Waits until every part of a starting cluster answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from services.cli.cluster.plan import Part, announce_path
from services.cli.cluster.ports import answers
from services.cli.errors import EXIT_UNREACHABLE, CliError
from services.cli.rest.client import RestClient

START_LIMIT_S = 300.0
"""A hub model may have to be fetched; the page says what is missing meanwhile."""
_LOOK_S = 0.1
Ready = Callable[[Part, float], None]
"""Takes a part that answers now and the seconds since the start."""


def wait_for_parts(parts: Sequence[Part], data: Path, ready: Ready, limit_s: float = START_LIMIT_S) -> None:
    """Wait until each part that listens does.

    Raises:
        CliError: Some do not within the limit; names them.
    """
    started = time.monotonic()
    waiting = list(parts)
    while waiting:
        for part in [part for part in waiting if _answers(part, data)]:
            waiting.remove(part)
            ready(part, time.monotonic() - started)
        if waiting and time.monotonic() - started > limit_s:
            raise _too_slow([part.name for part in waiting], data, limit_s)
        time.sleep(_LOOK_S)


def wait_for_gateway(client: RestClient, data: Path, limit_s: float = START_LIMIT_S) -> None:
    """Wait until the gateway finds everything it needs.

    Raises:
        CliError: It does not within the limit; names what is missing.
    """
    until = time.monotonic() + limit_s
    while True:
        missing = client.missing()
        if not missing:
            return
        if time.monotonic() > until:
            raise _too_slow(missing, data, limit_s)
        time.sleep(_LOOK_S)


def _answers(part: Part, data: Path) -> bool:
    if part.announces:
        return announce_path(data, part.name).exists()
    if part.address:
        host, _, port = part.address.rpartition(":")
        return answers(host, int(port))
    return True


def _too_slow(names: Sequence[str], data: Path, limit_s: float) -> CliError:
    return CliError(
        f"Not ready after {limit_s:g} s: {', '.join(names)}.",
        f"Their logs are in {data / 'logs'}.",
        code="not_ready",
        exit_code=EXIT_UNREACHABLE,
    )
