"""How Celery is set up: the figures behind each setting were measured on Celery 5.6 and 5.7 with Redis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kombu.utils.scheduling import priority_cycle

from services.common.jobs.messages import QUEUE_INTERACTIVE, RECONCILE, client_settings
from workers.heartbeat import EVERY_S
from workers.settings import WorkersSettings

_KILL_GRACE_S = 30.0
"""A task that does not notice its own limit, for example in a decoder, is killed this much later."""
_LISTING_MARGIN_S = 60.0
_EXPIRY_LOOKS = 4
"""A busy worker may be late for a look; of more than this many the older ones are dropped."""


class InteractiveFirst(priority_cycle):
    """The order in which queues are looked into. kombu's own `priority` takes them from an unordered set."""

    def update(self, it: Iterable[str]) -> None:
        """Take over the queues that are consumed from."""
        self.items = sorted(it, key=lambda queue: (queue != QUEUE_INTERACTIVE, queue))


def celery_settings(settings: WorkersSettings) -> dict[str, Any]:
    """Celery's configuration for workers and beat."""
    return {**client_settings(), **_delivery(settings), **_process(settings), **_beat(settings)}


def listing_limit_s(settings: WorkersSettings) -> float:
    """Longest time for one message of a listing.

    A listing ends its slice by itself, but not within a part, and the pages of 256 lines may be large scans.
    """
    longest = settings.visibility_timeout_s - _LISTING_MARGIN_S
    return max(longest, settings.batch_limit_s + _KILL_GRACE_S)


def _delivery(settings: WorkersSettings) -> dict[str, Any]:
    """At least once, as far as the queue can promise it; the ledger and the reconciler promise the rest."""
    visibility = {"visibility_timeout": settings.visibility_timeout_s}
    return {
        "broker_url": settings.broker_url,
        # Without the second one a task whose process is killed is lost. It loops on a task that kills its
        # process every time: the attempts in the ledger end that loop.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # The longest of the three counts, so all three are set.
        "visibility_timeout": settings.visibility_timeout_s,
        "result_backend_transport_options": visibility,
        "broker_transport_options": {
            **visibility,
            # The sweep for timed-out messages runs every interval x throttle: 100 s by default.
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "queue_order_strategy": InteractiveFirst,
            # Queues of our own instead of priorities: each step would be one more list to look into.
            "priority_steps": [0],
            "socket_timeout": 15.0,
            "socket_connect_timeout": 3.0,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        # A worker holds what it works on and no more, so that the queue's length means something.
        "worker_disable_prefetch": True,
        "worker_prefetch_multiplier": 1,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # The broker may be full for a while: keep trying instead of ending the worker.
        "broker_channel_error_retry": True,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }


def _process(settings: WorkersSettings) -> dict[str, Any]:
    return {
        "worker_concurrency": settings.concurrency,
        "worker_max_tasks_per_child": settings.tasks_per_process,
        "task_time_limit": settings.batch_limit_s + _KILL_GRACE_S,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": False,
        "task_create_missing_queues": True,
    }


def _beat(settings: WorkersSettings) -> dict[str, Any]:
    return {
        # The plain scheduler keeps its state in memory; the default one writes a file where it is started.
        "beat_scheduler": "celery.beat:Scheduler",
        # Each look is a sign of life, too.
        "beat_max_loop_interval": EVERY_S,
        "beat_schedule": {
            "reconcile": {
                "task": RECONCILE,
                "schedule": settings.reconcile_interval_s,
                # While no worker takes them they must not pile up.
                "options": {"expires": _EXPIRY_LOOKS * settings.reconcile_interval_s},
            }
        },
    }
