from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from services.common.jobs.deletes import FOLDER, Delete, DeleteLog
from services.common.objects import LocalObjects
from services.common.revision import moment_of, revision_at

START = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)


def delete_at(moment: datetime, tenant: str = "shop") -> Delete:
    return Delete(tenant, str(uuid.uuid4()), revision_at(moment))


@given(st.integers(0, 13 * 365 * 24 * 3600 * 1000))
def test_a_revision_tells_its_moment(after_ms: int) -> None:
    moment = START + timedelta(milliseconds=after_ms)
    assert abs(moment_of(revision_at(moment)) - moment) < timedelta(milliseconds=1)


def test_deletes_since_a_moment_come_in_order_of_all_tenants(tmp_path: Path) -> None:
    log = DeleteLog(LocalObjects(tmp_path))
    deletes = [delete_at(START + timedelta(hours=hour), tenant) for hour in range(30) for tenant in ("a", "b-2")]
    for delete in reversed(deletes):
        log.note(delete)
    assert sorted(log.since(START), key=lambda found: found.revision) == list(log.since(START))
    assert set(log.since(START)) == set(deletes)
    assert set(log.since(START + timedelta(hours=7))) == set(deletes[14:])
    assert list(log.since(START + timedelta(hours=31))) == []
    log.take_back(deletes[0])
    assert set(log.since(START)) == set(deletes[1:])


def test_days_that_are_over_are_packed_and_old_ones_go(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    log = DeleteLog(objects)
    deletes = [delete_at(START + timedelta(hours=12 * number)) for number in range(20)]
    for delete in deletes:
        log.note(delete)
    objects.put(f"{FOLDER}/README", b"put there by a person")
    now = START + timedelta(days=9)
    for _ in range(2):
        assert log.tidy(now, keep=timedelta(days=90)) == 0
        assert set(log.since(START)) == set(deletes)
    days = [name for name in objects.list(FOLDER) if name != "README"]
    assert [objects.list(f"{FOLDER}/{day}") == ["packed.txt"] for day in days] == [True] * 7 + [False] * 4
    late = delete_at(START + timedelta(minutes=2))
    log.note(late)
    log.tidy(now, keep=timedelta(days=90))
    assert set(log.since(START)) == {late, *deletes}, "what came late to a packed day is packed as well"
    assert log.tidy(now, keep=timedelta(days=5)) == 4
    kept = [delete for delete in deletes if (now.date() - moment_of(delete.revision).date()).days <= 5]
    assert set(log.since(START)) == set(kept)


def test_packing_that_is_cut_short_loses_and_doubles_nothing(tmp_path: Path) -> None:
    class CutShortError(Exception):
        """Stands for a power cut."""

    class Dying(LocalObjects):
        left = 3

        def delete(self, name: str) -> None:
            if self.left == 0:
                raise CutShortError
            self.left -= 1
            super().delete(name)

    deletes = [delete_at(START + timedelta(seconds=number)) for number in range(8)]
    log = DeleteLog(Dying(tmp_path))
    for delete in deletes:
        log.note(delete)
    try:
        log.tidy(START + timedelta(days=9), keep=timedelta(days=90))
    except CutShortError:
        pass
    else:
        raise AssertionError("the cut must come")
    assert list(DeleteLog(LocalObjects(tmp_path)).since(START)) == deletes
