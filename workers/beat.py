"""Beat inside a worker: it must not outlive it."""

from __future__ import annotations

import os
from typing import Any

from celery.beat import Scheduler


class EmbeddedScheduler(Scheduler):  # type: ignore[misc]  # Celery has no types
    """Celery's scheduler with its state in memory, for the process that `--beat` forks off.

    Killed with SIGKILL, a worker leaves that process behind: seen on Celery 5.7, where it went on sending for
    as long as the machine was up.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._worker_pid = os.getppid()
        super().__init__(*arguments, **options)

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Send what is due; end with the worker."""
        if os.getppid() != self._worker_pid:
            raise SystemExit(0)
        return float(super().tick(*arguments, **options))
