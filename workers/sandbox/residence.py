"""`python -m workers.sandbox.residence MODULE ARGUMENTS LIMITS`: the process behind `workers.sandbox.resident`."""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from services.common.errors import ImageragError, InternalError, InvalidRequestError
from workers.sandbox.child import bound_memory
from workers.sandbox.parts import Part, read_parts, write_part
from workers.sandbox.resident import IDLE, ResidentLimits
from workers.sandbox.runner import ERROR

Answerer = Callable[[Part], Part]
"""What a module's `open_answerer(arguments)` returns: one answer a question."""
_LOOK_EVERY_S = 1.0


def main(module: str, arguments: str, limits: str) -> int:
    """Answer questions until there are no more; returns the exit status."""
    # What a library prints must not end up between the answers.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    bounds = ResidentLimits(**json.loads(limits))
    watch = _Watch(os.getppid(), bounds.idle_s)
    threading.Thread(target=watch.run, daemon=True).start()
    bound_memory(bounds.memory_bytes)
    try:
        answerer = _opened(module, json.loads(arguments))
        write_part(pipe, answerer if isinstance(answerer, Part) else Part({"ready": True}))
        if isinstance(answerer, Part):
            return 0
        watch.rests()
        for question in read_parts(sys.stdin.buffer, bounds.question_bytes):
            watch.works()
            _allow_cpu(bounds.cpu_s)
            write_part(pipe, _answered(answerer, question))
            watch.rests()
    except BrokenPipeError:
        pass  # no one wants to know any more
    return 0


def _opened(module: str, arguments: Mapping[str, Any]) -> Answerer | Part:
    try:
        opened: Answerer = import_module(module).open_answerer(arguments)
    except ImageragError as error:
        return _told(error)
    except Exception:
        sys.excepthook(*sys.exc_info())
        return _told(InternalError())
    return opened


def _answered(answerer: Answerer, question: Part) -> Part:
    try:
        return answerer(question)
    except ImageragError as error:
        return _told(error)
    except MemoryError:
        return _told(InvalidRequestError("It takes more memory than it may. Make it smaller."))
    except Exception:
        sys.excepthook(*sys.exc_info())
        return _told(InternalError())


def _told(error: ImageragError) -> Part:
    return Part({ERROR: error.code, "message": error.message})


def _allow_cpu(more_s: int) -> None:
    """Bound the processor time of one question: the signal that comes at the end of it ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + more_s, hard))


class _Watch:
    """Ends this process when nobody needs it any more.

    Args:
        parent: Its process: one that was killed cannot end this one, which reads nothing while it works.
        idle_s: Longest rest.
    """

    def __init__(self, parent: int, idle_s: float) -> None:
        self._parent, self._idle_s = parent, idle_s
        self._resting_since: float | None = None

    def works(self) -> None:
        """A question has come."""
        self._resting_since = None

    def rests(self) -> None:
        """It was answered."""
        self._resting_since = time.monotonic()

    def run(self) -> None:
        """Look now and then, for good."""
        while os.getppid() == self._parent:
            time.sleep(_LOOK_EVERY_S)
            since = self._resting_since
            if since is not None and time.monotonic() - since > self._idle_s:
                os._exit(IDLE)
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
