"""Totals over several jobs, and uploads."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.cli.ingestion.following import add_up

COUNT = st.integers(0, 50)
COUNTS = ("stored", "merged", "superseded", "failed", "pending")
JOBS = st.builds(
    lambda counts, state, listed: {**counts, "total": sum(counts.values()), "state": state, "listed": listed},
    st.fixed_dictionaries(dict.fromkeys(COUNTS, COUNT)),
    st.sampled_from(["running", "done", "cancelled"]),
    st.booleans(),
)


@given(st.lists(JOBS, max_size=5))
def test_the_totals_of_jobs_add_up(jobs: list[dict[str, Any]]) -> None:
    totals = add_up(jobs)
    assert totals.total == totals.settled + totals.pending
    assert totals.settled == totals.stored + totals.merged + totals.superseded + totals.failed


@given(JOBS)
def test_a_job_is_waited_for_while_it_runs_and_something_is_pending_or_unknown(job: dict[str, Any]) -> None:
    assert add_up([job]).running == (job["state"] == "running" and (job["pending"] > 0 or not job["listed"]))
