"""Jobs as a person starts them, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

_SHORTEST_POLL_S, _LONGEST_POLL_S = 0.1, 1.0
_LIMIT_S = 3600.0
Job = Mapping[str, Any]


def ingest_folder(url: str, folder: Path, count: int, seen: Callable[[Job], None] = lambda _: None) -> float:
    """Seconds from the request to the last picture stored, read back and noted.

    Args:
        url: Of the gateway.
        folder: Below one of the cluster's source roots.
        count: Pictures in it; all of them have to be stored.
        seen: Told how far the job is, about once a second.

    Raises:
        RuntimeError: Some were not stored.
        TimeoutError: It took an hour.
    """
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        began = time.perf_counter()
        accepted = client.post("/v1/jobs", json={"source": {"type": "folder", "path": str(folder)}})
        accepted.raise_for_status()
        job_id = accepted.json()["job_id"]
        while True:
            job = client.get(f"/v1/jobs/{job_id}").json()
            took_s = time.perf_counter() - began
            seen(job)
            if job["listed"] and job["pending"] == 0:
                break
            if took_s > _LIMIT_S:
                raise TimeoutError(f"the job was not done after {_LIMIT_S:.0f} s")
            time.sleep(_pause_s(int(job["stored"]), count, took_s))
    if job["stored"] != count:
        raise RuntimeError(f"only {job['stored']} of {count} pictures were stored")
    return took_s


def _pause_s(stored: int, count: int, took_s: float) -> float:
    """Until the next look: to look costs the cluster something, and near the end it has to be exact."""
    left_s = (count - stored) * took_s / max(1, stored)
    return min(_LONGEST_POLL_S, max(_SHORTEST_POLL_S, left_s / 4))
