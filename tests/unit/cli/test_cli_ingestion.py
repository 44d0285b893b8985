"""Totals over several jobs, and what is shown of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.ingestion.bars import size, storing
from services.cli.ingestion.following import Totals, add_up

COUNT = st.integers(0, 50)
COUNTS = ("stored", "merged", "superseded", "failed", "skipped", "pending")
RATE = st.none() | st.floats(0, 1000)
JOBS = st.builds(
    lambda counts, state, listed, rate: {
        **counts,
        "total": sum(counts.values()),
        "state": state,
        "listed": listed,
        "rate_per_s": rate,
    },
    st.fixed_dictionaries(dict.fromkeys(COUNTS, COUNT)),
    st.sampled_from(["running", "paused", "done", "cancelled"]),
    st.booleans(),
    RATE,
)


@given(st.lists(JOBS, max_size=5))
def test_the_totals_of_jobs_add_up(jobs: list[dict[str, Any]]) -> None:
    totals = add_up(jobs)
    assert totals.total == totals.settled + totals.pending
    ended = (totals.stored, totals.merged, totals.superseded, totals.failed, totals.skipped)
    assert totals.settled == sum(ended)
    assert totals.rate_per_s is None or totals.rate_per_s >= 0


@given(JOBS)
def test_a_job_is_waited_for_while_it_runs_and_something_is_pending_or_unknown(job: dict[str, Any]) -> None:
    is_open = job["state"] in ("running", "paused")
    assert add_up([job]).running == (is_open and (job["pending"] > 0 or not job["listed"]))


@given(st.lists(JOBS, max_size=5))
def test_a_time_is_told_only_where_it_can_be_known(jobs: list[dict[str, Any]]) -> None:
    totals = add_up(jobs)
    if totals.eta_s is not None:
        assert totals.listed
        assert totals.rate_per_s
        assert not totals.paused
    assert storing(totals)


@pytest.mark.parametrize(
    ("totals", "shown"),
    [
        (Totals(), "waiting for a worker"),
        (Totals(listed=False, running=True), "reading what was sent"),
        (Totals(total=300, pending=100, running=True, listed=False), "200 of 300 so far"),
        (
            Totals(total=5000, stored=3120, pending=1880, running=True, rate_per_s=41.24),
            "3,120 of 5,000 · 41.2/s · 0:46 left",
        ),
        (
            Totals(total=9, stored=1, failed=2, pending=6, running=True, paused=True, rate_per_s=0.0),
            "3 of 9 · 2 failed · paused",
        ),
        (Totals(total=9, stored=9, rate_per_s=3.0), "9 of 9"),
    ],
)
def test_what_a_person_reads(totals: Totals, shown: str) -> None:
    assert storing(totals) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (999, "999 B"), (12_345, "12 kB"), (1_234_567, "1.2 MB"), (3.2e12, "3.2 TB")]
)
def test_sizes(count: float, shown: str) -> None:
    assert size(count) == shown
