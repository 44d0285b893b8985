"""What is wrong with a PromQL query, given the metrics that the services expose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser

TARGET_LABELS = frozenset({"job", "instance"})
"""Given to every series by Prometheus."""
_OF_COUNTERS = frozenset({"rate", "irate", "increase"})
_HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")
Inventory = Mapping[str, Mapping[str, Any]]


def problems(query: str, inventory: Inventory) -> list[str]:
    """Every reason why a query shows nothing, or something else than it seems to.

    Args:
        query: PromQL; Grafana's variables for intervals are understood.
        inventory: Type and labels of every metric, by its name.
    """
    try:
        parsed = promql_parser.parse(query.replace("$__rate_interval", "5m"))
    except ValueError as error:
        return [f"does not parse: {error}"]
    if isinstance(parsed, promql_parser.MatrixSelector):
        return ["gives ranges, not values"]
    return list(_look(parsed, inventory, within=""))


def labels_of(query: str, inventory: Inventory) -> frozenset[str]:
    """The labels of a query's result."""
    return _labels(promql_parser.parse(query.replace("$__rate_interval", "5m")), inventory)


def metrics_of(query: str) -> set[str]:
    """The series that a query reads."""
    parsed = promql_parser.parse(query.replace("$__rate_interval", "5m"))
    return {node.name for node in _walk(parsed) if isinstance(node, promql_parser.VectorSelector)}


def family_of(name: str, inventory: Inventory) -> str | None:
    """The metric that a series belongs to; None if there is none."""
    for part in _HISTOGRAM_PARTS:
        base = name.removesuffix(part)
        if base != name and inventory.get(base, {}).get("type") == "histogram":
            return base
    found = inventory.get(name)
    return name if found is not None and found["type"] != "histogram" else None


def _look(node: Any, inventory: Inventory, within: str) -> Iterator[str]:
    match node:
        case promql_parser.VectorSelector():
            yield from _selector(node, inventory, within)
        case promql_parser.AggregateExpr():
            yield from _grouping(node, inventory)
        case promql_parser.BinaryExpr() if node.modifier is not None and node.modifier.matching is not None:
            sides = _labels(node.lhs, inventory) | _labels(node.rhs, inventory)
            yield from (f"no label {name!r} to match on" for name in set(node.modifier.matching.labels) - sides)
        case promql_parser.Call() if node.func.name == "histogram_quantile":
            if "le" not in _labels(node.args[1], inventory):
                yield "histogram_quantile without le"
    inner = node.func.name if isinstance(node, promql_parser.Call) else within
    for child in _children(node):
        yield from _look(child, inventory, inner)


def _selector(node: Any, inventory: Inventory, within: str) -> Iterator[str]:
    family = family_of(node.name, inventory)
    if family is None:
        yield f"no service exposes {node.name!r}"
        return
    known = _labels(node, inventory)
    yield from (f"{node.name} has no label {m.name!r}" for m in node.matchers.matchers if m.name not in known)
    grows = inventory[family]["type"] in ("counter", "histogram")
    if grows and within not in _OF_COUNTERS:
        yield f"{node.name} only grows: take its rate"
    if not grows and within in _OF_COUNTERS:
        yield f"{node.name} goes up and down: {within} is for counters"


def _grouping(node: Any, inventory: Inventory) -> Iterator[str]:
    if node.modifier is not None:
        missing = set(node.modifier.labels) - _labels(node.expr, inventory)
        yield from (f"no label {name!r} to group by" for name in sorted(missing))


def _labels(node: Any, inventory: Inventory) -> frozenset[str]:
    """Labels that a part's result may have."""
    match node:
        case promql_parser.VectorSelector():
            family = family_of(node.name, inventory)
            own = frozenset(inventory[family]["labels"]) if family else frozenset()
            return own | TARGET_LABELS | ({"le"} if node.name.endswith("_bucket") else set())
        case promql_parser.AggregateExpr():
            if node.modifier is None:
                return frozenset()
            inner, named = _labels(node.expr, inventory), frozenset(node.modifier.labels)
            return inner & named if "By" in str(node.modifier.type) else inner - named
        case promql_parser.Call() if node.func.name == "histogram_quantile":
            return _labels(node.args[1], inventory) - {"le"}
        case promql_parser.BinaryExpr():
            return _labels(node.lhs, inventory)
    return frozenset[str]().union(*(_labels(child, inventory) for child in _children(node)))


def _walk(node: Any) -> Iterator[Any]:
    yield node
    for child in _children(node):
        yield from _walk(child)


def _children(node: Any) -> list[Any]:
    match node:
        case promql_parser.BinaryExpr():
            return [node.lhs, node.rhs]
        case promql_parser.Call():
            return list(node.args)
        case promql_parser.MatrixSelector():
            return [node.vector_selector]
        case promql_parser.AggregateExpr() | promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            return [node.expr]
        case promql_parser.SubqueryExpr():
            return [node.expr]
    return []
