"""`python -m workers health`: whether the worker or beat of this machine lives. For the probes of containers."""

from __future__ import annotations

import sys

from workers.heartbeat import heartbeat_age_s
from workers.settings import WorkersSettings


def check_health(settings: WorkersSettings) -> int:
    """Look at the heartbeat's age.

    Returns:
        The exit status: 0 it lives, 1 it does not, 2 it was never told to keep a heartbeat.
    """
    path = settings.heartbeat_path
    if path is None:
        print("workers: IMAGERAG_WORKERS_HEARTBEAT_PATH is not set: write a file's path", file=sys.stderr)
        return 2
    age_s = heartbeat_age_s(path)
    if age_s is None:
        print(f"workers: no heartbeat yet at {path}", file=sys.stderr)
        return 1
    if age_s > settings.heartbeat_limit_s:
        print(f"workers: the last heartbeat is {age_s:.0f} s old", file=sys.stderr)
        return 1
    return 0
