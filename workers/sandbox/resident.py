"""A process in the sandbox that stays: what takes seconds to load answers many questions, one after the other."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import IO, Any, cast

import structlog

from services.common.errors import (
    ImageragError,
    ImageWorkerLostError,
    InternalError,
    UnavailableError,
    rebuild,
)
from workers.sandbox.parts import Part, read_parts, write_part
from workers.sandbox.runner import ERROR, bare_environment

log = structlog.get_logger(__name__)
IDLE = 17
"""Status of a process that ended because nothing was asked."""
_REST_AFTER_A_FAILED_START_S = 30.0


@dataclass(frozen=True)
class ResidentLimits:
    """What one process may take.

    Attributes:
        memory_bytes: Address space; held on Linux alone.
        cpu_s: Processor time of one question.
        answer_s: Longest wait for one answer.
        start_s: Longest wait until it can be asked.
        question_bytes: Most bytes of one question, and of one answer.
        questions: After so many it is replaced: bounds what a leaking library may pile up.
        idle_s: It ends when nothing was asked for so long, and gives its memory back.
    """

    memory_bytes: int = 4 * 1024**3
    cpu_s: int = 60
    answer_s: float = 120.0
    start_s: float = 60.0
    question_bytes: int = 64 * 1024**2
    questions: int = 1000
    idle_s: float = 300.0


class Resident:
    """Asks one process, and starts another where it died. Blocks; thread-safe: one question at a time.

    Nothing is started before the first question. The process ends with this one, however this one ends.

    Args:
        module: Has a function `open_answerer(arguments)`, see `workers.sandbox.residence.Answerer`.
        arguments: For it; JSON.
        limits: On the process.
    """

    def __init__(
        self, module: str, arguments: Mapping[str, Any], limits: ResidentLimits = ResidentLimits()
    ) -> None:
        self._module, self._arguments, self._limits = module, dict(arguments), limits
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._closed = False
        self._rests_until = 0.0

    def ask(self, question: Part) -> Part:
        """The answer to one question.

        Raises:
            ImageragError: What the process said.
            ImageWorkerLostError: It died of the question, or took more than it may.
            UnavailableError: It cannot be started now.
        """
        with self._lock:
            try:
                answer = self._answer(question)
            except _NoAnswerError as error:
                raise self._lost(error.status) from None
        if ERROR in answer.record:
            raise _error_of(answer)
        return answer

    def close(self) -> None:
        """End the process; a question that is being answered fails. Nothing is answered afterwards."""
        self._closed = True
        running = self._running
        if running:
            running.kill()
        with self._lock:
            self._end()

    def _answer(self, question: Part) -> Part:
        running = self._started()
        try:
            answer = running.answer(question)
        except _NoAnswerError as error:
            self._end()
            if error.status != IDLE:
                raise
            return self._answer(question)  # it had just gone when this was asked
        if running.answered >= self._limits.questions:
            self._end()
        return answer

    def _lost(self, status: int) -> ImageWorkerLostError:
        log.warning("resident_died", module=self._module, status=status)
        if status == -signal.SIGXCPU:
            return ImageWorkerLostError(f"It took more than {self._limits.cpu_s} s of processor time.")
        if status == -signal.SIGKILL:
            return ImageWorkerLostError(
                f"It was stopped: there was no answer for {self._limits.answer_s:g} s, or memory ran out."
            )
        return ImageWorkerLostError("It ended the process that worked on it.")

    def _started(self) -> _Running:
        if self._closed:
            raise UnavailableError("This process is coming to its end.")
        if self._running is None:
            if time.monotonic() < self._rests_until:
                raise UnavailableError("It could not be started a moment ago.")
            try:
                self._running = _Running.start(self._module, self._arguments, self._limits)
            except ImageragError:
                self._rests_until = time.monotonic() + _REST_AFTER_A_FAILED_START_S
                raise
        return self._running

    def _end(self) -> None:
        if self._running:
            self._running.end()
            self._running = None


class _Running:
    """One process that was started."""

    def __init__(self, process: subprocess.Popen[bytes], limits: ResidentLimits) -> None:
        self._process, self._limits = process, limits
        self._pipe = cast(IO[bytes], process.stdin)
        self._answers: Iterator[Part] = read_parts(
            cast(IO[bytes], process.stdout),  # type: ignore[arg-type]
            limits.question_bytes,
        )
        self.answered = 0

    @classmethod
    def start(cls, module: str, arguments: Mapping[str, Any], limits: ResidentLimits) -> _Running:
        """Start one and wait until it can be asked.

        Raises:
            ImageragError: What it said.
            UnavailableError: It was not ready in time.
        """
        told = [module, json.dumps(dict(arguments)), json.dumps(asdict(limits))]
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "workers.sandbox.residence", *told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Signals of a terminal or of the pool are for the caller, who ends this process with its own.
            start_new_session=True,
            env=bare_environment(),
        )
        running = cls(process, limits)
        started = time.monotonic()
        try:
            with running._watched(limits.start_s):
                ready = running._read()
        except _NoAnswerError as error:
            running.end()
            log.warning("resident_not_started", module=module, status=error.status)
            raise UnavailableError("It could not be started.") from None
        if ERROR in ready.record:
            running.end()
            raise _error_of(ready)
        log.info("resident_started", module=module, took_s=round(time.monotonic() - started, 2))
        return running

    def answer(self, question: Part) -> Part:
        """The answer to one question.

        Raises:
            _NoAnswerError: The process is gone.
        """
        with self._watched(self._limits.answer_s):
            with suppress(OSError):  # it died: there will be no answer either
                write_part(self._pipe, question)  # type: ignore[arg-type]
            answer = self._read()
        self.answered += 1
        return answer

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self) -> None:
        """End it and leave nothing open."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was not sent is not wanted any more
                if pipe:
                    pipe.close()

    @contextmanager
    def _watched(self, limit_s: float) -> Iterator[None]:
        timer = threading.Timer(limit_s, self._process.kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _read(self) -> Part:
        try:
            part = next(self._answers, None)
        except ValueError:  # cut short, or not what was agreed upon
            part = None
        if part is None:
            self._process.kill()
            raise _NoAnswerError(self._process.wait())
        return part


class _NoAnswerError(Exception):
    """The process ended, with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _error_of(answer: Part) -> ImageragError:
    found = rebuild(str(answer.record[ERROR]), str(answer.record.get("message", "")))
    return InternalError() if found.retryable else found
