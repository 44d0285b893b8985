"""Writes of points through the stock client."""

from __future__ import annotations

from typing import Any

import pytest
from qdrant_client import QdrantClient
from qdrant_client.http import models as m
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.fixtures.store_client import SIZE, revision_point

UUID_1 = "00000000-0000-0000-0000-000000000001"


def older_than(revision: int) -> m.Filter:
    """Update only what is older, or has no revision."""
    return m.Filter(
        should=[
            m.FieldCondition(key="revision", range=m.Range(lt=revision)),
            m.IsEmptyCondition(is_empty=m.PayloadField(key="revision")),
        ]
    )


def point(client: QdrantClient, collection: str, identifier: int | str = 1) -> m.Record:
    [found] = client.retrieve(collection, [identifier], with_vectors=True)
    return found


def payload(client: QdrantClient, collection: str, identifier: int | str = 1) -> dict[str, Any]:
    return point(client, collection, identifier).payload or {}


def vector_names(client: QdrantClient, collection: str, identifier: int | str = 1) -> set[str]:
    vectors = point(client, collection, identifier).vector
    assert isinstance(vectors, dict)
    return set(vectors)


def test_points_come_back_as_they_went_in(client: QdrantClient, collection: str) -> None:
    written = m.PointStruct(
        id=UUID_1,
        vector={"image": [1.0] + [0.0] * (SIZE - 1), "bm25": m.SparseVector(indices=[9, 3], values=[0.5, 2.0])},
        payload={"title": "红色连衣裙", "n": 2**53 - 1, "f": 0.1, "none": None, "list": [1, {"a": True}], "": "x"},
    )
    result = client.upsert(collection, [written], wait=True)
    assert result.status == m.UpdateStatus.COMPLETED
    found = point(client, collection, UUID_1)
    assert found.id == UUID_1
    assert found.payload == written.payload
    assert isinstance(found.vector, dict)
    assert found.vector["image"] == [1.0] + [0.0] * (SIZE - 1)
    sparse = found.vector["bm25"]
    assert isinstance(sparse, m.SparseVector)
    assert dict(zip(sparse.indices, sparse.values, strict=True)) == {9: 0.5, 3: 2.0}


def test_columns_are_another_form_of_points(client: QdrantClient, collection: str) -> None:
    batch = m.Batch(
        ids=[1, 2],
        vectors={"image": [[1.0] * SIZE, [2.0] * SIZE], "text": [[3.0] * SIZE, [4.0] * SIZE]},
        payloads=[{"a": 1}, {"a": 2}],
    )
    client.upsert(collection, batch)
    assert payload(client, collection, 2) == {"a": 2}
    assert vector_names(client, collection, 2) == {"image", "text"}
    with pytest.raises(UnexpectedResponse, match="equal"):
        client.upsert(collection, m.Batch(ids=[3, 4], vectors={"image": [[1.0] * SIZE]}))
    assert client.count(collection).count == 2


def test_wait_false_is_acknowledged_and_done(client: QdrantClient, collection: str) -> None:
    assert client.upsert(collection, [revision_point(1, 1)], wait=False).status == m.UpdateStatus.ACKNOWLEDGED
    assert client.count(collection).count == 1


def test_a_later_upsert_replaces_the_whole_point(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, [revision_point(1, 1)])
    client.upsert(collection, [m.PointStruct(id=1, vector={"text": [1.0] * SIZE}, payload={"b": 2})])
    assert payload(client, collection) == {"b": 2}
    assert vector_names(client, collection) == {"text"}


@pytest.mark.parametrize("indexed", [True, False])
def test_only_a_newer_revision_replaces(client: QdrantClient, collection: str, indexed: bool) -> None:
    if indexed:
        client.create_payload_index(collection, "revision", m.PayloadSchemaType.INTEGER)
    for revision in (5, 3, 5, 8, 7):
        client.upsert(collection, [revision_point(1, revision)], update_filter=older_than(revision))
    assert payload(client, collection)["revision"] == 8


def test_revisions_of_milliseconds_are_told_apart(client: QdrantClient, collection: str) -> None:
    client.create_payload_index(collection, "revision", m.PayloadSchemaType.INTEGER)
    newest = (1_800_000_000_000 << 12 | 5) & (2**53 - 1)
    client.upsert(collection, [revision_point(1, newest)])
    client.upsert(collection, [revision_point(1, newest - 1)], update_filter=older_than(newest - 1))
    assert payload(client, collection)["revision"] == newest
    client.upsert(collection, [revision_point(1, newest + 1)], update_filter=older_than(newest + 1))
    assert payload(client, collection)["revision"] == newest + 1


def test_the_filter_is_asked_for_each_point_of_a_batch(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, [revision_point(number, number) for number in range(10)])
    client.upsert(collection, [revision_point(number, 5) for number in range(12)], update_filter=older_than(5))
    found = {record.id: record.payload for record in client.scroll(collection, limit=50)[0]}
    assert {identifier: (load or {})["revision"] for identifier, load in found.items()} == {
        number: max(5, number) if number < 10 else 5 for number in range(12)
    }


def tombstone(identifier: int, revision: int) -> m.PointStruct:
    return m.PointStruct(id=identifier, vector={}, payload={"revision": revision, "deleted": True})


