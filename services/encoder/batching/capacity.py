"""How many inputs of a kind fit into the device's memory, as far as is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.encoder.kinds import Kind

_FIRST_PATIENCE, _MOST_PATIENCE = 32, 4096
_GROWTH = 8


@dataclass
class _Limit:
    items: int
    full_batches: int = 0
    patience: int = _FIRST_PATIENCE


class Capacity:
    """The bound on batches, lowered by memory errors and raised with care.

    A batch that did not fit halves its kind's bound. After 32 full batches that did fit, the bound grows by an
    eighth; each further error doubles the number of full batches that the next growth waits for.

    Args:
        most_items: By kind, the largest batch ever wanted.
    """

    def __init__(self, most_items: Mapping[Kind, int]) -> None:
        self._most = dict(most_items)
        self._limits: dict[Kind, _Limit] = {}

    def items(self, kind: Kind) -> int:
        """Most inputs to compute at once."""
        limit = self._limits.get(kind)
        return self._most[kind] if limit is None else limit.items

    def did_not_fit(self, kind: Kind, items: int) -> None:
        """A batch of this size ran out of memory."""
        limit = self._limits.get(kind)
        if limit is None:
            self._limits[kind] = _Limit(max(1, items // 2))
            return
        limit.items = max(1, min(limit.items, items // 2))
        limit.full_batches = 0
        limit.patience = min(_MOST_PATIENCE, 2 * limit.patience)

    def fitted(self, kind: Kind, items: int) -> None:
        """A batch of this size was computed."""
        limit = self._limits.get(kind)
        if limit is None or items < limit.items or limit.items == self._most[kind]:
            return
        limit.full_batches += 1
        if limit.full_batches >= limit.patience:
            limit.items = min(self._most[kind], limit.items + max(1, limit.items // _GROWTH))
            limit.full_batches = 0
