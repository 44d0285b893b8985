"""What the generator counts besides its calls."""

from __future__ import annotations

from prometheus_client import Counter

from services.generator.grounding.grounded import Tally

_SENTENCES = Counter(
    "imagerag_answer_sentences_total",
    "Sentences that a model wrote: kept, or dropped because they cite nothing or hold what must not be told.",
    ["outcome"],
)


def count_sentences(tally: Tally) -> None:
    """Count what became of one answer's sentences."""
    for outcome, number in vars(tally).items():
        _SENTENCES.labels(outcome).inc(number)
