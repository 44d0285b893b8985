"""Reads through the stock client, compared with plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from qdrant_client import QdrantClient
from qdrant_client.http import models as m
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.fixtures.filter_reference import COLORS, INDEXES, filters, matches, random_items
from tests.fixtures.store import StoreProcess
from tests.fixtures.store_client import SIZE, client_of, random_vector

ITEMS = random_items(seed=11, number=300)
RANDOM = Random(5)
VECTORS = {item.id: random_vector(RANDOM) for item in ITEMS}
TERMS = {item.id: {term: 1.0 + term % 3 for term in RANDOM.sample(range(40), 5)} for item in ITEMS}
TENANT = {item.id: "ab"[item.id % 3 == 0] for item in ITEMS}


@pytest.fixture(scope="module")
def filled(store: StoreProcess) -> Iterator[tuple[QdrantClient, str]]:
    name = "search-module"
    dense = m.VectorParams(size=SIZE, distance=m.Distance.COSINE)
    with client_of(store.url) as client:
        client.create_collection(
            name,
            vectors_config={"image": dense},
            sparse_vectors_config={"bm25": m.SparseVectorParams(modifier=m.Modifier.IDF)},
        )
        for field, kind in INDEXES.items():
            client.create_payload_index(name, field, kind)
        client.create_payload_index(name, "tenant", m.PayloadSchemaType.KEYWORD)
        client.upsert(name, [_point(item.id) for item in ITEMS])
        yield client, name


def _point(identifier: int) -> m.PointStruct:
    item, terms = ITEMS[identifier], TERMS[identifier]
    vector: dict[str, m.Vector] = {"bm25": m.SparseVector(indices=list(terms), values=list(terms.values()))}
    if item.vectors:
        vector["image"] = VECTORS[identifier]
    return m.PointStruct(id=identifier, vector=vector, payload=item.payload | {"tenant": TENANT[identifier]})


def cosine(left: list[float], right: list[float]) -> float:
    return float(np.dot(left, right) / np.linalg.norm(left) / np.linalg.norm(right))


def dense_ranking(query: list[float]) -> list[int]:
    with_image = [item.id for item in ITEMS if item.vectors]
    return sorted(with_image, key=lambda identifier: -cosine(query, VECTORS[identifier]))


def sparse_scores(query: dict[int, float], corpus: list[int]) -> dict[int, float]:
    """Dot product with query weights times BM25's IDF over `corpus`."""

    def idf(term: int) -> float:
        holding = sum(term in TERMS[identifier] for identifier in corpus)
        return math.log((len(corpus) - holding + 0.5) / (holding + 0.5) + 1)

    scores = {
        item.id: sum(weight * idf(term) * TERMS[item.id].get(term, 0.0) for term, weight in query.items())
        for item in ITEMS
    }
    return {identifier: score for identifier, score in scores.items() if score}


def in_tenant(name: str) -> m.Filter:
    return m.Filter(must=[m.FieldCondition(key="tenant", match=m.MatchValue(value=name))])


def test_dense_search_finds_the_nearest(filled: tuple[QdrantClient, str]) -> None:
    client, name = filled
    query = random_vector(Random(1))
    hits = client.query_points(name, query=query, using="image", limit=20).points
    assert [hit.id for hit in hits] == dense_ranking(query)[:20]
    assert [hit.score for hit in hits] == pytest.approx(
        [cosine(query, VECTORS[int(hit.id)]) for hit in hits], abs=1e-5
    )
    assert hits[0].payload is None or hits[0].payload == ITEMS[int(hits[0].id)].payload | {
        "tenant": TENANT[int(hits[0].id)]
    }


def test_offset_and_threshold_cut_the_list(filled: tuple[QdrantClient, str]) -> None:
    client, name = filled
    query = random_vector(Random(2))
    ranking = dense_ranking(query)
    hits = client.query_points(name, query=query, using="image", limit=5, offset=5).points
    assert [hit.id for hit in hits] == ranking[5:10]
    threshold = cosine(query, VECTORS[ranking[3]]) - 1e-6
    hits = client.query_points(name, query=query, using="image", score_threshold=threshold).points
    assert [hit.id for hit in hits] == ranking[:4]


