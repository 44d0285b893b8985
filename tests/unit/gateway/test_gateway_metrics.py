"""What counts as turned away at the door."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from services.gateway.metrics import count_rejection


def rejected(reason: str) -> float | None:
    return REGISTRY.get_sample_value("imagerag_gateway_rejected_total", {"reason": reason})


@pytest.mark.parametrize("reason", ["overloaded", "rate_limited", "unauthenticated", "request_timeout"])
def test_a_rejection_shows_as_an_increase_from_the_first_one_on(reason: str) -> None:
    before = rejected(reason)
    assert before is not None
    count_rejection(reason)
    assert rejected(reason) == before + 1


@pytest.mark.parametrize("outcome", ["ok", "not_found", "internal", "http_404"])
def test_what_went_through_the_door_is_not_counted(outcome: str) -> None:
    count_rejection(outcome)
    assert rejected(outcome) is None
