"""The order of arrivals, through real files."""

from __future__ import annotations

import random
import threading
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.objects import LocalObjects
from workers.ingest.duplicates.arrivals import Arrival, ArrivalLog, Place

TENANT = "t"


def arrivals(*lines: int) -> list[Arrival]:
    """Lines with pictures."""
    return [Arrival(line, f"item{line}", f"{line:064x}", f"{line:016x}") for line in lines]


def files(folder: Path) -> list[str]:
    """What stands in the folder of the order."""
    return LocalObjects(folder).list(f"arrivals/{TENANT}")


def test_lines_stand_in_the_order_in_which_they_were_announced(tmp_path: Path) -> None:
    first, second = ArrivalLog(LocalObjects(tmp_path)), ArrivalLog(LocalObjects(tmp_path))
    assert first.announce(TENANT, "a", arrivals(0, 1)) == {0: (0, 0), 1: (0, 1)}
    assert second.announce(TENANT, "b", arrivals(0)) == {0: (1, 0)}
    seen = second.look(TENANT)
    assert [seen.unsettled[position].job_id for position in (0, 1)] == ["a", "b"]
    assert seen.unsettled[0].arrivals == tuple(arrivals(0, 1))


def test_tenants_have_orders_of_their_own(tmp_path: Path) -> None:
    log = ArrivalLog(LocalObjects(tmp_path))
    log.announce("one", "a", arrivals(0))
    assert log.announce("two", "a", arrivals(0)) == {0: (0, 0)}
    assert list(log.look("two").unsettled) == [0]


def test_a_line_that_is_tried_again_keeps_its_place(tmp_path: Path) -> None:
    ArrivalLog(LocalObjects(tmp_path)).announce(TENANT, "a", arrivals(0, 1, 2))
    other = ArrivalLog(LocalObjects(tmp_path))
    other.announce(TENANT, "b", arrivals(7))
    again = ArrivalLog(LocalObjects(tmp_path))
    assert again.announce(TENANT, "a", arrivals(1)) == {1: (0, 1)}
    assert again.announce(TENANT, "a", arrivals(1, 2, 3)) == {1: (0, 1), 2: (0, 2), 3: (2, 0)}


def test_what_is_settled_is_waited_for_by_nobody_and_goes(tmp_path: Path) -> None:
    mine, other = ArrivalLog(LocalObjects(tmp_path)), ArrivalLog(LocalObjects(tmp_path))
    mine.announce(TENANT, "a", arrivals(0))
    assert list(other.look(TENANT).unsettled) == [0]
    assert not other.is_settled(TENANT, 0)

    mine.settle(TENANT, 0)
    assert other.is_settled(TENANT, 0)
    assert not other.look(TENANT).unsettled
    assert files(tmp_path) == ["000000000000"], "the last position stays, so that it is not given out again"

    assert other.announce(TENANT, "b", arrivals(0)) == {0: (1, 0)}
    other.look(TENANT)
    assert files(tmp_path) == ["000000000001"]


def test_a_position_is_never_given_out_twice(tmp_path: Path) -> None:
    seen: set[Place] = set()
    for turn in range(20):
        log = ArrivalLog(LocalObjects(tmp_path))
        place = log.announce(TENANT, f"job{turn}", arrivals(0))[0]
        assert place not in seen
        seen.add(place)
        log.settle(TENANT, place[0])
    assert max(position for position, _ in seen) == 19
    assert len(files(tmp_path)) <= 2


def test_of_many_at_once_each_sees_all_that_stand_before_it(tmp_path: Path) -> None:
    barrier, found = threading.Barrier(8), dict[str, tuple[Place, set[int]]]()

    def arrive(name: str) -> None:
        log = ArrivalLog(LocalObjects(tmp_path))
        barrier.wait()
        place = log.announce(TENANT, name, arrivals(0))[0]
        found[name] = place, set(log.look(TENANT).unsettled)

    threads = [threading.Thread(target=arrive, args=(f"job{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(place for place, _ in found.values()) == [(position, 0) for position in range(8)]
    for (position, _), seen in found.values():
        assert set(range(position)) <= seen


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_however_processes_come_and_go_nothing_unsettled_is_overlooked(tmp_path: Path, seed: int) -> None:
    """Random announcing, settling and restarting of three processes on one order."""
    dice, folder = random.Random(seed), tmp_path / str(seed)
    logs = [ArrivalLog(LocalObjects(folder)) for _ in range(3)]
    unsettled: set[int] = set()
    last = -1
    for turn in range(25):
        log = dice.choice(logs)
        match dice.randrange(4):
            case 0 | 1:
                (place,) = log.announce(TENANT, f"job{turn}", arrivals(turn)).values()
                assert place == (last + 1, 0)
                last += 1
                unsettled.add(last)
            case 2 if unsettled:
                position = dice.choice(sorted(unsettled))
                log.settle(TENANT, position)
                unsettled.discard(position)
            case 3:
                logs[dice.randrange(3)] = ArrivalLog(LocalObjects(folder))
        seen = log.look(TENANT)
        assert unsettled <= set(seen.unsettled)
        assert {position for position in seen.unsettled if not log.is_settled(TENANT, position)} == unsettled
        assert seen.last == last
