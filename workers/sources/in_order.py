"""Several pieces of slow work at once, their results in the order of what they were made from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], things: Iterable[T], at_once: int) -> Iterator[R]:
    """`map(work, things)` on threads; no more than `at_once` results wait.

    An error of `work` or of `things` comes where it belongs, behind the results of what came before.

    Args:
        work: Called on threads of its own.
        things: Read on the caller's thread.
        at_once: Most calls at a time.
    """
    with ThreadPoolExecutor(at_once) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for thing in _ended_by_its_error(things, waiting):
                if len(waiting) >= at_once:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(work, thing))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _ended_by_its_error(things: Iterable[T], waiting: deque[Future[R]]) -> Iterator[T]:
    """The things; an error that ends them is put behind the results that are still to come."""
    try:
        yield from things
    except Exception as error:
        failed: Future[R] = Future()
        failed.set_exception(error)
        waiting.append(failed)
