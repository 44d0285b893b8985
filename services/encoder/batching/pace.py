"""How long a batch takes, learned from those that were computed."""

from __future__ import annotations

from dataclasses import dataclass

from services.encoder.kinds import Kind

_RISE, _FALL = 0.7, 0.2
"""Share of the news in an average: a batch that took too long counts at once, a quick one has to be repeated."""
_DRIFT = 0.05
_MOST_RISE = 2.0
"""One observation is taken for at most twice what is known: a stall of the machine says little about the model."""


@dataclass(frozen=True)
class Workload:
    """What makes batches comparable.

    Attributes:
        kind: What is computed.
        length: Bound on the tokens of the longest text, a power of two.
        threads: CPU threads it is computed on.
    """

    kind: Kind
    length: int
    threads: int

    @classmethod
    def of(cls, kind: Kind, longest: int, threads: int) -> Workload:
        """The workload of a batch whose longest text has `longest` tokens."""
        return cls(kind, _power_above(longest), threads)


class Pace:
    """Seconds an input, by workload and batch size, as exponential averages.

    Sizes are rounded up to powers of two. A size that was never seen is taken to cost per input what the next
    smaller one costs, and a batch grows to at most twice the largest size seen, so that a new model is felt out
    from below. While only smaller batches are computed, what is known of larger ones falls slowly to what the
    smaller ones cost: one bad measurement does not rule out a size for good.
    """

    def __init__(self) -> None:
        self._per_item_s: dict[Workload, dict[int, float]] = {}

    def learn(self, workload: Workload, items: int, seconds: float) -> None:
        """Take note of a batch that was computed whole."""
        known = self._per_item_s.setdefault(workload, {})
        size, measured_s = _power_above(items), seconds / items
        before_s = known.get(size)
        if before_s is None:
            known[size] = measured_s
        else:
            news_s = min(measured_s, before_s * _MOST_RISE) - before_s
            known[size] = before_s + (_RISE if news_s > 0 else _FALL) * news_s
        for larger in known:
            if larger > size:
                known[larger] += _DRIFT * min(0.0, known[size] - known[larger])

    def seconds(self, workload: Workload, items: int) -> float:
        """How long a batch of `items` inputs will take; 0 while nothing is known."""
        known = self._per_item_s.get(workload)
        return items * _per_item(known, items) if known else 0.0

    def items_within(self, workload: Workload, limit_s: float, most: int) -> int:
        """How many inputs can be computed within `limit_s`; at least 1, at most `most`."""
        known = self._per_item_s.get(workload)
        if not known:
            return 1
        sizes = range(1, min(most, 2 * max(known)) + 1)
        return max((size for size in sizes if size * _per_item(known, size) <= limit_s), default=1)


def _per_item(known: dict[int, float], items: int) -> float:
    size = _power_above(items)
    nearest = max((seen for seen in known if seen <= size), default=None)
    return known[min(known) if nearest is None else nearest]


def _power_above(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()
