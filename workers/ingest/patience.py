"""Who is full is asked again when it said it may have room: work slows down, and nothing fails."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.common.errors import ExhaustedError

T = TypeVar("T")
_PAUSE_S = 0.2
_SPREAD = 0.5
"""Share of the pause by which callers are spread, so that they do not all come back at once."""


async def patiently(call: Callable[[], Awaitable[T]], within_s: float) -> T:
    """What `call` returns, tried again as long as the other side is full.

    Args:
        call: May be made twice.
        within_s: Longest time for all of it.

    Raises:
        ExhaustedError: It was full all the time.
    """
    give_up_at = time.monotonic() + within_s
    while True:
        try:
            return await call()
        except ExhaustedError as error:
            pause_s = (error.retry_after_s or _PAUSE_S) * random.uniform(1, 1 + _SPREAD)  # noqa: S311 - jitter
            if time.monotonic() + pause_s > give_up_at:
                raise
        await asyncio.sleep(pause_s)
