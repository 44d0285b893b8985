"""The process in the sandbox: bounds first, then the opener; nothing of the caller's is in reach but the file."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO

from services.common.errors import ImageragError, InternalError, InvalidRequestError
from workers.sandbox.parts import Part, write_part
from workers.sandbox.runner import ERROR, SandboxLimits

Opener = Callable[[BinaryIO, Mapping[str, Any]], Iterator[Part]]
"""A module's `open_parts(file, arguments)`: what it finds in the file, one part at a time."""


def main(opener: str, descriptor: str, arguments: str, limits: str) -> int:
    """Run one opener; returns the exit status."""
    # What a library prints must not end up between the parts.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    bounds = SandboxLimits(**json.loads(limits))
    bound_memory(bounds.memory_bytes)
    resource.setrlimit(resource.RLIMIT_CPU, (bounds.cpu_s, bounds.cpu_s + 5))
    try:
        open_parts: Opener = import_module(opener).open_parts
        with os.fdopen(int(descriptor), "rb") as file:
            file.seek(0)
            for part in open_parts(file, json.loads(arguments)):
                write_part(pipe, part)
    except BrokenPipeError:
        return 0  # the caller has seen enough
    except ImageragError as error:
        write_part(pipe, Part({ERROR: error.code, "message": error.message}))
    except MemoryError:
        reason = InvalidRequestError(
            "Reading the file takes more memory than it may. Split it, or make it smaller."
        )
        write_part(pipe, Part({ERROR: reason.code, "message": reason.message}))
    except Exception:
        sys.excepthook(*sys.exc_info())
        write_part(pipe, Part({ERROR: InternalError.code, "message": ""}))
    return 0


def bound_memory(memory_bytes: int) -> None:
    """Bound this process's address space, and leave no core behind."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # macOS does not bound address space
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
