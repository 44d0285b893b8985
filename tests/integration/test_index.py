"""The index over a real store: revisions, tombstones, tenants, legs."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from services.common.domain import IndexedItem, Item, ItemKind, ItemVectors, LegName, Media, Vector
from services.common.errors import (
    FingerprintMismatchError,
    InvalidFilterError,
    InvalidVectorError,
    UnavailableError,
)
from services.common.index import bm25
from services.common.index.catalogue import Collection
from services.common.index.contract import EmbeddingContract, SemanticContract
from services.common.index.ids import item_id
from services.common.index.index import Index, Leg
from services.common.standing import Standing
from tests.fixtures.store_client import client_of

CONTRACT = EmbeddingContract(joint="tiny@1", dim=4)


@pytest.fixture
async def index(qdrant_url: str, collection_name: str) -> AsyncIterator[Index]:
    async with Index(qdrant_url, alias=collection_name) as opened:
        yield opened


@pytest.fixture
async def collection(index: Index) -> Collection:
    return await index.ensure(CONTRACT)


def _unit(seed: int) -> Vector:
    vector = np.random.default_rng(seed).normal(size=4).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _indexed(
    key: str,
    revision: int = 1,
    *,
    tenant: str = "a",
    text: str = "",
    line: int = 0,
    seed: int = 0,
    **metadata: Any,
) -> IndexedItem:
    item = Item(
        id=item_id(tenant, key),
        tenant=tenant,
        kind=ItemKind.IMAGE,
        revision=revision,
        ingested_at=datetime(2026, 1, 1, tzinfo=UTC),
        key=key,
        text=text,
        metadata=metadata,
    )
    return IndexedItem(item, ItemVectors(_unit(seed), _unit(seed + 1), bm25.encode_document(text)), "job", line)


async def _texts(index: Index, collection: Collection, tenant: str, *keys: str) -> list[str]:
    ids = [item_id(tenant, key) for key in keys]
    items = await index.items(collection, tenant, ids)
    return [items[id_].text for id_ in ids if id_ in items]


async def test_nothing_is_in_use_before_the_first_write(index: Index) -> None:
    assert await index.resolve() is None


async def test_ensure_is_idempotent_and_refuses_another_model(index: Index, collection: Collection) -> None:
    assert await index.ensure(CONTRACT) == collection == await index.resolve()
    with pytest.raises(FingerprintMismatchError) as caught:
        await index.ensure(replace(CONTRACT, joint="other@1"))
    assert "tiny@1" in caught.value.message
    assert "other@1" in caught.value.message


async def test_a_second_text_encoder_is_part_of_the_contract(index: Index, collection: Collection) -> None:
    with pytest.raises(FingerprintMismatchError) as caught:
        await index.ensure(replace(CONTRACT, semantic=SemanticContract("sentences@1", 3)))
    assert "'tiny@1'" in caught.value.message
    assert "'tiny@1 + sentences@1'" in caught.value.message


async def test_semantic_vectors_are_stored_and_asked_beside_the_others(
    qdrant_url: str, index: Index, collection_name: str
) -> None:
    contract = replace(CONTRACT, semantic=SemanticContract("sentences@1", 3))
    collection = await index.ensure(contract)
    assert await index.resolve() == collection
    assert collection.contract == contract
    near, far = np.eye(3, dtype=np.float32)[:2]
    plain = [_indexed(key, text=key, seed=seed) for seed, key in enumerate(("near", "far", "none"))]
    items = [
        replace(indexed, vectors=replace(indexed.vectors, semantic=semantic))
        for indexed, semantic in zip(plain, (near, far, None), strict=True)
    ]
    await index.upsert(collection, "a", items)
    legs = [Leg(LegName.SEMANTIC, near, 10), Leg(LegName.IMAGE, _unit(0), 10)]
    by_meaning, by_picture = await index.ask(collection, "a", legs)
    assert [candidate.id for candidate in by_meaning] == [item_id("a", "near"), item_id("a", "far")]
    assert [candidate.score for candidate in by_meaning] == pytest.approx([1, 0], abs=1e-5)
    assert len(by_picture) == 3
    with client_of(qdrant_url) as client:
        (point,) = client.retrieve(collection.name, [item_id("a", "far")], with_vectors=True)
    assert isinstance(point.vector, dict)
    assert set(point.vector) == {"image", "text", "semantic", "bm25"}
    assert point.vector["semantic"] == pytest.approx(far.tolist(), abs=1e-6)
    assert point.vector["text"] == pytest.approx(_unit(2).tolist(), abs=1e-6)


async def test_what_was_written_is_read_back(index: Index, collection: Collection) -> None:
    stored = await index.upsert(collection, "a", [_indexed("x", 5, text="a cat", line=3)])
    (found,) = stored.values()
    assert (found.revision, found.deleted, found.job_id, found.line) == (5, False, "job", 3)
    assert await _texts(index, collection, "a", "x") == ["a cat"]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
async def test_the_newest_revision_wins_in_any_order(
    index: Index, collection: Collection, order: tuple[int, ...]
) -> None:
    for revision in order:
        await index.upsert(collection, "a", [_indexed("x", revision, text=f"r{revision}")])
    assert await _texts(index, collection, "a", "x") == ["r3"]
    assert await index.count(collection, "a") == 1


async def test_a_repeated_write_changes_nothing(index: Index, collection: Collection) -> None:
    await index.upsert(collection, "a", [_indexed("x", 1, text="first", line=0)])
    stored = await index.upsert(collection, "a", [_indexed("x", 1, text="again", line=9)])
    assert [found.line for found in stored.values()] == [0]
    assert await _texts(index, collection, "a", "x") == ["first"]


async def test_of_two_items_with_one_id_in_one_batch_the_first_stays(index: Index, collection: Collection) -> None:
    stored = await index.upsert(collection, "a", [_indexed("x", 1, line=0), _indexed("x", 1, line=1)])
    assert [found.line for found in stored.values()] == [0]


async def test_a_deleted_item_stays_deleted(index: Index, collection: Collection) -> None:
    await index.upsert(collection, "a", [_indexed("x", 1, text="a cat")])
    assert await index.delete(collection, "a", item_id("a", "x"), 10)
    late = await index.upsert(collection, "a", [_indexed("x", 9, text="late")])
    assert [found.deleted for found in late.values()] == [True]
    assert await _texts(index, collection, "a", "x") == []
    assert await index.count(collection, "a") == 0
    answers = await index.ask(collection, "a", _legs("cat late", 0))
    assert answers == [[], [], []]
    await index.upsert(collection, "a", [_indexed("x", 11, text="new")])
    assert await _texts(index, collection, "a", "x") == ["new"]


async def test_a_delete_does_not_take_a_newer_item(index: Index, collection: Collection) -> None:
    await index.upsert(collection, "a", [_indexed("x", 5)])
    assert not await index.delete(collection, "a", item_id("a", "x"), 4)
    assert not await index.delete(collection, "a", item_id("a", "never was"), 9)
    assert await index.count(collection, "a") == 1


async def test_a_grave_is_dug_before_the_item_comes_and_a_newer_one_is_left_alone(
    index: Index, collection: Collection
) -> None:
    late, newer = _indexed("late", revision=5), _indexed("newer", revision=9)
    await index.upsert(collection, "a", [newer])
    for indexed in (late, newer):
        await index.bury(collection, "a", indexed.item.id, 7)
    stored = await index.upsert(collection, "a", [late])
    assert stored[late.item.id].deleted, "an older write does not bring it back"
    assert await index.count(collection, "a") == 1


async def test_what_is_there_of_an_item_is_seen_without_reading_it(index: Index, collection: Collection) -> None:
    whole = _indexed("whole", revision=3, text="words", line=4)
    media = Media("ab" * 32, "image/png", 4, 4)
    picture = replace(whole.item, id=item_id("a", "picture"), key="picture", media=media)
    bare = IndexedItem(picture, ItemVectors(_unit(1), None, None), "job", 7)
    gone, foreign = _indexed("gone", revision=3), _indexed("foreign", revision=3, tenant="b")
    await index.upsert(collection, "a", [whole, bare, gone])
    await index.upsert(collection, "b", [foreign])
    await index.delete(collection, "a", gone.item.id, 8)
    asked = [each.item.id for each in (whole, bare, gone, foreign)]
    everything = frozenset({"image", "text", "bm25"})
    found = await index.inspect(collection, "a", [*asked, item_id("a", "never")])
    assert found == {
        whole.item.id: Standing(3, deleted=False, job_id="job", line=4, vectors=everything),
        picture.id: Standing(
            3, deleted=False, job_id="job", line=7, vectors=frozenset({"image"}), sha256=media.sha256
        ),
        gone.item.id: Standing(8, deleted=True),
    }
    assert await index.inspect(collection, "a", []) == {}


async def test_a_bad_vector_is_refused_and_its_neighbours_are_not_written(
    index: Index, collection: Collection
) -> None:
    bad = replace(_indexed("bad"), vectors=ItemVectors(image=np.full(4, np.nan, np.float32)))
    with pytest.raises(InvalidVectorError):
        await index.upsert(collection, "a", [_indexed("good"), bad])
    assert await index.count(collection, "a") == 0


async def test_items_of_another_tenant_are_not_written(index: Index, collection: Collection) -> None:
    with pytest.raises(ValueError, match="one tenant"):
        await index.upsert(collection, "a", [_indexed("x", tenant="b")])


def _legs(words: str, seed: int) -> list[Leg]:
    sparse = bm25.encode_query(words)
    assert sparse is not None
    return [
        Leg(LegName.IMAGE, _unit(seed), 10),
        Leg(LegName.TEXT, _unit(seed + 1), 10),
        Leg(LegName.BM25, sparse, 10),
    ]


async def test_a_line_completes_its_own_item_and_nothing_else(index: Index, collection: Collection) -> None:
    def lacking(indexed: IndexedItem) -> IndexedItem:
        return replace(indexed, item=replace(indexed.item, incomplete=("ocr",)))

    first = lacking(_indexed("x", revision=5, line=3, text="first"))
    await index.upsert(collection, "a", [first, _indexed("whole", revision=5, line=4, text="whole")])
    other_line = _indexed("x", revision=5, line=7, text="another line")
    other_job = replace(_indexed("x", revision=5, line=3, text="another job"), job_id="other")
    older = _indexed("x", revision=4, line=3, text="older")
    for refused in (other_line, other_job, older):
        await index.upsert(collection, "a", [refused])
        assert await _texts(index, collection, "a", "x") == ["first"]
    await index.upsert(collection, "a", [lacking(_indexed("x", revision=5, line=3, text="failed again"))])
    assert await _texts(index, collection, "a", "x") == ["failed again"]
    again = [_indexed("x", revision=5, line=3, text="now whole"), _indexed("whole", revision=5, line=4, text="?")]
    stored = await index.upsert(collection, "a", again)
    assert {found.revision for found in stored.values()} == {5}
    assert await _texts(index, collection, "a", "x", "whole") == ["now whole", "whole"]
    await index.upsert(collection, "a", [lacking(_indexed("x", revision=5, line=3, text="late"))])
    assert await _texts(index, collection, "a", "x") == ["now whole"], "what is whole stays so"
    assert await index.delete(collection, "a", item_id("a", "x"), 6)
    await index.upsert(collection, "a", [_indexed("x", revision=5, line=3, text="back")])
    assert await _texts(index, collection, "a", "x") == []


async def test_every_leg_finds_its_own_and_ties_are_ordered_by_id(index: Index, collection: Collection) -> None:
    items = [_indexed(key, seed=7, text="红色连衣裙") for key in "abcdef"]
    await index.upsert(collection, "a", items)
    ids = sorted(indexed.item.id for indexed in items)
    for answer in await index.ask(collection, "a", _legs("连衣裙", 7)):
        assert [candidate.id for candidate in answer] == ids
        assert answer[0].score > 0


async def test_rare_words_weigh_more_and_only_among_the_tenants_own(index: Index, collection: Collection) -> None:
    own = [_indexed(f"x{n}", text="common") for n in range(20)] + [_indexed("rare", text="rare")]
    await index.upsert(collection, "a", own)
    words = Leg(LegName.BM25, bm25.encode_query("common rare"), 30)  # type: ignore[arg-type]
    (before,) = await index.ask(collection, "a", [words])
    assert before[0].id == item_id("a", "rare")
    for start in range(0, 200, 50):
        others = [_indexed(f"y{n}", tenant="b", text="rare") for n in range(start, start + 50)]
        await index.upsert(collection, "b", others)
    (after,) = await index.ask(collection, "a", [words])
    assert after == before


async def test_filters_reach_every_leg(index: Index, collection: Collection) -> None:
    items = [_indexed(f"x{price}", text="dress", price=price, colour="red") for price in (100, 300, 301)]
    await index.upsert(collection, "a", items)
    for condition, keys in (
        ({"price": {"lte": 300}}, {"x100", "x300"}),
        ({"price": 300}, {"x300"}),
        ({"not": {"price": 300}}, {"x100", "x301"}),
        ({"or": [{"price": 100}, {"price": {"gt": 300}}], "colour": "red"}, {"x100", "x301"}),
        ({"price": {"any": [100, 301]}}, {"x100", "x301"}),
        ({"size": {"exists": False}, "key": {"none": ["x100"]}}, {"x300", "x301"}),
        ({"colour": "blue"}, set()),
    ):
        for answer in await index.ask(collection, "a", _legs("dress", 0), condition):
            assert {c.id for c in answer} == {item_id("a", key) for key in keys}, condition


async def test_facets_count_own_fields_and_metadata(index: Index, collection: Collection) -> None:
    await index.upsert(collection, "a", [_indexed(f"x{n}", colour="red" if n else "blue") for n in range(3)])
    values = await index.facet(collection, "a", "colour", None, 10)
    assert [(value.value, value.count) for value in values] == [("red", 2), ("blue", 1)]
    assert await index.facet(collection, "a", "no_such_field", None, 10) == []
    assert [value.count for value in await index.facet(collection, "a", "kind", None, 10)] == [3]
    with pytest.raises(InvalidFilterError):
        await index.facet(collection, "a", "tenant", None, 10)


@pytest.mark.parametrize("name", ["shoe size", "颜色", "a/b", "S\t", "$"])
async def test_fields_of_any_name_are_filtered_and_counted(
    index: Index, collection: Collection, name: str
) -> None:
    fields: list[dict[str, Any]] = [{name: "red" if number else "blue"} for number in range(3)]
    await index.upsert(collection, "a", [_indexed(f"x{n}", **own) for n, own in enumerate(fields)])
    values = await index.facet(collection, "a", name, {name: "red"}, 10)
    assert [(value.value, value.count) for value in values] == [("red", 2)]
    assert await index.facet(collection, "a", f"no {name}", None, 10) == []


async def test_a_thousand_requests_across_tenants_leak_nothing(index: Index, collection: Collection) -> None:
    """Searches, filters, reads, deletes and facets of one tenant that aim at another's items (seeded)."""
    victim = [_indexed(f"v{n}", tenant="victim", text=f"secret {n}", seed=n, owner="victim") for n in range(30)]
    own = [_indexed(f"o{n}", tenant="thief", text=f"secret {n}", seed=n, owner="thief") for n in range(30)]
    await index.upsert(collection, "victim", victim)
    await index.upsert(collection, "thief", own)
    secret = {indexed.item.id for indexed in victim}
    mine = {indexed.item.id for indexed in own}
    rng = random.Random(20261121)
    conditions: list[dict[str, Any]] = [
        {},
        {"owner": "victim"},
        {"metadata.owner": "victim"},
        {"or": [{"owner": "victim"}, {"owner": "thief"}]},
        {"not": {"owner": "thief"}},
        {"and": [{"not": {"and": [{"owner": "thief"}]}}]},
        {"key": {"any": [f"v{n}" for n in range(30)]}},
        {"kind": {"exists": True}},
    ]
    counts = dict.fromkeys(("ask", "items", "stored", "delete", "facet"), 0)
    for _ in range(1000):
        kind = rng.choice(list(counts))
        counts[kind] += 1
        aimed = rng.sample(sorted(secret), rng.randint(1, 5))
        condition = rng.choice(conditions)
        match kind:
            case "ask":
                answers = await index.ask(collection, "thief", _legs(f"secret {rng.randrange(30)}", 3), condition)
                assert {candidate.id for answer in answers for candidate in answer} <= mine
            case "items":
                assert await index.items(collection, "thief", aimed) == {}
            case "stored":
                assert await index.stored(collection, "thief", aimed) == {}
            case "delete":
                assert not await index.delete(collection, "thief", aimed[0], 1 << 52)
            case "facet":
                values = await index.facet(collection, "thief", "owner", condition, 10)
                assert {value.value for value in values} <= {"thief"}
    print(f"\n1,000 tenant-crossing requests, 0 leaks: {counts}")
    assert await index.count(collection, "victim") == 30


async def test_a_store_that_is_not_there_is_unavailable() -> None:
    async with Index("http://127.0.0.1:9", timeout_s=1) as index:
        with pytest.raises(UnavailableError):
            await index.resolve()
