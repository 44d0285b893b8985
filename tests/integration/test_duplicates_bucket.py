"""The order of arrivals in a bucket, over the S3 protocol."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from services.common.objects import open_objects
from tests.fixtures.bucket import BucketServer
from workers.ingest.duplicates.arrivals import Arrival, ArrivalLog, Place

TENANT = "t"


def arrival(line: int) -> Arrival:
    """A line with a picture."""
    return Arrival(line, f"item{line}", f"{line:064x}", f"{line:016x}")


def test_of_several_at_once_each_sees_all_before_it_and_what_is_settled_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BucketServer(tmp_path) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        url = f"{server.make_bucket()}/prefix"
        barrier, found = threading.Barrier(4), dict[int, tuple[Place, set[int]]]()

        def arrive(number: int) -> None:
            log = ArrivalLog(open_objects(url))
            barrier.wait()
            place = log.announce(TENANT, f"job{number}", [arrival(number)])[number]
            found[number] = place, set(log.look(TENANT).unsettled)

        threads = [threading.Thread(target=arrive, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(place for place, _ in found.values()) == [(position, 0) for position in range(4)]
        assert all(set(range(position)) <= seen for (position, _), seen in found.values())

        log = ArrivalLog(open_objects(url))
        for position in range(4):
            log.settle(TENANT, position)
        assert log.look(TENANT).unsettled == {}
        assert open_objects(url).list(f"arrivals/{TENANT}") == ["000000000003"]
        assert log.announce(TENANT, "late", [arrival(9)]) == {9: (4, 0)}
