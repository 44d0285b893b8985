"""Where Celery's main loops, the worker's and the beat's, give their signs of life."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.beat import Scheduler
from celery.bootsteps import StartStopStep

from workers.heartbeat import EVERY_S, Heartbeat


def watch_worker(app: Celery, heartbeat: Heartbeat) -> None:
    """Let the event loop of the worker's parent process give signs while it is connected."""

    class Signs(StartStopStep):  # type: ignore[misc]  # Celery has no types
        """Part of the consumer: started with each connection to the broker, stopped when it is lost."""

        requires = ("celery.worker.consumer.connection:Connection",)

        def __init__(self, _consumer: Any, **_options: Any) -> None:
            self._timer: Any = None

        def start(self, parent: Any) -> None:
            """Connected: the loop is about to turn."""
            heartbeat.sign()
            self._timer = parent.timer.call_repeatedly(EVERY_S, heartbeat.sign)

        def stop(self, _parent: Any) -> None:
            """The connection is lost, or the worker ends: running tasks may take their time."""
            if self._timer is not None:
                self._timer.cancel()
            heartbeat.wait()

    app.steps["consumer"].add(Signs)


def watched_scheduler(heartbeat: Heartbeat) -> type[Scheduler]:
    """Celery's scheduler, state in memory, that gives a sign with each look at what is due."""

    class SignsScheduler(Scheduler):  # type: ignore[misc]  # Celery has no types
        def tick(self, *arguments: Any, **options: Any) -> float:
            """Send what is due."""
            heartbeat.sign()
            return float(super().tick(*arguments, **options))

        def _ensure_connected(self) -> Any:
            with heartbeat.waiting():
                return super()._ensure_connected()

    return SignsScheduler
