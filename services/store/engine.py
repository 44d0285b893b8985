"""The one thread that calls the engine, and what the engine's errors mean."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import structlog
from prometheus_client import Gauge

from services.common.errors import InternalError, InvalidRequestError, NotFoundError, UnavailableError

T = TypeVar("T")
log = structlog.get_logger(__name__)

WAITING = Gauge("imagerag_store_waiting_calls", "Calls that wait for the engine or are in it.")


class EngineThread:
    """Runs engine work one piece at a time, off the event loop.

    The engine keeps Python's global lock during a call, so more threads would not help; one thread keeps the order
    of writes, and between two calls the event loop gets its turn.

    Args:
        queue_limit: Pieces of work that may wait; more are refused.
    """

    def __init__(self, queue_limit: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._queue_limit = queue_limit
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` after everything handed in before it.

        Raises:
            UnavailableError: Too much is waiting.
        """
        if self._waiting >= self._queue_limit:
            raise UnavailableError("The store has too many calls waiting; try again.", retry_after_s=1.0)
        self._count(1)
        try:
            context = contextvars.copy_context()
            return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, work)
        finally:
            self._count(-1)

    async def run_own(self, work: Callable[[], T]) -> T:
        """Run the store's own upkeep, which is never refused."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Let the running piece end, drop what waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _count(self, change: int) -> None:
        self._waiting += change
        WAITING.set(self._waiting)


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turn what the engine raises into errors of the tree.

    The engine raises bare `Exception` with its message for a refused call, `ValueError` or `OverflowError` when a
    value cannot become one of its types, and a `BaseException` named PanicException when it is broken.

    Raises:
        NotFoundError: A point that the call names is not there.
        InvalidRequestError: The engine refused the call; carries its message.
        InternalError: The engine panicked or could not read or write.
    """
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise InvalidRequestError(str(error)) from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise _refused(str(error)) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        log.critical("engine_panicked", detail=str(error))
        raise InternalError() from error


def _refused(message: str) -> InternalError | InvalidRequestError | NotFoundError:
    if message.startswith("No point with id"):
        return NotFoundError(f"{message} found")
    if message.startswith(("Service runtime error", "Service internal error", "Out of memory", "IO Error")):
        log.error("engine_failed", detail=message)
        return InternalError()
    return InvalidRequestError(message)
