"""The retriever over a real store and a real (small) encoder, through its own gRPC interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.clients.retriever import RetrieverClient
from services.common.domain import Direction, IndexedItem, Item, ItemKind, ItemVectors, LegName, TextField
from services.common.errors import (
    FingerprintMismatchError,
    ImageFormatError,
    InvalidFilterError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from services.common.index.contract import EmbeddingContract, SemanticContract
from services.common.index.ids import item_id
from services.common.index.index import Index
from services.common.index.words import encode_item
from services.common.rpc.channel import open_channel
from services.common.search import SearchQuery
from services.retriever.app import compose
from services.retriever.explanation import WHOLE_LEAD
from services.retriever.fusion import DEFAULT_K
from services.retriever.planning import IMAGE_WEIGHT, TEXT_GROUP_WEIGHT
from services.retriever.settings import RetrieverSettings
from tests.fixtures.colour_encoder import (
    FLOOR,
    ColourEncoder,
    image_vector,
    meaning_vector,
    picture,
    serve_colours,
    text_vector,
)
from tests.fixtures.store import StoreProcess

SHOP = "shop"


class _Bench:
    """A retriever with its store and encoder, and a way to put items in."""

    def __init__(self, client: RetrieverClient, index: Index, encoder: ColourEncoder, address: str) -> None:
        self.client, self.index, self.encoder, self.address = client, index, encoder, address

    async def put(
        self,
        key: str,
        colour: str | None = None,
        text: str = "",
        tenant: str = SHOP,
        read: str = "",
        **metadata: object,
    ) -> str:
        item = Item(
            id=item_id(tenant, key),
            tenant=tenant,
            kind=ItemKind.IMAGE if colour else ItemKind.TEXT,
            revision=1,
            ingested_at=datetime(2026, 1, 1, tzinfo=UTC),
            key=key,
            text=text,
            ocr_text=read,
            metadata=metadata,
        )
        vectors = ItemVectors(
            image=image_vector(picture(colour)) if colour else None,
            text=text_vector(text) if text else None,
            bm25=encode_item(item),
            semantic=meaning_vector(text) if text and self.encoder.semantic else None,
        )
        semantic = SemanticContract(self.encoder.semantic, 4) if self.encoder.semantic else None
        collection = await self.index.ensure(EmbeddingContract(self.encoder.fingerprint, 3, semantic=semantic))
        await self.index.upsert(collection, tenant, [IndexedItem(item, vectors, "job", 0)])
        return item.id

    async def keys(self, query: SearchQuery) -> list[str]:
        return [hit.item.key for hit in (await self.client.search(query)).hits]


@asynccontextmanager
async def _bench(store_url: str, alias: str, cache_url: str | None = None) -> AsyncIterator[_Bench]:
    async with AsyncExitStack() as stack:
        encoder = ColourEncoder()
        encoder_address = await stack.enter_async_context(serve_colours(encoder))
        settings = RetrieverSettings(
            port=0,
            qdrant_url=store_url,
            encoder_url=encoder_address,
            alias=alias,
            cache_url=cache_url,
            store_timeout_s=2,
            probe_interval_s=0.2,
        )
        server = await stack.enter_async_context(compose(settings))
        address = await server.start()
        stack.push_async_callback(server.stop, 0)
        index = await stack.enter_async_context(Index(store_url, alias=alias))
        client = await stack.enter_async_context(RetrieverClient(address, deadline_s=10))
        yield _Bench(client, index, encoder, address)


@pytest.fixture
async def bench(qdrant_url: str, collection_name: str) -> AsyncIterator[_Bench]:
    async with _bench(qdrant_url, collection_name) as ready:
        yield ready


async def test_an_empty_index_gives_an_empty_answer(bench: _Bench) -> None:
    result = await bench.client.search(SearchQuery(SHOP, text="red"))
    assert (result.hits, result.nothing_relevant, result.collection) == ((), True, "")
    assert not await bench.client.delete_item(SHOP, item_id(SHOP, "x"))
    with pytest.raises(NotFoundError):
        await bench.client.get_item(SHOP, item_id(SHOP, "x"))


async def test_pixels_alone_are_found_by_words_and_by_picture(bench: _Bench) -> None:
    for colour in ("red", "green", "blue"):
        await bench.put(colour, colour)
    assert await bench.keys(SearchQuery(SHOP, text="red")) == ["red"]
    assert await bench.keys(SearchQuery(SHOP, image=picture("blue", 20))) == ["blue"]


async def test_every_hit_says_why(bench: _Bench) -> None:
    await bench.put("both", "red", "a red dress")
    (hit,) = (await bench.client.search(SearchQuery(SHOP, text="red dress"))).hits
    legs = {leg.direction: leg for leg in hit.legs}
    assert set(legs) == {Direction.TEXT_TO_IMAGE, Direction.TEXT_TO_TEXT, Direction.TEXT_TO_WORDS}
    assert all(leg.rank == 1 and leg.votes for leg in hit.legs)
    assert legs[Direction.TEXT_TO_IMAGE].score == pytest.approx(1, abs=1e-3)
    assert legs[Direction.TEXT_TO_IMAGE].noise_floor == pytest.approx(FLOOR)
    assert legs[Direction.TEXT_TO_IMAGE].contribution == pytest.approx(IMAGE_WEIGHT / (DEFAULT_K + 1))
    assert hit.score == pytest.approx(sum(leg.contribution for leg in hit.legs))
    words = WHOLE_LEAD * IMAGE_WEIGHT
    assert hit.score == pytest.approx((IMAGE_WEIGHT + TEXT_GROUP_WEIGHT / 2 + words) / (DEFAULT_K + 1))
    assert (hit.matched_words, hit.matched_in) == (("red", "dress"), (TextField.TEXT,))


async def test_what_stands_in_a_picture_is_found_before_what_only_looks_like_it(bench: _Bench) -> None:
    for number in range(4):
        await bench.put(f"red {number}", "red")
    await bench.put("sign", "blue", read="Slippery when wet. Mind the red line.")
    await bench.put("other sign", "blue", read="A line of trees turns red.")
    hits = (await bench.client.search(SearchQuery(SHOP, text="red line", limit=2))).hits
    assert hits[0].item.key == "sign"
    assert (hits[0].matched_words, hits[0].matched_in) == (("red", "line"), (TextField.OCR,))
    assert hits[1].item.key.startswith("red ")


async def test_nothing_relevant_is_an_answer(bench: _Bench) -> None:
    await bench.put("red", "red")
    query = SearchQuery(SHOP, text="quarterly report")
    result = await bench.client.search(query)
    assert (result.hits, result.nothing_relevant) == ((), True)
    shown = await bench.client.search(SearchQuery(SHOP, text="quarterly report", include_irrelevant=True))
    assert [(hit.item.key, hit.relevant, hit.score) for hit in shown.hits] == [("red", False, 0.0)]
    assert shown.nothing_relevant


async def test_words_and_a_picture_together(bench: _Bench) -> None:
    for key, colour in (("red shirt", "red"), ("blue shirt", "blue"), ("red hat", "red")):
        await bench.put(key, colour, key.split()[1])
    keys = await bench.keys(SearchQuery(SHOP, text="shirt", image=picture("red")))
    assert keys[0] == "red shirt"
    assert set(keys) == {"red shirt", "blue shirt", "red hat"}


async def test_legs_weights_and_k_are_the_callers(bench: _Bench) -> None:
    await bench.put("pixels", "red")
    await bench.put("words", "blue", "red")
    words = SearchQuery(SHOP, text="red", legs={LegName.BM25: 1.0}, rrf_k=0)
    (hit,) = (await bench.client.search(words)).hits
    assert (hit.item.key, hit.score) == ("words", 1.0)
    assert await bench.keys(SearchQuery(SHOP, text="red", legs={LegName.IMAGE: 1.0})) == ["pixels"]


async def test_filters_are_pushed_into_every_leg(bench: _Bench) -> None:
    await bench.put("cheap", "red", "red dress", price=100)
    await bench.put("dear", "red", "red dress", price=500)
    assert await bench.keys(SearchQuery(SHOP, text="red dress", filter={"price": {"lte": 300}})) == ["cheap"]
    with pytest.raises(InvalidFilterError, match="below"):
        await bench.client.search(SearchQuery(SHOP, text="x", filter={"price": {"below": 1}}))


@pytest.mark.parametrize(
    "query", [SearchQuery(SHOP), SearchQuery("Not A Tenant", text="x"), SearchQuery(SHOP, text="x", limit=101)]
)
async def test_bad_requests_are_refused(bench: _Bench, query: SearchQuery) -> None:
    with pytest.raises(InvalidRequestError):
        await bench.client.search(query)


async def test_a_picture_that_is_none_is_refused(bench: _Bench) -> None:
    await bench.put("red", "red")
    with pytest.raises(ImageFormatError):
        await bench.client.search(SearchQuery(SHOP, image=b"<svg/>"))


async def test_read_delete_and_count(bench: _Bench) -> None:
    id_ = await bench.put("red", "red", "a red dress", price=300)
    assert (await bench.client.get_item(SHOP, id_)).metadata == {"price": 300}
    assert [(f.value, f.count) for f in await bench.client.facet(SHOP, "kind")] == [("image", 1)]
    assert await bench.client.delete_item(SHOP, id_)
    assert not await bench.client.delete_item(SHOP, id_)
    assert await bench.keys(SearchQuery(SHOP, text="red")) == []
    with pytest.raises(NotFoundError):
        await bench.client.get_item(SHOP, id_)


async def test_another_tenant_sees_nothing(bench: _Bench) -> None:
    id_ = await bench.put("red", "red", "a red dress")
    assert await bench.keys(SearchQuery("other", text="red dress", include_irrelevant=True)) == []
    with pytest.raises(NotFoundError):
        await bench.client.get_item("other", id_)
    assert not await bench.client.delete_item("other", id_)
    assert await bench.client.facet("other", "kind") == []


async def test_an_encoder_with_another_model_is_refused_and_named(bench: _Bench) -> None:
    await bench.put("red", "red")
    bench.encoder.fingerprint = "colour@2"
    with pytest.raises(FingerprintMismatchError) as caught:
        await bench.client.search(SearchQuery(SHOP, text="red"))
    assert "colour@1" in caught.value.message
    assert "colour@2" in caught.value.message


async def test_other_words_for_it_are_found_by_meaning(bench: _Bench) -> None:
    bench.encoder.semantic = "meanings@1"
    await bench.put("dress", text="une robe rouge")
    await bench.put("meadow", text="a verdant meadow below a blue sky")
    result = await bench.client.search(SearchQuery(SHOP, text="红"))
    assert [hit.item.key for hit in result.hits] == ["dress"]
    legs = {leg.leg: leg for leg in result.hits[0].legs}
    assert set(legs) == {LegName.TEXT, LegName.SEMANTIC}
    semantic = legs[LegName.SEMANTIC]
    assert (semantic.direction, semantic.rank, semantic.votes) == (Direction.TEXT_TO_TEXT, 1, True)
    assert semantic.score == pytest.approx(1, abs=1e-3)
    assert semantic.noise_floor == pytest.approx(FLOOR)
    assert semantic.contribution == pytest.approx(TEXT_GROUP_WEIGHT / 3 / (DEFAULT_K + 1))
    only = SearchQuery(SHOP, text="crimson", legs={LegName.SEMANTIC: 1.0})
    assert await bench.keys(only) == ["dress"]


async def test_a_leg_that_is_not_asked_costs_no_encoding(bench: _Bench) -> None:
    bench.encoder.semantic = "meanings@1"
    await bench.put("dress", text="une robe rouge")
    query = SearchQuery(SHOP, text="robe", legs={LegName.BM25: 1.0})
    before = bench.encoder.text_calls
    assert await bench.keys(query) == ["dress"]
    assert bench.encoder.text_calls == before


async def test_items_without_a_second_encoder_cannot_be_asked_by_meaning(bench: _Bench) -> None:
    await bench.put("dress", text="une robe rouge")
    bench.encoder.semantic = "meanings@1"
    with pytest.raises(InvalidRequestError, match="without a second text encoder"):
        await bench.client.search(SearchQuery(SHOP, text="rouge", legs={LegName.SEMANTIC: 1.0}))
    (hit,) = (await bench.client.search(SearchQuery(SHOP, text="rouge"))).hits
    assert LegName.SEMANTIC not in {leg.leg for leg in hit.legs}


@pytest.mark.parametrize("served", ["meanings@2", ""])
async def test_another_second_encoder_is_refused_and_named(bench: _Bench, served: str) -> None:
    bench.encoder.semantic = "meanings@1"
    await bench.put("dress", text="une robe rouge")
    bench.encoder.semantic = served
    with pytest.raises(FingerprintMismatchError) as caught:
        await bench.client.search(SearchQuery(SHOP, text="rouge"))
    assert "'meanings@1'" in caught.value.message
    assert f"'{served or 'no second text encoder'}'" in caught.value.message


async def test_the_same_question_is_encoded_once(
    store: StoreProcess, collection_name: str, cache_url: str
) -> None:
    async with _bench(store.url, collection_name, cache_url) as bench:
        bench.encoder.fingerprint = f"colour@{collection_name}"
        await bench.put("red", "red")
        results: Sequence[list[str]] = [await bench.keys(SearchQuery(SHOP, text="red")) for _ in range(3)]
        assert results == [["red"]] * 3
        assert bench.encoder.text_calls == 1


async def test_a_dead_cache_is_not_missed(store: StoreProcess, collection_name: str) -> None:
    async with _bench(store.url, collection_name, "redis://127.0.0.1:9/0") as bench:
        await bench.put("red", "red")
        assert await bench.keys(SearchQuery(SHOP, text="red")) == ["red"]


async def test_a_dead_store_is_told_and_its_return_noticed(tmp_path: Path, free_tcp_port: int) -> None:
    """Search answers within its deadline and health turns within 10 s, both ways."""
    own = StoreProcess(tmp_path / "data", {"IMAGERAG_STORE_PORT": str(free_tcp_port)})
    with own:
        await _kill_and_restart(own)


async def _kill_and_restart(own: StoreProcess) -> None:
    async with _bench(own.url, "imagerag") as bench, open_channel(bench.address) as channel:
        await bench.put("red", "red")
        health = health_pb2_grpc.HealthStub(channel)

        async def until(name: str, status: int) -> None:
            async with asyncio.timeout(10):
                while (await health.Check(health_pb2.HealthCheckRequest(service=name))).status != status:
                    await asyncio.sleep(0.1)

        for name in ("store", "encoder", "imagerag.v1.Retriever"):
            await until(name, health_pb2.HealthCheckResponse.SERVING)
        own.kill()
        started = asyncio.get_running_loop().time()
        with pytest.raises(UnavailableError):
            await bench.client.search(SearchQuery(SHOP, text="red"))
        assert asyncio.get_running_loop().time() - started < 10
        await until("store", health_pb2.HealthCheckResponse.NOT_SERVING)
        await until("imagerag.v1.Retriever", health_pb2.HealthCheckResponse.NOT_SERVING)
        await until("encoder", health_pb2.HealthCheckResponse.SERVING)
        own.start()
        await until("imagerag.v1.Retriever", health_pb2.HealthCheckResponse.SERVING)
        assert await bench.keys(SearchQuery(SHOP, text="red")) == ["red"]
