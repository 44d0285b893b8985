"""Groups of hits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import qdrant_edge as edge
from hypothesis import given
from hypothesis import strategies as st

from services.store.grouping import Group, complete, field_values, grouped


@dataclass(frozen=True)
class Hit:
    """Has of a scored point what grouping looks at; the engine's own cannot be constructed."""

    id: int
    payload: dict[str, Any] = field(default_factory=dict)


def groups_of(hits: list[Hit], limit: int, size: int) -> list[tuple[str | int, list[int]]]:
    found = grouped(cast(list[edge.ScoredPoint], hits), "document.id", limit, size)
    return [(group.key, [int(str(hit.id)) for hit in group.hits]) for group in found]


def hit(identifier: int, value: object) -> Hit:
    return Hit(identifier, {"document": {"id": value}})


def test_groups_and_their_hits_come_in_the_order_of_the_hits() -> None:
    hits = [hit(1, "b"), hit(2, "a"), hit(3, "b"), hit(4, "b"), hit(5, "c")]
    assert groups_of(hits, limit=2, size=2) == [("b", [1, 3]), ("a", [2])]


def test_a_list_stands_in_each_of_its_groups_once() -> None:
    assert groups_of([hit(1, ["a", "b", "a"]), hit(2, "b")], limit=9, size=9) == [("a", [1]), ("b", [1, 2])]


def test_a_number_and_its_text_are_two_groups() -> None:
    assert groups_of([hit(1, 1), hit(2, "1")], limit=9, size=9) == [(1, [1]), ("1", [2])]


def test_points_without_the_field_stand_in_no_group() -> None:
    assert groups_of([Hit(1), hit(2, None), hit(3, True), hit(4, 1.5), Hit(5, {"document": 3})], 9, 9) == []


@given(st.lists(st.sampled_from("abcdef"), max_size=40), st.integers(1, 5), st.integers(1, 5))
def test_groups_are_bounded_and_hits_keep_their_key(keys: list[str], limit: int, size: int) -> None:
    found = groups_of([hit(number, key) for number, key in enumerate(keys)], limit, size)
    assert len(found) == min(limit, len(set(keys)))
    for key, hits in found:
        assert hits == [number for number, other in enumerate(keys) if other == key][:size]


def test_lists_on_the_way_are_entered() -> None:
    payload = {"offers": [{"shop": "x"}, {"shop": ["y", "x"]}, {"price": 3}]}
    assert field_values(payload, ["offers[]", "shop"]) == ["x", "y"]
    assert field_values(payload, ["offers", "shop"]) == ["x", "y"]


def test_complete_means_that_no_more_hits_are_needed() -> None:
    full = Group("a", cast(list[edge.ScoredPoint], [Hit(1), Hit(2)]))
    part = Group("b", cast(list[edge.ScoredPoint], [Hit(1)]))
    assert complete([full], limit=1, size=2)
    assert not complete([full], limit=2, size=2)
    assert not complete([full, part], limit=2, size=2)
