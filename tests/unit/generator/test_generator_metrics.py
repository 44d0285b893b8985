"""Every answer is counted once, by how it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import pytest
from prometheus_client import REGISTRY

from services.common.answer import Completion
from services.common.errors import UnavailableError
from services.generator.metrics import observed


async def answer(*events: str | Completion | Exception) -> AsyncIterator[str | Completion]:
    for event in events:
        if isinstance(event, Exception):
            raise event
        yield event


def counts() -> dict[str, float]:
    outcomes = ("answered", "nothing_relevant", "failed", "cancelled")
    found = {
        name: REGISTRY.get_sample_value("imagerag_answers_total", {"outcome": name}) or 0 for name in outcomes
    }
    timed = {
        name: REGISTRY.get_sample_value(f"imagerag_answer_{name}_count") or 0
        for name in ("seconds", "first_text_seconds")
    }
    return found | timed


def grown(before: dict[str, float]) -> dict[str, float]:
    return {name: value - before[name] for name, value in counts().items() if value != before[name]}


DONE = Completion("a b", (), nothing_relevant=False, model="m")
NOTHING = Completion("no", (), nothing_relevant=True, model="m")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (("a ", "b", DONE), {"answered": 1, "seconds": 1, "first_text_seconds": 1}),
        (("no", NOTHING), {"nothing_relevant": 1, "seconds": 1, "first_text_seconds": 1}),
        ((UnavailableError("away"),), {"failed": 1, "seconds": 1}),
    ],
)
async def test_an_answer_counts_by_its_end(
    events: tuple[str | Completion | Exception, ...], expected: dict[str, float]
) -> None:
    before = counts()
    passed_on: list[str | Completion] = []
    with suppress(UnavailableError):
        passed_on.extend([event async for event in observed(answer(*events))])
    assert passed_on == [event for event in events if not isinstance(event, Exception)]
    assert grown(before) == expected


async def test_a_reader_who_goes_away_is_no_failure() -> None:
    before = counts()
    async with aclosing(observed(answer("a ", "b", DONE))) as events:
        async for _ in events:
            break
    assert grown(before) == {"cancelled": 1, "first_text_seconds": 1}
