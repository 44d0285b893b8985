"""What to do with a message, from what the ledger says about its lines. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Action(Enum):
    """What to do."""

    SKIP = "skip"
    """Every line has its outcome."""
    SPLIT = "split"
    """A process was lost on this batch: let each line stand for itself."""
    GIVE_UP = "give_up"
    """This line was tried often enough."""
    WORK = "work"


def decide(open_lines: Sequence[int], lines: int, earlier: int, max_attempts: int) -> Action:
    """Choose.

    Args:
        open_lines: Lines without an outcome.
        lines: Length of the message's range.
        earlier: Tries at it that did not end in order.
        max_attempts: Most tries at one line.
    """
    if not open_lines:
        return Action.SKIP
    if earlier and lines > 1:
        return Action.SPLIT
    return Action.GIVE_UP if earlier >= max_attempts else Action.WORK
