"""Servers as users start them: processes of their own on free ports."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.encoder.senders import INFINITY_MODEL

_START_LIMIT_S = 300.0
_STOP_LIMIT_S = 30.0
_LOG_TAIL_CHARS = 2000


class ServerProcess:
    """A command that serves until it is told to stop.

    Args:
        command: Its words.
        settings: Environment variables, beside those of this process that are not this project's.
        log_path: Where its output goes.
    """

    address = ""
    """`host:port`, once started."""

    def __init__(self, command: Sequence[str], settings: Mapping[str, str], log_path: Path) -> None:
        self._command = list(command)
        self._settings = dict(settings)
        self._log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("IMAGERAG_")}
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=inherited | self._settings, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            self._wait(self._process)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                log = self._log_path.read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"{' '.join(self._command)} did not start:\n{log[-_LOG_TAIL_CHARS:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        raise NotImplementedError

    def cpu_s(self) -> float:
        """Processor time so far; Linux alone tells it, elsewhere it is nan."""
        assert self._process is not None
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        except OSError:
            return float("nan")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class OwnServer(ServerProcess):
    """One of ours, which writes its address into a file.

    Args:
        module: For `python -m`.
        settings: Environment variables; the port and the file are added.
        folder: For address and log.
        prefix: Of its variables.
    """

    def __init__(
        self, module: str, settings: Mapping[str, str], folder: Path, prefix: str = "IMAGERAG_ENCODER_"
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._announced = folder / "address"
        self._announced.unlink(missing_ok=True)
        own = {f"{prefix}PORT": "0", f"{prefix}ANNOUNCE_PATH": str(self._announced), "IMAGERAG_DRAIN_S": "0"}
        super().__init__([sys.executable, "-m", module], {**own, **settings}, folder / "log")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            self.address = self._announced.read_text(encoding="utf-8")
        return bool(self.address)


@dataclass(frozen=True)
class InfinityOptions:
    """How the other server is started.

    Attributes:
        program: Its command in an environment of its own.
        device: "cpu" or "cuda".
        dtype: Of the weights; on CPUs it takes none but float32 for CLIP, whatever is asked for.
        batch_items: Most inputs computed at once.
    """

    program: Path
    device: str
    dtype: str
    batch_items: int


class InfinityServer(ServerProcess):
    """`infinity_emb v2` with a model folder."""

    def __init__(self, model: Path, options: InfinityOptions, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])
        command = [
            *(str(options.program), "v2", "--model-id", str(model), "--served-model-name", INFINITY_MODEL),
            *("--engine", "torch", "--device", options.device, "--dtype", options.dtype),
            *("--batch-size", str(options.batch_items), "--no-bettertransformer", "--no-vector-disk-cache"),
            *("--host", "127.0.0.1", "--port", str(self._port), "--log-level", "warning"),
        ]
        quiet = {"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "false", "HF_HUB_OFFLINE": "1"}
        super().__init__(command, {**quiet, "INFINITY_HOME": str(folder)}, folder / "log")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health", timeout=1):
                self.address = f"127.0.0.1:{self._port}"
        except (OSError, urllib.error.URLError):
            return False
        return True
