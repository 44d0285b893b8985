"""The way of an input: `pre` on threads of its lane, `core` on a stream of the model, then back to its caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import Enum, auto

from services.common.clients.encoder import Lane
from services.encoder.batching.batcher import Batcher
from services.encoder.batching.item import Item
from services.encoder.inputs import Models, PreparedPicture, Text, pixels_of
from services.encoder.metrics import GIVEN_UP_ITEMS
from services.encoder.preparation import Preparation


class Desk(Enum):
    """Who prepares what. A query in words does not wait for the decoding of somebody's photo."""

    INTERACTIVE_PICTURES = auto()
    INTERACTIVE_TEXTS = auto()
    BULK = auto()


@dataclass(frozen=True)
class Threads:
    """Threads that prepare.

    Attributes:
        executor: Has `number` threads.
        number: Inputs prepared at once.
    """

    executor: Executor
    number: int


class Pipeline:
    """Moves inputs from one phase to the next. Used from one event loop.

    Args:
        models: Prepare inputs.
        batcher: In front of the models.
        threads: By desk.
        ahead_items: So many inputs of a lane lie ready for the model, if there are that many.
    """

    def __init__(
        self, models: Models, batcher: Batcher, threads: Mapping[Desk, Threads], ahead_items: int
    ) -> None:
        self._models, self._batcher, self._ahead_items = models, batcher, ahead_items
        self._desks = {
            desk: Preparation(
                models.prepare, chosen.executor, chosen.number, self._room_of(_lane_of(desk)), batcher.offer
            )
            for desk, chosen in threads.items()
        }
        batcher.on_taken = self._move

    def submit(self, items: Sequence[Item]) -> None:
        """Send inputs on their way; each is answered or given up."""
        ready: list[Item] = []
        for item in items:
            if isinstance(item.payload, PreparedPicture):
                item.payload = pixels_of(item.payload.pixels, self._models.joint.preprocessing)
                ready.append(item)
            else:
                self._desks[_desk_of(item)].put([item])
        self._batcher.offer(ready)

    def withdraw(self, items: Iterable[Item]) -> None:
        """Give up inputs that nobody waits for any more; what has not been computed never is."""
        for item in items:
            if item.gone:
                continue
            if self._batcher.remove(item) or any(desk.remove(item) for desk in self._desks.values()):
                GIVEN_UP_ITEMS.labels(item.lane.name.lower()).inc()
            item.give_up()
        self._move()

    def _room_of(self, lane: Lane) -> _Room:
        return _Room(self._batcher, lane, self._ahead_items)

    def _move(self) -> None:
        for desk in self._desks.values():
            desk.move()


@dataclass(frozen=True)
class _Room:
    batcher: Batcher
    lane: Lane
    ahead_items: int

    def __call__(self) -> bool:
        return self.batcher.ready_items(self.lane) < self.ahead_items


def _desk_of(item: Item) -> Desk:
    if item.lane is Lane.BULK:
        return Desk.BULK
    return Desk.INTERACTIVE_TEXTS if isinstance(item.payload, Text) else Desk.INTERACTIVE_PICTURES


def _lane_of(desk: Desk) -> Lane:
    return Lane.BULK if desk is Desk.BULK else Lane.INTERACTIVE
