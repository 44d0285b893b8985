"""Inputs that are ready, by lane and kind, in the order in which they became ready."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.clients.encoder import Lane
from services.encoder.batching.item import Item
from services.encoder.kinds import Kind

SHORT_TOKENS = 16
"""Texts below this are of like length: padding one to the other costs less than a batch of its own."""


class Lanes:
    """Ordered queues; every operation but `alike` takes constant time."""

    def __init__(self) -> None:
        # A dictionary is a queue that gives up any of its members at once.
        self._queues: dict[Lane, dict[Kind, dict[Item, None]]] = {lane: {} for lane in Lane}
        self._items = dict.fromkeys(Lane, 0)

    def items(self, lane: Lane) -> int:
        """Inputs that wait in a lane."""
        return self._items[lane]

    def add(self, item: Item) -> None:
        """Put an input at the end of its queue."""
        self._queues[item.lane].setdefault(item.kind, {})[item] = None
        self._items[item.lane] += 1

    def remove(self, item: Item) -> bool:
        """Take an input out; False if it does not wait here."""
        queue = self._queues[item.lane].get(item.kind, {})
        if item not in queue:
            return False
        del queue[item]
        self._items[item.lane] -= 1
        return True

    def oldest(self, lane: Lane) -> Item | None:
        """The input of a lane that has been ready for longest."""
        heads = [next(iter(queue)) for queue in self._queues[lane].values() if queue]
        return min(heads, key=_ready_s, default=None)

    def alike(self, lane: Lane, head: Item, most: int) -> list[Item]:
        """Up to `most` inputs of a lane that may be computed with `head`, in their order.

        Args:
            lane: Where to look; `head` may wait in another one.
            head: Decides the kind, and about how long a text may be.
        """
        queue = self._queues[lane].get(head.kind, {})
        found: list[Item] = []
        for item in queue:
            if len(found) >= most:
                break
            if like_length(item.length, head.length):
                found.append(item)
        return found

    def __iter__(self) -> Iterator[Item]:
        return (item for kinds in self._queues.values() for queue in kinds.values() for item in queue)


def like_length(one: int, other: int) -> bool:
    """Whether two texts may share a batch: padding then no more than doubles the work of either."""
    shorter, longer = sorted((one, other))
    return longer <= 2 * max(shorter, SHORT_TOKENS)


def _ready_s(item: Item) -> float:
    return item.ready_s
