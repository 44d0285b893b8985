"""Reads a Dockerfile: its stages, and what an image of a target has from the stages below it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Instruction:
    """One instruction, its lines joined.

    Attributes:
        word: In capitals, e.g. RUN.
        text: All after it.
    """

    word: str
    text: str

    def exec_form(self) -> list[str] | None:
        """The list of an exec form; None if it is written for a shell."""
        try:
            parsed = json.loads(self.text)
        except ValueError:
            return None
        return parsed if isinstance(parsed, list) else None


@dataclass
class Stage:
    """What stands between a FROM and the next.

    Attributes:
        name: After AS.
        base: An image or another stage, as written.
    """

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)


class Dockerfile:
    """A parsed Dockerfile.

    Args:
        text: Its contents.
    """

    def __init__(self, text: str) -> None:
        self.arguments: dict[str, str] = {}
        """Defaults of the ARGs before the first FROM."""
        self.stages: dict[str, Stage] = {}
        stage: Stage | None = None
        for instruction in _instructions(text):
            if instruction.word == "FROM":
                base, _, name = instruction.text.partition(" AS ")
                stage = Stage(name or base, base)
                self.stages[stage.name] = stage
            elif stage is None:
                name, _, value = instruction.text.partition("=")
                self.arguments[name] = value
            else:
                stage.instructions.append(instruction)

    def targets(self) -> list[str]:
        """The stages that start something: those that are images."""
        return [
            name
            for name, stage in self.stages.items()
            if any(each.word == "LABEL" for each in stage.instructions)
            and "org.opencontainers.image.title" in self.labels(name)
        ]

    def chain(self, target: str) -> list[Stage]:
        """The stages that make `target`, the lowest first."""
        chain = [self.stages[target]]
        while chain[0].base in self.stages:
            chain.insert(0, self.stages[chain[0].base])
        return chain

    def base_image(self, target: str) -> str:
        """The image below `target`, arguments filled in."""
        return re.sub(r"\$\{(\w+)\}", lambda match: self.arguments[match[1]], self.chain(target)[0].base)

    def all_of(self, target: str, word: str) -> Iterator[Instruction]:
        """Every `word` of the chain, in order."""
        for stage in self.chain(target):
            yield from (each for each in stage.instructions if each.word == word)

    def last(self, target: str, word: str) -> Instruction | None:
        """The `word` that counts."""
        return next(reversed(list(self.all_of(target, word))), None)

    def environment(self, target: str) -> dict[str, str]:
        """Variables of an image."""
        return {name: value for each in self.all_of(target, "ENV") for name, value in _pairs(each.text)}

    def labels(self, target: str) -> dict[str, str]:
        """Labels of an image, arguments not filled in."""
        return {name: value for each in self.all_of(target, "LABEL") for name, value in _pairs(each.text)}

    def health_check(self, target: str) -> Instruction | None:
        """The command of the health check; None if there is none."""
        found = self.last(target, "HEALTHCHECK")
        if found is None or " CMD " not in f" {found.text}":
            return None
        return Instruction("CMD", found.text.split("CMD ", 1)[1])

    def copied_from(self, target: str) -> list[str]:
        """The stages that `target` takes files from, over its chain."""
        return [
            match[1] for each in self.all_of(target, "COPY") if (match := re.match(r"--from=(\S+)", each.text))
        ]

    def extras(self, stage: str) -> list[str]:
        """The extras whose packages a stage installs."""
        found = [
            match[1].split()
            for each in self.stages[stage].instructions
            if (match := re.search(r"requirements\.py ([\w -]+) >", each.text))
        ]
        return [extra for names in found for extra in names]


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    for line in joined.splitlines():
        word, _, rest = line.strip().partition(" ")
        yield Instruction(word.upper(), " ".join(rest.split()))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in shlex.split(text):
        name, _, value = part.partition("=")
        yield name, value