def test_a_tombstone_replaces_what_is_older(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, [revision_point(1, 3), revision_point(2, 9)])
    client.upsert(collection, [tombstone(1, 5), tombstone(2, 5), tombstone(3, 5)], update_filter=older_than(5))
    assert payload(client, collection, 1) == {"revision": 5, "deleted": True}
    assert vector_names(client, collection, 1) == set()
    assert vector_names(client, collection, 2) == {"image", "text", "bm25"}
    assert payload(client, collection, 3)["deleted"]
    hits = client.query_points(collection, query=[1.0] * SIZE, using="image").points
    assert [hit.id for hit in hits] == [2]
    living = m.Filter(must_not=[m.FieldCondition(key="deleted", match=m.MatchValue(value=True))])
    assert client.count(collection, count_filter=living).count == 1


def test_a_tombstone_is_replaced_by_what_is_newer_only(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, [tombstone(1, 5)])
    client.upsert(collection, [revision_point(1, 4)], update_filter=older_than(4))
    assert payload(client, collection)["deleted"]
    client.upsert(collection, [revision_point(1, 6)], update_filter=older_than(6))
    assert "deleted" not in payload(client, collection)
    assert vector_names(client, collection) == {"image", "text", "bm25"}


def test_update_modes(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, [revision_point(1, 1)])
    both = [revision_point(1, 2), revision_point(2, 2)]
    client.upsert(collection, both, update_mode=m.UpdateMode.UPDATE_ONLY)
    assert payload(client, collection)["revision"] == 2
    assert client.count(collection).count == 1
    client.upsert(collection, [revision_point(1, 3), revision_point(2, 3)], update_mode=m.UpdateMode.INSERT_ONLY)
    assert payload(client, collection, 1)["revision"] == 2
    assert payload(client, collection, 2)["revision"] == 3


def test_payload_is_set_overwritten_and_cleared(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, [revision_point(number, number) for number in (1, 2)])
    first = m.Filter(must=[m.FieldCondition(key="revision", match=m.MatchValue(value=1))])
    client.set_payload(collection, {"a": {"b": 1}}, points=[1, 2])
    client.set_payload(collection, {"c": 2}, points=first, key="a")
    assert payload(client, collection, 1) == {"revision": 1, "key": "item-1", "a": {"b": 1, "c": 2}}
    assert payload(client, collection, 2)["a"] == {"b": 1}
    client.delete_payload(collection, ["key", "a.b"], points=[1])
    assert payload(client, collection, 1) == {"revision": 1, "a": {"c": 2}}
    client.overwrite_payload(collection, {"only": True}, points=[1])
    assert payload(client, collection, 1) == {"only": True}
    client.clear_payload(collection, points_selector=[2])
    assert payload(client, collection, 2) == {}


def test_a_missing_point_is_404(client: QdrantClient, collection: str) -> None:
    with pytest.raises(UnexpectedResponse, match="No point with id 7 found") as caught:
        client.set_payload(collection, {"a": 1}, points=[7])
    assert caught.value.status_code == 404


def test_vectors_are_updated_and_deleted(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, [m.PointStruct(id=1, vector={"image": [1.0] * SIZE}, payload={"a": 1})])
    client.update_vectors(collection, [m.PointVectors(id=1, vector={"text": [2.0] * SIZE})])
    assert vector_names(client, collection) == {"image", "text"}
    client.delete_vectors(collection, ["image"], points=[1])
    assert vector_names(client, collection) == {"text"}
    assert payload(client, collection) == {"a": 1}
    with pytest.raises(UnexpectedResponse, match="Not existing vector name"):
        client.delete_vectors(collection, ["nope"], points=[1])


def test_points_are_deleted_by_id_and_by_filter(client: QdrantClient, collection: str) -> None:
    client.upsert(collection, [revision_point(number, number) for number in range(10)])
    client.delete(collection, [0, 1, 99])
    client.delete(collection, m.Filter(must=[m.FieldCondition(key="revision", range=m.Range(gte=8))]))
    assert [record.id for record in client.scroll(collection, limit=20)[0]] == list(range(2, 8))


def test_a_batch_of_operations_runs_in_order(client: QdrantClient, collection: str) -> None:
    results = client.batch_update_points(
        collection,
        [
            m.UpsertOperation(upsert=m.PointsList(points=[revision_point(1, 1), revision_point(2, 1)])),
            m.SetPayloadOperation(set_payload=m.SetPayload(payload={"set": 1}, points=[1])),
            m.DeleteOperation(delete=m.PointIdsList(points=[2])),
            m.DeleteVectorsOperation(delete_vectors=m.DeleteVectors(points=[1], vector=["text"])),
        ],
    )
    assert [result.status for result in results] == [m.UpdateStatus.COMPLETED] * 4
    assert payload(client, collection)["set"] == 1
    assert vector_names(client, collection) == {"image", "bm25"}
    assert client.count(collection).count == 1


def test_one_wrong_operation_and_none_is_applied(client: QdrantClient, collection: str) -> None:
    wrong = m.PointStruct(id=2, vector={"image": [1.0]})
    with pytest.raises(UnexpectedResponse, match="expected dim"):
        client.batch_update_points(
            collection,
            [
                m.UpsertOperation(upsert=m.PointsList(points=[revision_point(1, 1)])),
                m.UpsertOperation(upsert=m.PointsList(points=[wrong])),
            ],
        )
    assert client.count(collection).count == 0
