"""One input on its way through the service."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from services.common.clients.encoder import Lane
from services.common.domain import Vector
from services.common.errors import ImageragError
from services.encoder.kinds import Kind

Result = Vector | ImageragError
"""The row of one input, float32 [dim], or its error."""


@dataclass(eq=False, slots=True)
class Item:
    """An input, from its arrival to its answer. Changed on the event loop alone.

    Attributes:
        kind: What it is computed together with.
        lane: Who waits.
        payload: What the caller sent, later what the model takes; None once nobody waits for it.
        answer: Told the result, at most once.
        leave: Told, once, that the input is no longer inside, and whether it was answered.
        expires_s: When its caller stops waiting, by `time.monotonic`.
        length: Tokens of a prepared text; 0 where inputs are all of one length.
        arrived_s: When it came, by `time.monotonic`.
        ready_s: When it was prepared.
        preparing_s: How long that took.
        gone: Answered or given up.
    """

    kind: Kind
    lane: Lane
    payload: Any
    answer: Callable[[Result], None]
    leave: Callable[[bool], None] = lambda answered: None
    expires_s: float = math.inf
    length: int = 0
    arrived_s: float = field(default_factory=time.monotonic)
    ready_s: float = 0.0
    preparing_s: float = 0.0
    gone: bool = False

    def finish(self, result: Result) -> None:
        """Answer, unless nobody waits any more."""
        if self.gone:
            return
        self.gone, self.payload = True, None
        self.leave(True)
        self.answer(result)

    def give_up(self) -> None:
        """Nobody waits any more: what has not been computed never will be."""
        if not self.gone:
            self.gone, self.payload = True, None
            self.leave(False)
