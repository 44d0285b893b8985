"""A cluster of one's own for the length of a measurement: `imagerag up` on a folder that is thrown away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from services.cli.cluster.state import ClusterState, read_state
from services.cli.errors import EXIT_UNREACHABLE, CliError
from services.cli.rest.client import RestClient

START_LIMIT_S = 300.0
_STOP_LIMIT_S = 40.0
_POLL_S = 0.25
_LOG_LINES = 15
_FOREIGN = ("IMAGERAG_", "QDRANT_", "BROKER_", "CACHE_")
"""Variables that would lead the cluster to servers or folders which are not its own."""


@contextmanager
def private_cluster(
    data: Path, *, model: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[ClusterState]:
    """Run `imagerag up` as a process until the block ends.

    Args:
        data: Empty folder for everything that the cluster keeps.
        model: For `up --model`; None: its default.
        settings: Environment variables of the cluster's services.

    Yields:
        Where it answers, once it is ready.

    Raises:
        CliError: It did not get ready; names its log.
    """
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-P", "-m", "services.cli", "up", "--data", str(data)]
    command += ["--model", model] if model else []
    log_path = data / "up.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**own_environment(os.environ), **(settings or {})},
            # Ctrl-C ends the measurement, which then ends the cluster: not both at once.
            start_new_session=True,
        )
        try:
            with _ending_in_order():
                yield _wait_ready(process, data, log_path)
        finally:
            _stop(process)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end this process as Ctrl-C does: the cluster must not outlive it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def own_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would lead a private cluster elsewhere."""
    return {name: value for name, value in environment.items() if not name.startswith(_FOREIGN)}


def _wait_ready(process: subprocess.Popen[bytes], data: Path, log_path: Path) -> ClusterState:
    give_up_at = time.monotonic() + START_LIMIT_S
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            raise _failed(f"`imagerag up` ended with status {process.returncode}.", log_path)
        state = read_state(data)
        if state is not None and _is_ready(state.url):
            return state
        time.sleep(_POLL_S)
    raise _failed(f"The cluster was not ready within {START_LIMIT_S:.0f} s.", log_path)


def _is_ready(url: str) -> bool:
    try:
        with RestClient(url, timeout_s=5.0) as client:
            return not client.missing()
    except CliError:
        return False


def _failed(message: str, log_path: Path) -> CliError:
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    return CliError(
        message,
        "`imagerag doctor` says what is missing; --url measures a cluster that runs already.",
        code="cluster_failed",
        exit_code=EXIT_UNREACHABLE,
        details={"log": lines},
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
