"""Starts an opener in a process of its own and hands on what it finds, one part at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any, BinaryIO, cast

import structlog

from services.common.errors import InvalidRequestError, rebuild
from workers.sandbox.parts import Part, read_parts

log = structlog.get_logger(__name__)
_PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR", "HOME")
ERROR = "__error__"
"""The record of a part that ends the opening: `code` and `message` of the error tree."""


@dataclass(frozen=True)
class SandboxLimits:
    """What one opening may take.

    Attributes:
        memory_bytes: Address space; held on Linux alone.
        cpu_s: Processor time.
        silence_s: Longest time without a part.
        start_s: More than that for the first part: a process has to start, on a machine that may be busy.
        part_bytes: Most bytes of one part.
    """

    memory_bytes: int = 4 * 1024**3
    cpu_s: int = 600
    silence_s: float = 120.0
    start_s: float = 30.0
    part_bytes: int = 64 * 1024**2


def open_parts(
    opener: str, file: BinaryIO, arguments: Mapping[str, Any], limits: SandboxLimits = SandboxLimits()
) -> Generator[Part]:
    """Open a container in a process that may die of it.

    The process waits whenever the caller does, so nothing piles up. It ends with the iterator.

    Args:
        opener: A module with a function `open_parts`, see `workers.sandbox.child.Opener`.
        file: The container, opened and checked by the caller; it may be read in any order.
        arguments: For the opener; JSON.
        limits: On the process.

    Raises:
        ImageragError: What the opener said.
        InvalidRequestError: The process died, or took more than it may.
    """
    command = [sys.executable, "-m", "workers.sandbox", opener, str(file.fileno())]
    process = subprocess.Popen(  # noqa: S603 - our own module
        [*command, json.dumps(dict(arguments)), json.dumps(asdict(limits))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        pass_fds=(file.fileno(),),
        # Signals of a terminal or of the pool are for the caller, who ends this process with its own.
        start_new_session=True,
        env=bare_environment(),
    )
    with process:
        try:
            yield from _told(process, limits)
        finally:
            process.kill()


def bare_environment() -> dict[str, str]:
    """What a process in the sandbox is told: no address and no key of another service."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def _told(process: subprocess.Popen[bytes], limits: SandboxLimits) -> Iterator[Part]:
    parts = read_parts(cast(IO[bytes], process.stdout), limits.part_bytes)  # type: ignore[arg-type]
    patience_s = limits.silence_s + limits.start_s
    while True:
        timer = threading.Timer(patience_s, process.kill)
        timer.start()
        try:
            part = next(parts, None)
        except ValueError as error:
            raise _died(process, limits) from error
        finally:
            timer.cancel()
        patience_s = limits.silence_s
        if part is None:
            if process.wait():
                raise _died(process, limits)
            return
        if ERROR in part.record:
            raise rebuild(str(part.record[ERROR]), str(part.record.get("message", "")))
        yield part


def _died(process: subprocess.Popen[bytes], limits: SandboxLimits) -> InvalidRequestError:
    process.kill()
    status = process.wait()
    log.warning("sandbox_died", status=status)
    if status == -signal.SIGXCPU:
        return InvalidRequestError(
            f"Reading the file took more than {limits.cpu_s} s of processor time. Split it."
        )
    if status == -signal.SIGKILL:
        return InvalidRequestError(
            f"Reading the file was stopped: nothing came for {limits.silence_s:g} s, or memory ran out. Split it."
        )
    return InvalidRequestError("The file ended the process that read it. It is damaged; export it anew.")