@pytest.mark.parametrize("corpus", [None, "a", "b"])
def test_sparse_scores_use_the_idf_of_their_corpus(filled: tuple[QdrantClient, str], corpus: str | None) -> None:
    client, name = filled
    query = {3: 1.0, 17: 0.5, 99: 2.0}
    params = None if corpus is None else m.SearchParams(idf=m.IdfCorpusParams(corpus=in_tenant(corpus)))
    hits = client.query_points(
        name,
        query=m.SparseVector(indices=list(query), values=list(query.values())),
        using="bm25",
        limit=300,
        search_params=params,
    ).points
    expected = sparse_scores(query, [item.id for item in ITEMS if corpus in (None, TENANT[item.id])])
    assert {int(hit.id): hit.score for hit in hits} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("k", "weights"), [(2, [1.0, 1.0]), (60, [1.0, 1.0]), (60, [3.0, 1.0])])
def test_rrf_ranks_by_the_sum_of_reciprocal_ranks(
    filled: tuple[QdrantClient, str], k: int, weights: list[float]
) -> None:
    client, name = filled
    queries = [random_vector(Random(3)), random_vector(Random(4))]
    scores: dict[int, float] = {}
    for query, weight in zip(queries, weights, strict=True):
        for rank, identifier in enumerate(dense_ranking(query)[:30]):
            # qdrant: 1 / (rank / weight + k), rank from 0 (measured: weights do not multiply)
            scores[identifier] = scores.get(identifier, 0.0) + 1 / ((rank + 1) / weight + k - 1)
    hits = client.query_points(
        name,
        prefetch=[m.Prefetch(query=query, using="image", limit=30) for query in queries],
        query=m.RrfQuery(rrf=m.Rrf(k=k, weights=weights)),
        limit=60,
    ).points
    assert {int(hit.id): hit.score for hit in hits} == pytest.approx(scores, rel=1e-4)


def test_dbsf_and_nested_prefetch_answer(filled: tuple[QdrantClient, str]) -> None:
    client, name = filled
    inner = m.Prefetch(query=random_vector(Random(6)), using="image", limit=50)
    outer = m.Prefetch(prefetch=[inner], query=m.SparseVector(indices=[3], values=[1.0]), using="bm25", limit=20)
    hits = client.query_points(
        name, prefetch=[inner, outer], query=m.FusionQuery(fusion=m.Fusion.DBSF), limit=10
    ).points
    assert len(hits) == 10
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_batch_answers_each_query(filled: tuple[QdrantClient, str]) -> None:
    client, name = filled
    queries = [random_vector(Random(seed)) for seed in range(4)]
    answers = client.query_batch_points(
        name, [m.QueryRequest(query=query, using="image", limit=7) for query in queries]
    )
    assert [[hit.id for hit in answer.points] for answer in answers] == [
        dense_ranking(query)[:7] for query in queries
    ]


def test_filters_reach_prefetches(filled: tuple[QdrantClient, str]) -> None:
    client, name = filled
    query = random_vector(Random(8))
    hits = client.query_points(
        name,
        prefetch=[
            m.Prefetch(query=query, using="image", limit=20, filter=in_tenant("b")),
            m.Prefetch(
                query=m.SparseVector(indices=[3, 4, 5], values=[1.0] * 3), using="bm25", filter=in_tenant("b")
            ),
        ],
        query=m.FusionQuery(fusion=m.Fusion.RRF),
        limit=50,
    ).points
    assert hits
    assert {TENANT[int(hit.id)] for hit in hits} == {"b"}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(source=filters)
def test_filters_hold_in_scroll_count_and_search(filled: tuple[QdrantClient, str], source: m.Filter) -> None:
    client, name = filled
    expected = {item.id for item in ITEMS if matches(item, source)}
    records, following = client.scroll(name, scroll_filter=source, limit=1000)
    assert {record.id for record in records} == expected
    assert following is None
    assert client.count(name, count_filter=source).count == len(expected)
    hits = client.query_points(name, query=[1.0] * SIZE, using="image", query_filter=source, limit=1000).points
    assert {hit.id for hit in hits} == {identifier for identifier in expected if ITEMS[identifier].vectors}


def test_scroll_pages_through_all(filled: tuple[QdrantClient, str]) -> None:
    client, name = filled
    found: list[object] = []
    offset = None
    while True:
        records, offset = client.scroll(name, limit=17, offset=offset, with_payload=["color"])
        found += [record.id for record in records]
        assert all(set(record.payload or {}) <= {"color"} for record in records)
        if offset is None:
            break
    assert found == [item.id for item in ITEMS]


def test_scroll_in_the_order_of_a_field(filled: tuple[QdrantClient, str]) -> None:
    client, name = filled
    records, _ = client.scroll(name, order_by=m.OrderBy(key="count", direction=m.Direction.DESC), limit=20)
    counts = [record.order_value for record in records]
    assert counts == sorted(counts, reverse=True)  # type: ignore[type-var]
    assert counts[0] == 5
    with pytest.raises(UnexpectedResponse, match="range index"):
        client.scroll(name, order_by="meta.size.cm")


