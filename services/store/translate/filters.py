"""`models.Filter` to the engine's filter."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from typing import TypeVar

import numpy as np
import qdrant_edge as edge
from qdrant_client.http import models as m

from services.common.errors import InvalidFilterError
from services.store.translate.ids import PointId, point_id
from services.store.translate.limits import FILTER_DEPTH

T = TypeVar("T")
_INT64 = 2**63


def as_list(value: list[T] | T | None) -> list[T]:
    """Qdrant lets a single condition stand for a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def engine_filter(source: m.Filter | None, exclude: Iterable[PointId] = ()) -> edge.Filter | None:
    """Translate a filter.

    Args:
        source: The filter, or None for none.
        exclude: Ids that must not match besides.

    Returns:
        The engine's filter; None if nothing is asked for.

    Raises:
        InvalidFilterError: Nested too deep, or a value of no use.
    """
    excluded = set(exclude)
    if source is None and not excluded:
        return None
    return _filter(source or m.Filter(), FILTER_DEPTH, excluded)


def _filter(source: m.Filter, levels: int, excluded: set[PointId]) -> edge.Filter:
    if levels == 0:
        raise InvalidFilterError(f"The filter is nested deeper than {FILTER_DEPTH} levels")
    must_not = _conditions(as_list(source.must_not), levels) or []
    if excluded:
        must_not.append(edge.HasIdCondition(set(excluded)))
    return edge.Filter(
        must=_conditions(as_list(source.must), levels),
        should=_conditions(as_list(source.should), levels),
        must_not=must_not or None,
        min_should=_min_should(source.min_should, levels),
    )


def _conditions(source: list[m.Condition], levels: int) -> list[edge.ConditionType] | None:
    # An empty `should` would match nothing in the engine; in Qdrant it asks for nothing.
    return [_condition(condition, levels) for condition in source] or None


def _min_should(source: m.MinShould | None, levels: int) -> edge.MinShould | None:
    if source is None:
        return None
    return edge.MinShould(_conditions(source.conditions, levels) or [], source.min_count)


def engine_condition(source: m.Condition) -> edge.ConditionType:
    """Translate one condition, as formulas hold them."""
    return _condition(source, FILTER_DEPTH)


def _condition(source: m.Condition, levels: int) -> edge.ConditionType:
    match source:
        case m.FieldCondition():
            return _field_condition(source)
        case m.HasIdCondition():
            return edge.HasIdCondition({point_id(value) for value in source.has_id})
        case m.HasVectorCondition():
            return edge.HasVectorCondition(source.has_vector)
        case m.IsEmptyCondition():
            return edge.IsEmptyCondition(source.is_empty.key)
        case m.IsNullCondition():
            return edge.IsNullCondition(source.is_null.key)
        case m.NestedCondition():
            return edge.NestedCondition(source.nested.key, _filter(source.nested.filter, levels - 1, set()))
        case m.SliceCondition():
            return _slice(source.slice)
        case m.Filter():
            return _filter(source, levels - 1, set())
    raise InvalidFilterError(f"Unknown condition {type(source).__name__}")


def _slice(source: m.Slice) -> edge.ConditionType:
    # The stubs of 0.9.0 lack this class.
    condition: edge.ConditionType = edge.SliceCondition(source.total, source.index)  # type: ignore[attr-defined]
    return condition


def _field_condition(source: m.FieldCondition) -> edge.FieldCondition:
    return edge.FieldCondition(
        source.key,
        match=_match(source.match),
        range=_range(source.range),
        geo_bounding_box=_bounding_box(source.geo_bounding_box),
        geo_radius=_radius(source.geo_radius),
        geo_polygon=_polygon(source.geo_polygon),
        values_count=_values_count(source.values_count),
        is_empty=source.is_empty,
        is_null=source.is_null,
    )


def _match(source: m.Match | None) -> edge.MatchType | None:
    match source:
        case None:
            return None
        case m.MatchValue():
            return _match_value(source.value)
        case m.MatchText():
            return edge.MatchText(source.text)
        case m.MatchTextAny():
            return edge.MatchTextAny(source.text_any)
        case m.MatchPhrase():
            return edge.MatchPhrase(source.phrase)
        case m.MatchPrefix():
            return edge.MatchPrefix(source.prefix)
        case m.MatchSubstring():
            return edge.MatchSubstring(source.substring)
        case m.MatchAny():
            return edge.MatchAny(_checked_list(source.any))
        case m.MatchExcept():
            return edge.MatchExcept(_checked_list(source.except_))
    raise InvalidFilterError(f"Unknown match {type(source).__name__}")


def _match_value(value: bool | int | str) -> edge.MatchValue:
    if isinstance(value, bool):
        # The binding of 0.9.0 takes Python's own True for the integer 1 and then matches nothing.
        return edge.MatchValue(np.bool_(value))  # type: ignore[arg-type]
    return edge.MatchValue(_integer_checked(value))


V = TypeVar("V", bound=int | str)


def _integer_checked(value: V) -> V:
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise InvalidFilterError(f"{value} is no 64-bit integer")
    return value


def _checked_list(values: m.AnyVariants) -> list[str] | list[int]:
    for value in values:
        _integer_checked(value)
    return values


def _range(source: m.RangeInterface | None) -> edge.RangeType | None:
    if source is None:
        return None
    if isinstance(source, m.DatetimeRange):
        return edge.RangeDateTime(
            gte=iso_text(source.gte), gt=iso_text(source.gt), lte=iso_text(source.lte), lt=iso_text(source.lt)
        )
    bounds = (source.gte, source.gt, source.lte, source.lt)
    if any(bound is not None and math.isnan(bound) for bound in bounds):
        raise InvalidFilterError("A range cannot be compared with NaN")
    return edge.RangeFloat(gte=source.gte, gt=source.gt, lte=source.lte, lt=source.lt)


def iso_text(value: date | None) -> str | None:
    """A date or a datetime (which is one) as the engine reads it."""
    return None if value is None else value.isoformat()


def geo_point(source: m.GeoPoint) -> edge.GeoPoint:
    """Degrees; the engine refuses a latitude or longitude out of range."""
    return edge.GeoPoint(source.lon, source.lat)


def _bounding_box(source: m.GeoBoundingBox | None) -> edge.GeoBoundingBox | None:
    if source is None:
        return None
    return edge.GeoBoundingBox(geo_point(source.top_left), geo_point(source.bottom_right))


def _radius(source: m.GeoRadius | None) -> edge.GeoRadius | None:
    if source is None:
        return None
    if not math.isfinite(source.radius):
        raise InvalidFilterError("The radius must be a finite number of metres")
    return edge.GeoRadius(geo_point(source.center), source.radius)


def _polygon(source: m.GeoPolygon | None) -> edge.GeoPolygon | None:
    if source is None:
        return None
    interiors = [[geo_point(point) for point in ring.points] for ring in source.interiors or []]
    return edge.GeoPolygon([geo_point(point) for point in source.exterior.points], interiors or None)


def _values_count(source: m.ValuesCount | None) -> edge.ValuesCount | None:
    if source is None:
        return None
    return edge.ValuesCount(lt=source.lt, gt=source.gt, lte=source.lte, gte=source.gte)
