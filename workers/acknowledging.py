"""Acknowledgements that cannot be sent: the worker goes on; the message comes back and finds its lines done."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class FreeingQoS(redis.QoS):
    """Frees the place of a message also where Redis does not take its acknowledgement.

    kombu goes on counting such a message as held, so that a worker which holds one message at a time takes none
    any more, although it is connected and looks alive: seen on kombu 5.6 after Redis had hung for a minute. In
    Redis the message stays unacknowledged, and is handed out again after the visibility timeout.
    """

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge; what Redis says against it is raised, for the log."""
        try:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]  # as all of kombu
        except Exception:
            self._quick_ack(delivery_tag)
            raise

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give back or drop; as `ack`."""
        try:
            super().reject(delivery_tag, requeue=requeue)  # type: ignore[no-untyped-call]
        except Exception:
            self._quick_ack(delivery_tag)
            raise


def free_places() -> None:
    """Have every channel to Redis of this process count its messages like that."""
    channel: Any = redis.Channel
    channel.QoS = FreeingQoS
