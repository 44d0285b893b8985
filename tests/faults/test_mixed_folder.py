"""A folder of a thousand odd and broken files, by one job: each goes in, or is listed with a reason to act on."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import pytest

from services.common.jobs.records import Job, JobSource, LineOutcome, Outcome
from tests.fixtures.mixed_folder import FILES, Fate, Placed, fill, number_in
from tests.fixtures.plant import LIMIT_S, TENANT, Plant, running_plant
from tests.fixtures.proofs import count, prove
from tests.fixtures.workers import wait_until_closed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
KEPT = frozenset({Outcome.STORED, Outcome.MERGED})
NO_REASON = re.compile(r"Traceback|Errno|0x[0-9a-f]{6}|<class|object at|\w+Error\b|went wrong on our side")
"""What only a programmer reads."""
LIMITS = {
    "IMAGERAG_WORKERS_ARCHIVE_LIMIT_MEMBERS": "100",
    "IMAGERAG_WORKERS_ARCHIVE_LIMIT_UNPACKED_BYTES": str(200 * 1024 * 1024),
    "IMAGERAG_WORKERS_PICTURE_LIMIT_BYTES": str(8 * 1024 * 1024),
}
"""What the hostile archives are made against."""


def became(outcomes: Sequence[LineOutcome]) -> Fate | None:
    """What became of a file; None if nobody tells."""
    kept = any(found.outcome in KEPT for found in outcomes)
    failed = any(found.outcome is Outcome.FAILED for found in outcomes)
    if kept:
        return Fate.PARTLY if failed else Fate.IN
    return Fate.OUT if failed else None


def by_file(plant: Plant, job: Job) -> dict[int, list[LineOutcome]]:
    """The outcomes of the lines of each file."""
    found = defaultdict[int, list[LineOutcome]](list)
    for _, outcomes in plant.ledger.books.settled_parts(job):
        for outcome in outcomes.values():
            found[number_in(outcome.name)].append(outcome)
    return found


def table(placed: Sequence[Placed], found: Mapping[int, Sequence[LineOutcome]]) -> str:
    """What became of each kind of file."""
    rows = [f"{'':28}{'files':>6}{'in':>6}{'partly':>8}{'listed':>8}{'items':>7}"]
    for kind in dict.fromkeys(file.kind for file in placed):
        of_kind = [file.number for file in placed if file.kind == kind]
        ends = Counter(became(found[number]) for number in of_kind)
        items = sum(outcome.outcome in KEPT for number in of_kind for outcome in found[number])
        row = f"{len(of_kind):6}{ends[Fate.IN]:6}{ends[Fate.PARTLY]:8}{ends[Fate.OUT]:8}{items:7}"
        rows.append(f"{kind:28}{row}")
    return "\n".join(rows)


def test_every_odd_file_goes_in_or_is_listed_with_a_reason(tmp_path: Path) -> None:
    with running_plant(tmp_path, LIMITS) as plant:
        folder = plant.surroundings.roots[0] / "mixed"
        placed = fill(folder, tmp_path / "scratch")
        started = time.monotonic()
        job = plant.submit(JobSource("auto", str(folder)))
        wait_until_closed(plant.ledger, TENANT, job.id, LIMIT_S)
        took_s = time.monotonic() - started
        known = plant.ledger.job(TENANT, job.id)
        found, counts = by_file(plant, known), count(plant.surroundings, TENANT, job.id)
        proof = prove(plant.surroundings, known)
        log = "".join(worker.log() for worker in plant.workers)

    failures = [each for each in chain.from_iterable(found.values()) if each.outcome is Outcome.FAILED]
    print(f"\n{table(placed, found)}\n{counts}; the run took {took_s:.0f} s")
    print(
        "\n".join(f"{number:4} {code}" for code, number in Counter(each.code for each in failures).most_common())
    )
    assert len(placed) == FILES
    assert found.keys() == set(range(FILES)), "every file is told, and no other"
    wrong = [
        (file, became(found[file.number]), found[file.number][:3])
        for file in placed
        if file.fate is not Fate.EITHER and became(found[file.number]) is not file.fate
    ]
    assert not wrong, wrong[:10]
    assert not [each for each in failures if each.code == "internal" or NO_REASON.search(each.message)]
    assert all(each.message.endswith(".") and len(each.message) > 15 for each in failures)
    assert (counts.duplicated, counts.lost) == (0, 0)
    assert proof.holds(known)
    for word in ("batch_failed", "listing_failed", "file_failed", "WorkerLostError"):
        assert word not in log, f"something unforeseen happened: {word}"
