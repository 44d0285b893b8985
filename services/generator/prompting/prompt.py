"""A whole prompt: instructions and the message with fenced sources, pictures and the question."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from services.generator.backends.base import Task
from services.generator.grounding.grounded import NO_ANSWER
from services.generator.language import Language
from services.generator.prompting.fencing import Escaped, escaped
from services.generator.prompting.sources import SourceBlock, fit_sources
from services.generator.prompting.tokens import MESSAGE_TOKENS, estimated_tokens, picture_tokens

_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_PICTURES_SHARE = 0.5
"""Of the room for sources; texts say more a token."""


@dataclass(frozen=True)
class Budget:
    """The tokens of one call.

    Attributes:
        context: The model's window.
        answer: Kept free for the answer.
        picture_side_px: Longest side of a picture that is sent.
        pictures: Most pictures of one call.
    """

    context: int
    answer: int
    picture_side_px: int
    pictures: int


@dataclass(frozen=True)
class Prompt:
    """What is sent.

    Attributes:
        system: The instructions.
        sources: The sources as fenced text.
        pictures: `data:` URLs by the number of their source, in order.
        question: The fenced question and what to do.
        question_picture: `data:` URL of the picture that was asked with.
        numbers: Sources that the model is shown: all that it may cite.
        boundary: The name of this request's blocks; a secret.
        budget: What it was built for.
    """

    system: str
    sources: str
    pictures: Mapping[int, str]
    question: str
    numbers: frozenset[int]
    boundary: str
    budget: Budget
    question_picture: str | None = None

    @property
    def has_pictures(self) -> bool:
        """Whether anything but text is sent."""
        return bool(self.pictures) or self.question_picture is not None


def build_prompt(
    task: Task, pictures: Mapping[int, str], boundary: str, budget: Budget, question_picture: str | None = None
) -> Prompt:
    """The prompt of `task` within `budget`.

    Args:
        task: The question with its sources.
        pictures: `data:` URLs by source number; those that fit are sent, best source first.
        boundary: See `services.generator.prompting.fencing.new_boundary`.
        budget: Sources are cut to it. Instructions and question are always sent in full.
        question_picture: `data:` URL; sent if it takes no more than the pictures' share of the window.
    """
    system_template, question_template = _templates[task.language]
    question_picture = question_picture if _has_room_for_one(budget) else None
    system = system_template.render(
        boundary=Escaped(boundary), language=_asked_language(task), no_answer=Escaped(NO_ANSWER)
    )
    question = question_template.render(
        boundary=Escaped(boundary),
        question=escaped(task.question, len(task.question) * 2),
        asked_with_image=task.asked_with_image,
        shows_image=question_picture is not None,
        no_answer=Escaped(NO_ANSWER),
    )
    fixed = estimated_tokens(system) + estimated_tokens(question) + 2 * MESSAGE_TOKENS
    fixed += picture_tokens(budget.picture_side_px) if question_picture else 0
    room = max(budget.context - budget.answer - fixed, 0)
    sent = _fitting_pictures(task, pictures, int(room * _PICTURES_SHARE), budget)
    left = room - len(sent) * picture_tokens(budget.picture_side_px)
    blocks = fit_sources(task.sources, left, frozenset(sent))
    numbers = frozenset(block.number for block in blocks)
    return Prompt(
        system=system,
        sources=_rendered(blocks, boundary),
        pictures={number: url for number, url in sent.items() if number in numbers},
        question=question,
        numbers=numbers,
        boundary=boundary,
        budget=budget,
        question_picture=question_picture,
    )


def _has_room_for_one(budget: Budget) -> bool:
    window = (budget.context - budget.answer) * _PICTURES_SHARE
    return budget.pictures > 0 and picture_tokens(budget.picture_side_px) <= window


def _fitting_pictures(task: Task, pictures: Mapping[int, str], room: int, budget: Budget) -> dict[int, str]:
    most = min(budget.pictures, room // picture_tokens(budget.picture_side_px))
    offered = [source.number for source in task.sources if source.number in pictures]
    return {number: pictures[number] for number in offered[:most]}


def _rendered(blocks: list[SourceBlock], boundary: str) -> str:
    return _sources_template.render(blocks=blocks, boundary=Escaped(boundary))


def _asked_language(task: Task) -> Escaped:
    """A language tag that may stand in the instructions; empty: that of the question."""
    tag = task.language_tag.replace("_", "-")
    return Escaped(tag) if _LANGUAGE_TAG.fullmatch(tag) else Escaped("")


def _only_escaped(value: object) -> object:
    """Refuse to print anything that was not escaped: a template cannot forget it."""
    if isinstance(value, Escaped | int):
        return value
    raise TypeError(f"a prompt prints escaped text only, not {type(value).__name__}")


# Plain text, not HTML: what is printed is escaped by `finalize` or refused.
_environment = Environment(
    loader=PackageLoader("services.generator.prompting"),
    autoescape=False,  # noqa: S701
    undefined=StrictUndefined,
    finalize=_only_escaped,
    trim_blocks=True,
    lstrip_blocks=True,
)
_sources_template = _environment.get_template("sources.jinja")
_templates = {
    language: (
        _environment.get_template(f"system.{folder}.jinja"),
        _environment.get_template(f"question.{folder}.jinja"),
    )
    for language, folder in {Language.EN: "en", Language.ZH: "zh", Language.OTHER: "en"}.items()
}
