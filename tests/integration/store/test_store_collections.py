"""Collections, aliases and payload indexes through the stock client."""

from __future__ import annotations

from importlib.metadata import version

import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client.http import models as m
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.fixtures.store import StoreProcess
from tests.fixtures.store_client import SIZE, create_collection, error_of, revision_point


def refusal(status: int) -> pytest.RaisesExc[UnexpectedResponse]:
    return pytest.raises(UnexpectedResponse, check=lambda error: error.status_code == status)


def test_a_collection_keeps_its_configuration(client: QdrantClient, collection_name: str) -> None:
    client.create_collection(
        collection_name,
        vectors_config={"image": m.VectorParams(size=5, distance=m.Distance.DOT)},
        sparse_vectors_config={"bm25": m.SparseVectorParams(modifier=m.Modifier.IDF)},
        hnsw_config=m.HnswConfigDiff(m=24),
        quantization_config=m.ScalarQuantization(scalar=m.ScalarQuantizationConfig(type=m.ScalarType.INT8)),
        metadata={"fingerprint": "clip:abc", "nested": {"a": [1]}},
    )
    info = client.get_collection(collection_name)
    assert info.status == m.CollectionStatus.GREEN
    assert info.points_count == 0
    assert info.config.metadata == {"fingerprint": "clip:abc", "nested": {"a": [1]}}
    assert info.config.hnsw_config.m == 24
    assert info.config.quantization_config is not None
    assert isinstance(info.config.params.vectors, dict)
    assert info.config.params.vectors["image"].size == 5
    assert info.config.params.vectors["image"].distance == m.Distance.DOT
    assert info.config.params.sparse_vectors is not None
    assert info.config.params.sparse_vectors["bm25"].modifier == m.Modifier.IDF
    assert collection_name in {found.name for found in client.get_collections().collections}
    assert client.delete_collection(collection_name)


def test_one_unnamed_vector(client: QdrantClient, collection_name: str) -> None:
    client.create_collection(collection_name, vectors_config=m.VectorParams(size=2, distance=m.Distance.EUCLID))
    client.upsert(
        collection_name, [m.PointStruct(id=1, vector=[1.0, 2.0]), m.PointStruct(id=2, vector=[5.0, 5.0])]
    )
    hits = client.query_points(collection_name, query=[1.0, 2.5], with_vectors=True).points
    assert [hit.id for hit in hits] == [1, 2]
    assert hits[0].vector == [1.0, 2.0]
    client.delete_collection(collection_name)


def test_existence(client: QdrantClient, collection: str) -> None:
    assert client.collection_exists(collection)
    assert not client.collection_exists(collection + "x")
    assert client.delete_collection(collection)
    assert not client.collection_exists(collection)
    assert not client.delete_collection(collection)


def test_an_unknown_collection_is_404(client: QdrantClient, collection_name: str) -> None:
    for call in (
        lambda: client.get_collection(collection_name),
        lambda: client.upsert(collection_name, [revision_point(1, 1)]),
        lambda: client.query_points(collection_name, query=[1.0]),
        lambda: client.update_collection(collection_name, metadata={}),
    ):
        with refusal(404):
            call()


def test_an_existing_collection_is_409(client: QdrantClient, collection: str) -> None:
    with refusal(409):
        create_collection(client, collection)


@pytest.mark.parametrize("name", ["a:b", "a*", "x" * 256, "a%00b", "a%2Fb"])
def test_a_name_of_no_use_is_refused(store: StoreProcess, name: str) -> None:
    response = httpx.put(f"{store.url}/collections/{name}", json={})
    assert response.status_code in (404, 422)  # a slash is a path of its own, as on the real server
    error_of(response)


@pytest.mark.parametrize(
    "body",
    [
        {"vectors": {"a": {"size": 0, "distance": "Dot"}}},
        {"vectors": {"a": {"size": 4, "distance": "Nearness"}}},
        {"vectors": {"a": {"size": 100000, "distance": "Dot"}}},
        {"vectors": {"a": {"size": 4, "distance": "Dot"}}, "sparse_vectors": {"a": {}}},
        {"vectors": {"a": {"size": 4, "distance": "Dot"}}, "sharding_method": "custom"},
    ],
)
def test_a_wrong_configuration_leaves_nothing_behind(
    store: StoreProcess, client: QdrantClient, collection_name: str, body: dict[str, object]
) -> None:
    folders = {path.name for path in (store.folder / "collections").iterdir()}
    response = httpx.put(f"{store.url}/collections/{collection_name}", json=body)
    assert response.status_code in (400, 422, 501)
    error_of(response)
    assert not client.collection_exists(collection_name)
    assert {path.name for path in (store.folder / "collections").iterdir()} == folders


