"""What the generator counts besides its calls."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator

from prometheus_client import Counter, Histogram

from services.common.answer import Completion
from services.generator.grounding.grounded import Tally

_SENTENCES = Counter(
    "imagerag_answer_sentences_total",
    "Sentences that a model wrote: kept, or dropped because they cite nothing or hold what must not be told.",
    ["outcome"],
)
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)
ANSWERS = Counter("imagerag_answers_total", "Answers that came to an end, by outcome.", ["outcome"])
ANSWER_SECONDS = Histogram(
    "imagerag_answer_seconds", "Time to the end of an answer, in seconds.", buckets=_SECONDS
)
FIRST_TEXT_SECONDS = Histogram(
    "imagerag_answer_first_text_seconds", "Time to the first words of an answer, in seconds.", buckets=_SECONDS
)


async def observed(events: AsyncIterator[str | Completion]) -> AsyncGenerator[str | Completion]:
    """Pass an answer on, counted and timed. A reader who goes away counts as `cancelled`."""
    outcome, started, first = "cancelled", time.perf_counter(), True
    try:
        async for event in events:
            if isinstance(event, Completion):
                outcome = "nothing_relevant" if event.nothing_relevant else "answered"
            elif first:
                first = False
                FIRST_TEXT_SECONDS.observe(time.perf_counter() - started)
            yield event
    except Exception:
        outcome = "failed"
        raise
    finally:
        ANSWERS.labels(outcome).inc()
        if outcome != "cancelled":
            ANSWER_SECONDS.observe(time.perf_counter() - started)


def count_sentences(tally: Tally) -> None:
    """Count what became of one answer's sentences."""
    for outcome, number in vars(tally).items():
        _SENTENCES.labels(outcome).inc(number)
