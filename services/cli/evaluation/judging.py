"""Which hits are right, and the figures that follow. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set

from services.cli.evaluation.metrics import Estimate, bootstrap, hit_at, ndcg_at, reciprocal_rank
from services.cli.evaluation.questions import Answer
from services.cli.evaluation.stamps import Stamp

SEED = 20240607
"""Of every draw of an evaluation: two runs on one state of the system print the same figures."""
DEPTH = 10
RECALL, OWN, MRR, NDCG = "recall@10", "own item@10", "MRR@10", "nDCG@10"
TEXT_COLUMNS = (RECALL, OWN, MRR, NDCG)
TEXT_NOTE = (
    "recall@10, MRR and nDCG: an item with the same description as the one meant is right too (74 of 538 stamps "
    "share theirs: six are 'A flower.'). own item@10: only the very item that the description was taken from."
)

Relevant = Mapping[str, frozenset[str]]
"""The right keys for the question made from each key."""


def same_description(stamps: Iterable[Stamp], describe: Callable[[Stamp], str]) -> Relevant:
    """For each stamp that has a description, every stamp that has the same."""
    groups: defaultdict[str, set[str]] = defaultdict(set)
    described = [(stamp.key, describe(stamp)) for stamp in stamps]
    for key, text in described:
        groups[text].add(key)
    return {key: frozenset(groups[text]) for key, text in described if text}


def judge_text(answers: Sequence[Answer], relevant: Relevant) -> dict[str, Estimate]:
    """Every figure of questions in words."""
    judged = [(answer.ranked, relevant[answer.question.own], {answer.question.own}) for answer in answers]
    values = {
        RECALL: [hit_at(ranked, right, DEPTH) for ranked, right, _ in judged],
        OWN: [hit_at(ranked, own, DEPTH) for ranked, _, own in judged],
        MRR: [reciprocal_rank(ranked, right) for ranked, right, _ in judged],
        NDCG: [ndcg_at(ranked, right, DEPTH) for ranked, right, _ in judged],
    }
    return {name: bootstrap(of_queries, seed=SEED) for name, of_queries in values.items()}


def within(relevant: Relevant, texted: Set[str]) -> Relevant:
    """The same, but only items of the own half are right: one with text must not stand for its bare twin."""
    return {
        own: frozenset(key for key in right if (key in texted) == (own in texted))
        for own, right in relevant.items()
    }


def recalls(answers: Sequence[Answer], relevant: Relevant) -> list[float]:
    """recall@10 of each answer: 1.0 or 0.0."""
    return [hit_at(answer.ranked, relevant[answer.question.own], DEPTH) for answer in answers]


def shown_recalls(answers: Sequence[Answer], relevant: Relevant) -> list[float]:
    """The same among the hits that the system holds for relevant."""
    return [hit_at(answer.shown, relevant[answer.question.own], DEPTH) for answer in answers]


def first_other(answer: Answer) -> str | None:
    """The best hit that is not what was asked with."""
    return next((key for key in answer.ranked if key != answer.question.own), None)


def judge_neighbours(answers: Sequence[Answer], group_of: Mapping[str, str]) -> list[float]:
    """P@1 of each answer whose group has another member: is the first other hit of the same group?"""
    sizes = Counter(group_of.values())
    judged = [answer for answer in answers if sizes[group_of[answer.question.own]] > 1]
    return [float(group_of.get(first_other(answer) or "") == group_of[answer.question.own]) for answer in judged]
