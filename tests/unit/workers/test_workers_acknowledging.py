"""A message whose acknowledgement is lost does not keep its place."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.transport import redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from workers.acknowledging import FreeingQoS, free_places


def unreachable(_client: object = None) -> object:
    raise RedisTimeoutError("not now")


def holding(kind: Any) -> Any:
    """One of one place is taken, and Redis does not answer."""
    qos = kind(SimpleNamespace(conn_or_acquire=unreachable), prefetch_count=1)
    qos.restore_at_shutdown = False
    qos._delivered["tag"] = "message"
    assert not qos.can_consume()
    return qos


@pytest.mark.parametrize("answer", ["ack", "reject"])
def test_the_place_is_free_and_the_error_is_told(answer: str) -> None:
    qos = holding(FreeingQoS)
    with pytest.raises(RedisTimeoutError):
        getattr(qos, answer)("tag")
    assert qos.can_consume()


def test_without_it_the_place_is_lost() -> None:
    qos = holding(redis.QoS)
    with pytest.raises(RedisTimeoutError):
        qos.ack("tag")
    assert not qos.can_consume(), "kombu frees it by itself now: workers.acknowledging can go"


def test_channels_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis.Channel, "QoS", redis.QoS)
    free_places()
    assert redis.Channel.QoS is FreeingQoS
