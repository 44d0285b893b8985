"""Side by side: each way is measured once a round, so that a machine that slows down slows all of them."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

ROUNDS = 5
Series = Mapping[str, tuple[float, ...]]
"""For each way one figure a round."""
Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Goal:
    """What a ratio has to reach.

    Attributes:
        ratio: At least this where higher is better, else at most.
        instead: Why it does not apply here, e.g. that this processor lacks something; empty: it applies.
    """

    ratio: float
    instead: str = ""


@dataclass(frozen=True)
class NotRun:
    """What was not measured.

    Attributes:
        name: What would have been compared.
        reason: Why not, and how to change that.
    """

    name: str
    reason: str

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"name": self.name, "not_run": self.reason}


@dataclass(frozen=True)
class Ratio:
    """Ours against a yardstick, round by round.

    Attributes:
        name: What is compared.
        meaning: How to read it, in a sentence.
        unit: Of both series.
        better: Which direction is good for `ours` and for the ratio.
        ours: One figure a round.
        yardstick: One figure a round, in the same order.
        goal: Of the median; None: there is none.
    """

    name: str
    meaning: str
    unit: str
    better: Better
    ours: tuple[float, ...]
    yardstick: tuple[float, ...]
    goal: Goal | None = None

    @property
    def rounds(self) -> tuple[float, ...]:
        """ours / yardstick of each round."""
        return tuple(ours / theirs for ours, theirs in zip(self.ours, self.yardstick, strict=True))

    @property
    def median(self) -> float:
        """Of the rounds' ratios."""
        return statistics.median(self.rounds)

    @property
    def verdict(self) -> str:
        """Whether the goal is met; empty without one."""
        if self.goal is None:
            return ""
        if self.goal.instead:
            return f"not applicable: {self.goal.instead}"
        reached = self.median >= self.goal.ratio if self.better == "higher" else self.median <= self.goal.ratio
        return "met" if reached else "missed"

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "name": self.name,
            "meaning": self.meaning,
            "unit": self.unit,
            "better": self.better,
            "ratio": {"median": self.median, "min": min(self.rounds), "max": max(self.rounds)},
            "ours": {"median": statistics.median(self.ours), "rounds": list(self.ours)},
            "yardstick": {"median": statistics.median(self.yardstick), "rounds": list(self.yardstick)},
            "goal": None if self.goal is None else self.goal.ratio,
            "verdict": self.verdict,
        }


def order(ways: Sequence[str], round_number: int) -> list[str]:
    """The order of one round, so that no way is always first or always after the same one.

    Every second round is turned round, every pair of rounds begins one further on.
    """
    shift = (round_number // 2) % len(ways)
    turned = [*ways[shift:], *ways[:shift]]
    return turned if round_number % 2 == 0 else turned[::-1]


async def interleave(
    ways: Mapping[str, Callable[[int], Awaitable[float]]],
    *,
    rounds: int = ROUNDS,
    advance: Callable[[], None] | None = None,
) -> Series:
    """Measure every way once a round.

    Args:
        ways: Each takes the number of the round and gives its figure.
        rounds: How often.
        advance: Called after each measurement.
    """
    figures: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in order(list(ways), number):
            figures[name].append(await ways[name](number))
            if advance is not None:
                advance()
    return {name: tuple(values) for name, values in figures.items()}
