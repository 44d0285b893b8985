"""Runs the processes of a cluster under honcho's Procfile manager until one is told to stop."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from services.cli.cluster.plan import Part, announce_path, log_path
from services.cli.cluster.terminal import when_terminal_closes
from services.cli.errors import CliError

STOP_LIMIT_S = 15.0
"""Longest stop; the runner itself kills what has not ended after five seconds."""
Say = Callable[[str, str], None]
"""Takes the name of a part and a line about it."""


class Runner:
    """Starts every part under its own respawning parent, and stops all of them together.

    Args:
        parts: In the order of their start.
        data: The data folder.
        environment: What every part is told.
        say: Takes what the parents report: crashes and restarts.
        started: Called once, from the main thread, when every process has been started.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        data: Path,
        environment: Mapping[str, str],
        say: Say,
        started: Callable[[], None],
    ) -> None:
        self._exit_code: int | None = None
        self._started: Callable[[], None] | None = started
        # Should the manager hang, leave: the parents of the parts end on their own when this process is gone.
        self._watchdog = threading.Timer(STOP_LIMIT_S, os._exit, [1])
        self._watchdog.daemon = True
        self._say = say
        self._manager = _manager(_Lines(self._line))
        for part in parts:
            announce_path(data, part.name).unlink(missing_ok=True)
            told = {**part.defaults, **environment, **part.environment}
            self._manager.add_process(part.name, _command(part, data), env=told)

    def run(self) -> int:
        """Run until a signal, `stop`, or a part that was given up; blocks the main thread.

        Returns:
            0 after a signal, what `stop` was given, or 1 if a part was given up.
        """
        # Closing the terminal is a wish to stop like any other.
        signal.signal(signal.SIGHUP, _terminate_self)
        self._manager.loop()
        self._watchdog.cancel()
        if self._exit_code is not None:
            return self._exit_code
        told_to = {128 + signal.SIGINT, 128 + signal.SIGTERM}
        return 0 if self._manager.returncode in told_to else 1

    def stop(self, exit_code: int) -> None:
        """End the run from another thread; the first exit code counts."""
        if self._exit_code is None:
            self._exit_code = exit_code
        os.kill(os.getpid(), signal.SIGTERM)

    def _line(self, name: str, line: str) -> None:
        if name == "system":
            self._system(line)
        else:
            self._say(name, line)

    def _system(self, line: str) -> None:
        """The manager's own words: it reports its first start only after it has forked for all of them."""
        if " started (pid" in line and self._started is not None:
            started, self._started = self._started, None
            when_terminal_closes(partial(os.kill, os.getpid(), signal.SIGTERM))
            started()
        elif (line.endswith(" received") or " stopped (" in line) and self._watchdog.ident is None:
            self._watchdog.start()


def _manager(printer: _Lines) -> Any:
    """honcho's manager; only here, for a client without the extra `up` has no use for it.

    Raises:
        CliError: It is not installed.
    """
    try:
        from honcho.manager import Manager
    except ImportError:
        raise CliError(
            "This installation is a client only: it cannot run a cluster.",
            "Install with `pip install 'imagerag[up]'`.",
        ) from None
    return Manager(printer=printer)


class _Lines:
    """The part of honcho's `Printer` that its manager uses, handing lines on instead of printing them."""

    def __init__(self, take: Callable[[str, str], None]) -> None:
        self.width = 0
        self._take = take

    def write(self, message: Any) -> None:
        """Take one message of the manager."""
        data = message.data
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
        for line in text.splitlines():
            self._take(message.name, line)


def _command(part: Part, data: Path) -> str:
    keeper = (sys.executable, "-P", "-m", "services.cli.cluster.respawn")
    options = ("--log", str(log_path(data, part.name)), "--owner", str(os.getpid()), "--")
    # honcho starts a shell; `exec` leaves none behind between it and the signals.
    return f"exec {shlex.join((*keeper, *options, *part.command))}"


def _terminate_self(number: int, frame: FrameType | None) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
