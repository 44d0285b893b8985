"""Ids, contracts, payloads, tenants and vector checks."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.domain import (
    Box,
    Caption,
    DuplicateKind,
    DuplicateOf,
    IndexedItem,
    Item,
    ItemKind,
    ItemVectors,
    Media,
    Position,
    SparseVector,
    Vector,
)
from services.common.errors import InvalidRequestError, InvalidVectorError
from services.common.index.checks import check_sparse, check_vectors
from services.common.index.contract import EmbeddingContract, SemanticContract
from services.common.index.ids import content_key, item_id
from services.common.index.payload import to_item, to_point, tombstone
from services.common.index.schema import collection_arguments
from services.common.index.tenancy import scoped, stamp

CONTRACT = EmbeddingContract(joint="model@1", dim=3)
WITH_SEMANTIC = EmbeddingContract(joint="model@1", dim=3, semantic=SemanticContract("sentences@1", 2))
UNIT = np.array([1, 0, 0], np.float32)


def _item(**changes: object) -> Item:
    fields: dict[str, object] = {
        "id": item_id("shop", "a"),
        "tenant": "shop",
        "kind": ItemKind.IMAGE,
        "revision": 1 << 50,
        "ingested_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    return Item(**{**fields, **changes})  # type: ignore[arg-type]


def _indexed(
    image: Vector | None = UNIT, bm25: SparseVector | None = None, item: Item | None = None
) -> IndexedItem:
    return IndexedItem(item or _item(), ItemVectors(image=image, bm25=bm25), job_id="job", line=7)


def test_ids_are_written_down_for_ever() -> None:
    assert item_id("default", "a") == "e22b1d42-aa0c-5d0f-8aab-a2329f1f5887"


def test_the_same_key_of_two_tenants_is_two_items() -> None:
    assert item_id("a", "key") != item_id("b", "key")


def test_one_picture_under_two_products_is_two_items() -> None:
    assert content_key("00") != content_key("00", "product 1") != content_key("00", "product 2")


def test_whatever_changes_the_vectors_changes_the_collection() -> None:
    others = (
        EmbeddingContract(joint="model@2", dim=3),
        EmbeddingContract(joint="model@1", dim=4),
        EmbeddingContract(joint="model@1", dim=3, bm25="bm25-2"),
        WITH_SEMANTIC,
        EmbeddingContract(joint="model@1", dim=3, semantic=SemanticContract("sentences@2", 2)),
        EmbeddingContract(joint="model@1", dim=3, semantic=SemanticContract("sentences@1", 3)),
    )
    assert len({CONTRACT.collection_name(), *(other.collection_name() for other in others)}) == 1 + len(others)
    for contract in (CONTRACT, *others):
        assert EmbeddingContract.from_metadata(contract.to_metadata()) == contract
        assert EmbeddingContract.from_document(contract.to_document()) == contract
    assert EmbeddingContract.from_metadata({"of": "someone else"}) is None
    assert EmbeddingContract.from_metadata(None) is None


def test_a_collection_without_a_second_encoder_keeps_its_name_and_metadata() -> None:
    contract = EmbeddingContract(joint="model@1", dim=3, bm25="bm25-1")
    assert contract.collection_name() == "imagerag-68393a745fa4"
    assert contract.to_metadata() == {"imagerag": {"schema": 1, "joint": "model@1", "dim": 3, "bm25": "bm25-1"}}


def test_a_contract_names_every_model() -> None:
    assert CONTRACT.label == "model@1"
    assert WITH_SEMANTIC.label == "model@1 + sentences@1"


def test_the_schema_has_the_named_vectors_of_the_contract() -> None:
    plain, both = (collection_arguments(contract)["vectors_config"] for contract in (CONTRACT, WITH_SEMANTIC))
    assert {name: vector.size for name, vector in plain.items()} == {"image": 3, "text": 3}
    assert {name: vector.size for name, vector in both.items()} == {"image": 3, "text": 3, "semantic": 2}


def test_semantic_vectors_go_where_the_contract_has_room_for_them() -> None:
    item = IndexedItem(_item(), ItemVectors(semantic=UNIT[:2]), job_id="job", line=0)
    check_vectors(WITH_SEMANTIC, [item])
    assert to_point(item).vector == {"semantic": [1.0, 0.0]}
    with pytest.raises(InvalidVectorError, match="second encoder"):
        check_vectors(CONTRACT, [item])
    long = IndexedItem(_item(), ItemVectors(semantic=UNIT), job_id="job", line=0)
    with pytest.raises(InvalidVectorError, match=r"semantic vector has shape \(3,\)"):
        check_vectors(WITH_SEMANTIC, [long])


_text = st.text(max_size=20)
_texts = st.lists(_text, max_size=3).map(tuple)


@given(
    st.builds(
        _item,
        kind=st.sampled_from(ItemKind),
        key=_text,
        title=_text,
        text=_text,
        ocr_text=_text,
        tags=_texts,
        source_uri=_text,
        document_id=_text,
        position=st.none()
        | st.builds(Position, page=st.none() | st.integers(1, 9), box=st.none() | st.just(Box(0, 0.1, 0.5, 1))),
        media=st.none() | st.just(Media("00" * 32, "image/png", 3, 4, "ff" * 8)),
        metadata=st.dictionaries(_text, st.integers() | _text, max_size=3),
        caption=st.none() | st.builds(Caption, _text, _text, _texts, _text, _texts, st.just("vlm")),
        labels=_texts,
        duplicate_of=st.none()
        | st.builds(DuplicateOf, st.just("i"), st.sampled_from(DuplicateKind), st.floats(0, 1)),
        incomplete=_texts,
    )
)
def test_an_item_comes_back_as_it_was_stored(item: Item) -> None:
    point = to_point(_indexed(item=item))
    back = to_item(str(point.id), point.payload or {})
    # A position that says nothing is not kept.
    assert back == item or (item.position == Position() and back.position in (None, Position()))


def test_a_tombstone_has_nothing_to_be_found_by() -> None:
    point = tombstone("shop", item_id("shop", "a"), 5)
    assert point.vector == {}
    assert point.payload is not None
    assert {"tenant", "revision", "deleted", "ingested_at"} == set(point.payload)


def test_a_payload_cannot_bring_its_own_tenant() -> None:
    assert stamp("shop", {"tenant": "victim"})["tenant"] == "shop"


@pytest.mark.parametrize("name", ["", "Shop", "../x", "a/b", "x" * 64, "-a", "shop\n"])
def test_tenant_names_are_plain(name: str) -> None:
    with pytest.raises(InvalidRequestError):
        scoped(name)


@pytest.mark.parametrize(
    ("vector", "says"),
    [
        (np.ones(4, np.float32) / 2, "shape"),
        (np.array([np.nan, 0, 1], np.float32), "finite"),
        (np.array([np.inf, 0, 1], np.float32), "finite"),
        (np.array([2, 0, 0], np.float32), "unit"),
        (np.zeros(3, np.float32), "unit"),
        (np.ones((1, 3), np.float32), "shape"),
    ],
)
def test_a_bad_dense_vector_is_refused(vector: Vector, says: str) -> None:
    with pytest.raises(InvalidVectorError, match=says):
        check_vectors(CONTRACT, [_indexed(), _indexed(image=vector)])


@pytest.mark.parametrize(
    "vector",
    [
        SparseVector((1, 2), (1.0,)),
        SparseVector((1, 1), (1.0, 2.0)),
        SparseVector((-1,), (1.0,)),
        SparseVector((1 << 32,), (1.0,)),
        SparseVector((1,), (float("nan"),)),
    ],
)
def test_a_bad_sparse_vector_is_refused(vector: SparseVector) -> None:
    with pytest.raises(InvalidVectorError):
        check_sparse(vector)
    with pytest.raises(InvalidVectorError):
        check_vectors(CONTRACT, [_indexed(bm25=vector)])
