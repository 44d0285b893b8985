"""Work on what comes next while the results of what came before are used."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def ahead(
    work: Callable[[T], Coroutine[Any, Any, R]], inputs: Iterable[T], most: int
) -> AsyncGenerator[R, None]:
    """Results in the order of their inputs.

    Args:
        work: Called for each input.
        inputs: Taken no faster than results are taken away.
        most: Inputs that are under way, or done and not taken away yet.

    Raises:
        Exception: What `work` raised, at the place of its result; the rest is given up.
    """
    tasks: deque[asyncio.Task[R]] = deque()
    try:
        for each in inputs:
            tasks.append(asyncio.create_task(work(each)))
            if len(tasks) == most:
                yield await tasks.popleft()
        while tasks:
            yield await tasks.popleft()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
