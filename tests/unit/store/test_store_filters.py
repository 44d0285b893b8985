"""Filters: random ones against plain Python on the real engine, and the ones to be refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import qdrant_edge as edge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client.http import models as m

from services.common.errors import InvalidFilterError, InvalidRequestError
from services.store.engine import engine_errors
from services.store.translate.filters import engine_filter
from services.store.translate.indexes import engine_index
from services.store.translate.limits import FILTER_DEPTH
from tests.fixtures.filter_reference import INDEXES, filters, matches, random_items

ITEMS = random_items(seed=7, number=400)


def open_shard(folder: Path, indexed: bool) -> edge.EdgeShard:
    config = edge.EdgeConfig(vectors={"image": edge.EdgeVectorParams(size=2, distance=edge.Distance.Dot)})
    shard = edge.EdgeShard.create(str(folder), config)
    points = [edge.Point(item.id, {name: [1.0, 2.0] for name in item.vectors}, item.payload) for item in ITEMS]
    shard.update(edge.UpdateOperation.upsert_points(points))
    for field, kind in INDEXES.items() if indexed else ():
        shard.update(edge.UpdateOperation.create_field_index(field, engine_index(kind)))
    return shard


@pytest.fixture(scope="module", params=["indexed", "unindexed"])
def shard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[edge.EdgeShard]:
    opened = open_shard(tmp_path_factory.mktemp("shard"), indexed=request.param == "indexed")
    yield opened
    opened.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(filters)
def test_random_filters_find_what_plain_python_finds(shard: edge.EdgeShard, source: m.Filter) -> None:
    # Through JSON, as a request comes.
    parsed = m.Filter.model_validate_json(source.model_dump_json(by_alias=True, exclude_none=True))
    records, _ = shard.scroll(
        edge.ScrollRequest(limit=1000, filter=engine_filter(parsed), with_payload=False, with_vector=False)
    )
    assert {record.id for record in records} == {item.id for item in ITEMS if matches(item, source)}


@pytest.mark.parametrize("sold", [True, False])
def test_a_boolean_is_not_taken_for_an_integer(shard: edge.EdgeShard, sold: bool) -> None:
    source = m.Filter(must=[m.FieldCondition(key="sold", match=m.MatchValue(value=sold))])
    found = shard.count(edge.CountRequest(exact=True, filter=engine_filter(source)))
    assert found == sum(matches(item, source) for item in ITEMS) > 100


def test_no_filter_is_none() -> None:
    assert engine_filter(None) is None


def test_slices_are_disjoint_and_cover_all(shard: edge.EdgeShard) -> None:
    counts = []
    for index in range(4):
        source = m.Filter(must=[m.SliceCondition(slice=m.Slice(total=4, index=index))])
        counts.append(shard.count(edge.CountRequest(exact=True, filter=engine_filter(source))))
    assert sum(counts) == len(ITEMS)
    assert all(counts)


@given(st.sets(st.integers(0, 399), max_size=20))
def test_excluded_ids_do_not_match(shard: edge.EdgeShard, excluded: set[int]) -> None:
    found = shard.count(edge.CountRequest(exact=True, filter=engine_filter(None, exclude=excluded)))
    assert found == len(ITEMS) - len(excluded)


def nested(levels: int, by_key: bool) -> m.Filter:
    source = m.Filter(must=[m.FieldCondition(key="a", match=m.MatchValue(value=1))])
    for _ in range(levels - 1):
        inner: m.Condition = m.NestedCondition(nested=m.Nested(key="a", filter=source)) if by_key else source
        source = m.Filter(must=[inner])
    return source


@pytest.mark.parametrize("by_key", [True, False])
def test_depth_is_bounded(by_key: bool) -> None:
    engine_filter(nested(FILTER_DEPTH, by_key))
    with pytest.raises(InvalidFilterError, match="deeper"):
        engine_filter(nested(FILTER_DEPTH + 1, by_key))


def condition(**given: object) -> m.Filter:
    return m.Filter(must=[m.FieldCondition(key="a", **given)])  # type: ignore[arg-type]


def circle(lon: float, lat: float, radius: float) -> m.Filter:
    return condition(geo_radius=m.GeoRadius(center=m.GeoPoint(lon=lon, lat=lat), radius=radius))


@pytest.mark.parametrize(
    "source",
    [
        condition(match=m.MatchValue(value=2**63)),
        condition(match=m.MatchAny(any=[1, -(2**70)])),
        condition(range=m.Range(lt=math.nan)),
        circle(0, 91, 5),
        circle(0, 0, math.nan),
        condition(geo_polygon=m.GeoPolygon(exterior=m.GeoLineString(points=[m.GeoPoint(lon=1, lat=1)]))),
        m.Filter(must=[m.FieldCondition(key="a[[", match=m.MatchValue(value=1))]),
        m.Filter(must=[m.HasIdCondition(has_id=["no id"])]),
        m.Filter(must=[m.HasIdCondition(has_id=[-1])]),
        m.Filter(must=[m.SliceCondition(slice=m.Slice(total=0, index=0))]),
        m.Filter(must=[m.SliceCondition(slice=m.Slice(total=2, index=2))]),
    ],
)
def test_values_of_no_use_are_refused(source: m.Filter) -> None:
    with pytest.raises(InvalidRequestError), engine_errors():
        engine_filter(source)
