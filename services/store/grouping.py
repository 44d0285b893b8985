"""Hits in groups by a payload field; the engine has no grouping of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import qdrant_edge as edge


@dataclass(frozen=True, slots=True)
class Group:
    """Hits that share a value, best first."""

    key: str | int
    hits: list[edge.ScoredPoint]


def grouped(points: Iterable[edge.ScoredPoint], field: str, limit: int, size: int) -> list[Group]:
    """The first `limit` groups, each with its first `size` hits, in the order of the hits.

    A point whose field holds a list stands in every group of it; one without the field stands in none.
    """
    groups: dict[tuple[type, str | int], Group] = {}
    for point in points:
        for key in field_values(point.payload or {}, field.split(".")):
            # 1 and "1" are two groups.
            group = groups.setdefault((type(key), key), Group(key, []))
            if len(group.hits) < size:
                group.hits.append(point)
    return list(groups.values())[:limit]


def complete(groups: Sequence[Group], limit: int, size: int) -> bool:
    """Whether more hits could change nothing."""
    return len(groups) == limit and all(len(group.hits) == size for group in groups)


def field_values(payload: Any, path: Sequence[str]) -> list[str | int]:
    """Texts and integers that stand at a dotted path, each once; lists on the way are entered."""
    found: dict[tuple[type, str | int], str | int] = {}
    level: list[Any] = [payload]
    for name in path:
        level = [value[name.removesuffix("[]")] for value in _entered(level) if _holds(value, name)]
    for value in _entered(level):
        if isinstance(value, str | int) and not isinstance(value, bool):
            found[type(value), value] = value
    return list(found.values())


def _entered(values: Iterable[Any]) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, list) else [value])]


def _holds(value: Any, name: str) -> bool:
    return isinstance(value, dict) and name.removesuffix("[]") in value
