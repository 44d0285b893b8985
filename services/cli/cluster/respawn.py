"""Keeps one process alive: `python -m services.cli.cluster.respawn --log FILE --owner PID -- COMMAND...`.

The Procfile runner stops everything when one process ends. Each part therefore runs under this small parent,
which starts it again after a crash, and ends only when it is told to, when its owner is gone, or when starting
is hopeless.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from services.cli.cluster.processes import is_alive
from services.cli.cluster.restarts import Restarts

GRACE_S = 4.0
"""Below the five seconds after which the runner kills what has not ended."""
_LOOK_S = 1.0
"""Time between looks whether the owner is there. Signals, and the end of the process, are noticed at once."""
_LOG_LIMIT_BYTES = 20 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Job:
    """What to keep alive.

    Attributes:
        command: The process, without a shell.
        log: File that takes its output.
        owner: Process number of the cluster's owner; when it is gone, everything ends.
    """

    command: tuple[str, ...]
    log: Path
    owner: int


class Sleep:
    """Sleeps until a signal comes. To look ten times a second took a fiftieth of a core for a cluster at rest."""

    def __init__(self) -> None:
        self._read_end, write_end = os.pipe()
        for end in (self._read_end, write_end):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        # One that is ignored, as this one is by default, wakes nobody.
        signal.signal(signal.SIGCHLD, _nothing)

    def until_signal(self, seconds: float) -> None:
        """Return after a signal, or so many seconds."""
        select.select([self._read_end], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(self._read_end, 4096)


class Keeper:
    """Runs a job until there is a reason to stop."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._parent = os.getppid()
        self._stopping = False
        self._sleep = Sleep()

    def run(self) -> int:
        """Keep the process alive; returns the exit status for this parent."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        restarts = Restarts()
        while not self._is_over():
            started = time.monotonic()
            try:
                status = self._run_once()
            except OSError as error:
                _say(f"cannot be started: {error}; given up")
                return 1
            if self._is_over():
                break
            restarts = restarts.after(time.monotonic() - started)
            if restarts.is_hopeless(status):
                _say(f"ended with status {status}; given up. Its log: {self._job.log}")
                return 1
            _say(f"ended with status {status}; starting again in {restarts.delay_s():g} s")
            self._pause(restarts.delay_s())
        return 0

    def _run_once(self) -> int:
        with _open_log(self._job.log) as log:
            process = subprocess.Popen(  # noqa: S603 (the command comes from our own plan)
                self._job.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own: a signal to this parent's group must not reach the pool of a worker.
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        try:
            while process.poll() is None and not self._is_over():
                self._sleep.until_signal(_LOOK_S)
            return _end(process)
        finally:
            _kill_group(process.pid)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0 and not self._is_over():
            self._sleep.until_signal(min(left_s, _LOOK_S))

    def _is_over(self) -> bool:
        return self._stopping or os.getppid() != self._parent or not is_alive(self._job.owner)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True


def _nothing(number: int, frame: FrameType | None) -> None:
    """A handler that is there, so that the signal wakes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and keep the process."""
    parser = argparse.ArgumentParser(prog="python -m services.cli.cluster.respawn")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--owner", type=int, required=True)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args(arguments)
    return Keeper(Job(tuple(given.command), given.log, given.owner)).run()


def _end(process: subprocess.Popen[bytes]) -> int:
    """Let the process end by itself for a while, then end it; returns its status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def _kill_group(group: int) -> None:
    """End what the process left behind, such as the children of a worker."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent is killed; elsewhere there is no such wish."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    return path.open("ab")


def _say(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # The runner is gone; so will be this process in a moment.
        return


if __name__ == "__main__":
    sys.exit(main())