def test_facets_count_values(filled: tuple[QdrantClient, str]) -> None:
    client, name = filled
    expected = {color: sum(color in _listed(item.payload.get("color")) for item in ITEMS) for color in COLORS}
    hits = client.facet(name, "color", exact=True).hits
    assert {hit.value: hit.count for hit in hits} == expected
    assert [hit.count for hit in hits] == sorted(expected.values(), reverse=True)
    assert len(client.facet(name, "color", limit=2).hits) == 2
    sold = {hit.value: hit.count for hit in client.facet(name, "sold", exact=True).hits}
    assert sold == {
        flag: sum(flag in _listed(item.payload.get("sold")) for item in ITEMS) for flag in (True, False)
    }


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def test_a_point_stands_for_its_vector_and_is_no_answer_to_itself(filled: tuple[QdrantClient, str]) -> None:
    client, name = filled
    identifier = next(item.id for item in ITEMS if item.vectors)
    hits = client.query_points(name, query=identifier, using="image", limit=5).points
    assert [hit.id for hit in hits] == dense_ranking(VECTORS[identifier])[1:6]
    with pytest.raises(UnexpectedResponse, match="No point with id 9999 found") as caught:
        client.query_points(name, query=9999, using="image")
    assert caught.value.status_code == 404


def test_recommendation_leaves_negatives_behind(filled: tuple[QdrantClient, str]) -> None:
    client, name = filled
    good, bad = [item.id for item in ITEMS if item.vectors][:2]
    for strategy in m.RecommendStrategy:
        query = m.RecommendQuery(recommend=m.RecommendInput(positive=[good], negative=[bad], strategy=strategy))
        hits = client.query_points(name, query=query, using="image", limit=10).points
        assert len(hits) == 10
        assert not {good, bad} & {hit.id for hit in hits}


def test_groups_hold_the_best_of_each(filled: tuple[QdrantClient, str]) -> None:
    client, name = filled
    query = random_vector(Random(9))
    groups = client.query_points_groups(
        name, group_by="tenant", query=query, using="image", limit=2, group_size=3, with_payload=True
    ).groups
    ranking = dense_ranking(query)
    for group in groups:
        assert [hit.id for hit in group.hits] == [i for i in ranking if TENANT[i] == group.id][:3]
        assert all((hit.payload or {})["tenant"] == group.id for hit in group.hits)
    assert {group.id for group in groups} == {"a", "b"}


def test_other_queries_are_passed_on(filled: tuple[QdrantClient, str]) -> None:
    client, name = filled
    near = m.Prefetch(query=[1.0] * SIZE, using="image", limit=50)
    formula = m.FormulaQuery(
        formula=m.SumExpression(sum=["$score", m.MultExpression(mult=[0.5, "meta.size.cm"])]),
        defaults={"meta.size.cm": 0},
    )
    queries: list[tuple[m.Query, list[m.Prefetch]]] = [
        (m.SampleQuery(sample=m.Sample.RANDOM), []),
        (m.OrderByQuery(order_by="count"), []),
        (formula, [near]),
        (m.NearestQuery(nearest=[1.0] * SIZE, mmr=m.Mmr(diversity=0.5, candidates_limit=50)), []),
        (m.DiscoverQuery(discover=m.DiscoverInput(target=[1.0] * SIZE, context=[])), []),
    ]
    for query, prefetch in queries:
        found = client.query_points(name, query=query, prefetch=prefetch or None, using="image", limit=5)
        assert len(found.points) == 5, query


@pytest.mark.parametrize(
    ("query", "using", "status"),
    [
        ([1.0], "image", 400),
        ([math.nan] * SIZE, "image", 400),
        ([1.0] * SIZE, "nope", 400),
        ([1.0] * SIZE, "bm25", 400),
        (m.SparseVector(indices=[1, 1], values=[1.0, 1.0]), "bm25", 400),
        (m.SparseVector(indices=[1, 2], values=[1.0]), "bm25", 400),
        (m.FusionQuery(fusion=m.Fusion.RRF), None, 400),
    ],
)
def test_wrong_queries_are_refused(
    filled: tuple[QdrantClient, str], store: StoreProcess, query: object, using: str | None, status: int
) -> None:
    _, name = filled
    body = m.QueryRequest(query=query, using=using).model_dump_json(exclude_none=True)  # type: ignore[arg-type]
    response = httpx.post(f"{store.url}/collections/{name}/points/query", content=body)
    assert response.status_code == status, response.text
