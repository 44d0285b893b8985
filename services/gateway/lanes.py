"""Bounds what is in flight: what comes above the bound is refused at once, while what runs stays quick."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Gauge

from services.common.errors import OverloadedError
from services.gateway.policy import Lane

IN_FLIGHT = Gauge("imagerag_gateway_in_flight", "Requests that hold a place of their lane.", ["lane"])
_TRY_AGAIN_S = 1.0
_BUSY = {
    Lane.SEARCH: "More searches are running than can be answered quickly.",
    Lane.QUESTION: "More questions are being answered than can be answered quickly.",
    Lane.UPLOAD: "More uploads are running than can be taken in at once.",
    Lane.FILE: "More files are being received than can be taken in at once.",
    Lane.OTHER: "More requests are running than can be answered quickly.",
}


class Place:
    """One place in a lane; taken and given back once."""

    def __init__(self, lanes: Lanes, lane: Lane | None) -> None:
        self._lanes, self._lane = lanes, lane
        self._taken = False

    def take(self) -> None:
        """Take the place; a second time does nothing.

        Raises:
            OverloadedError: The lane is full.
        """
        if self._lane is not None and not self._taken:
            self._lanes.enter(self._lane)
            self._taken = True

    def give_back(self) -> None:
        """Leave the place to the next; a second time does nothing."""
        if self._lane is not None and self._taken:
            self._taken = False
            self._lanes.leave(self._lane)
            self._lane = None


class Lanes:
    """Counts the places.

    Args:
        places: How many each lane has.
    """

    def __init__(self, places: Mapping[Lane, int]) -> None:
        self._free = dict(places)
        self._gauges = {lane: IN_FLIGHT.labels(lane.value) for lane in places}

    def place(self, lane: Lane | None) -> Place:
        """A place that is not taken yet; without a lane there is nothing to take.

        Raises:
            OverloadedError: The lane is full already.
        """
        if lane is not None:
            self._check(lane)
        return Place(self, lane)

    def enter(self, lane: Lane) -> None:
        """Take a place; errors as in `place`."""
        self._check(lane)
        self._free[lane] -= 1
        self._gauges[lane].inc()

    def leave(self, lane: Lane) -> None:
        """Give a place back."""
        self._free[lane] += 1
        self._gauges[lane].dec()

    def _check(self, lane: Lane) -> None:
        if self._free[lane] <= 0:
            raise OverloadedError(f"{_BUSY[lane]} Try again in a moment.", retry_after_s=_TRY_AGAIN_S)