def test_metadata_can_be_changed(client: QdrantClient, collection: str) -> None:
    client.update_collection(collection, metadata={"a": 1, "b": 2})
    client.update_collection(collection, metadata={"b": None, "c": 3})
    assert client.get_collection(collection).config.metadata == {"a": 1, "c": 3}


def test_other_changes_say_that_they_are_not_offered(client: QdrantClient, collection: str) -> None:
    with refusal(501):
        client.update_collection(collection, hnsw_config=m.HnswConfigDiff(m=8))


def alias(name: str, collection: str) -> m.CreateAliasOperation:
    return m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=collection, alias_name=name))


def no_alias(name: str) -> m.DeleteAliasOperation:
    return m.DeleteAliasOperation(delete_alias=m.DeleteAlias(alias_name=name))


def test_an_alias_switches_in_one_step(client: QdrantClient, collection: str) -> None:
    other, name = f"{collection}-new", f"{collection}-alias"
    create_collection(client, other)
    client.upsert(collection, [revision_point(1, 1)])
    client.upsert(other, [revision_point(2, 1)])
    client.update_collection_aliases([alias(name, collection)])
    assert [point.id for point in client.scroll(name)[0]] == [1]
    assert client.collection_exists(name)
    client.update_collection_aliases([no_alias(name), alias(name, other)])
    assert [point.id for point in client.scroll(name)[0]] == [2]
    assert [found.alias_name for found in client.get_collection_aliases(other).aliases] == [name]
    assert client.get_collection_aliases(collection).aliases == []
    client.delete_collection(other)
    assert not client.collection_exists(name)
    assert name not in {found.alias_name for found in client.get_aliases().aliases}


def test_a_wrong_action_undoes_those_before_it(client: QdrantClient, collection: str) -> None:
    name = f"{collection}-alias"
    with refusal(404):
        client.update_collection_aliases([alias(name, collection), alias("other", "not-there")])
    assert client.get_collection_aliases(collection).aliases == []
    with refusal(409):
        client.update_collection_aliases([alias(name, collection), alias(collection, collection)])
    assert client.get_collection_aliases(collection).aliases == []


def test_an_alias_can_be_renamed(client: QdrantClient, collection: str) -> None:
    old, new = f"{collection}-old", f"{collection}-new"
    rename = m.RenameAliasOperation(rename_alias=m.RenameAlias(old_alias_name=old, new_alias_name=new))
    with refusal(404):
        client.update_collection_aliases([rename])
    client.update_collection_aliases([alias(old, collection)])
    client.update_collection_aliases([rename])
    assert [found.alias_name for found in client.get_collection_aliases(collection).aliases] == [new]


def test_payload_indexes_are_listed_with_their_options(client: QdrantClient, collection: str) -> None:
    client.create_payload_index(
        collection, "tenant", m.KeywordIndexParams(type=m.KeywordIndexType.KEYWORD, is_tenant=True)
    )
    client.create_payload_index(collection, "revision", m.PayloadSchemaType.INTEGER)
    client.upsert(collection, [revision_point(number, number) for number in range(5)])
    schema = client.get_collection(collection).payload_schema
    assert schema["revision"].data_type == m.PayloadSchemaType.INTEGER
    assert schema["revision"].points == 5
    assert isinstance(schema["tenant"].params, m.KeywordIndexParams)
    assert schema["tenant"].params.is_tenant
    client.delete_payload_index(collection, "tenant")
    assert set(client.get_collection(collection).payload_schema) == {"revision"}


def test_the_client_finds_its_own_version(client: QdrantClient) -> None:
    # With another minor version the client would warn at its start.
    assert client.info().version == version("qdrant-client")


def test_vectors_have_the_size_they_were_made_with(client: QdrantClient, collection: str) -> None:
    vectors = client.get_collection(collection).config.params.vectors
    assert isinstance(vectors, dict)
    assert vectors["text"].size == SIZE
