"""What was ingested before goes through no model again: real workers, a real encoder, its own count of inputs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.common.jobs.messages import batches
from services.common.jobs.records import Job, JobSource, ManifestLine
from tests.fixtures.brokers import CACHE_OPTIONS, ValkeyProcess, free_port
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.odd_pictures import encode, noise
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import QUICK, StoredItems, Surroundings, WorkerProcess, wait_until_closed

LIMIT_S = 60.0


@dataclass(frozen=True)
class _Site:
    surroundings: Surroundings
    encoder: EncoderProcess
    cache: ValkeyProcess
    metrics_url: str
    workers_metrics_url: str
    tenant: str = ""

    def computed(self) -> dict[str, float]:
        """Inputs that went through the model so far, by kind."""
        return _samples(self.metrics_url, "imagerag_encoder_batch_items_sum", "kind")

    def looked_up(self) -> dict[str, float]:
        """Look-ups of the workers, by outcome."""
        return _samples(self.workers_metrics_url, "imagerag_embedding_cache_total", "outcome")

    def ingest(self, lines: Sequence[ManifestLine]) -> Job:
        """Ingest and wait for the end; everything has to be stored."""
        ledger = self.surroundings.ledger()
        job = ledger.accept(self.tenant, lines, JobSource("upload"))
        self.surroundings.publish(list(batches(job)))
        progress = wait_until_closed(ledger, self.tenant, job.id, LIMIT_S)
        assert progress.stored + progress.merged == len(lines), progress
        return job

    def pictures(self, count: int, first: int = 0) -> list[ManifestLine]:
        """Lines with a picture and a text each, all of them different."""
        media = self.surroundings.media()
        return [
            ManifestLine(
                f"{seed}.png",
                key=f"first-{seed}",
                sha256=media.put(self.tenant, encode(noise(24, 18, seed), "PNG")),
                text=f"picture number {seed}",
            )
            for seed in range(first, first + count)
        ]


def _samples(url: str, name: str, label: str) -> dict[str, float]:
    text = httpx.get(url, trust_env=False).text
    families = text_string_to_metric_families(text)
    found: dict[str, float] = {}
    for sample in (sample for family in families for sample in family.samples if sample.name == name):
        found[sample.labels[label]] = found.get(sample.labels[label], 0.0) + sample.value
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Site]:
    folder, ports = tmp_path_factory.mktemp("known"), (free_port(), free_port())
    encoder = EncoderProcess(folder / "encoder", {"IMAGERAG_ENCODER_METRICS_PORT": str(ports[0])})
    with (
        ValkeyProcess(folder / "broker") as broker,
        ValkeyProcess(folder / "cache", CACHE_OPTIONS) as cache,
        StoreProcess(folder / "store" / "data") as store,
        encoder,
    ):
        settings = {**QUICK, "CACHE_URL": cache.url, "IMAGERAG_WORKERS_METRICS_PORT": str(ports[1])}
        surroundings = Surroundings(
            folder / "data", broker.url, store.url, encoder.address, [folder], settings=settings
        )
        with WorkerProcess(surroundings, "worker", ["--beat"]):
            urls = [f"http://127.0.0.1:{port}/metrics" for port in ports]
            yield _Site(surroundings, encoder, cache, urls[0], urls[1])


@pytest.fixture
def site(running: _Site) -> _Site:
    """A tenant that no other test has, and an empty cache."""
    with running.cache.client() as client:
        client.flushall()
    return replace(running, tenant=f"t{uuid.uuid4().hex[:8]}")


def _known_again(lines: Sequence[ManifestLine]) -> list[ManifestLine]:
    """The same pictures and texts as other items."""
    return [replace(line, key=f"again-{line.key}") for line in lines]


def test_a_second_ingest_of_the_same_pictures_and_texts_does_no_forward_pass(site: _Site) -> None:
    lines, before = site.pictures(20), site.computed()
    site.ingest(lines)
    first, looked_up = site.computed(), site.looked_up()
    assert first["image"] - before.get("image", 0) == 20
    job = site.ingest(_known_again(lines))
    assert site.computed() == first
    assert site.looked_up()["hit"] - looked_up.get("hit", 0) == 40
    ids = [outcome.item_id for outcome in site.surroundings.ledger().outcomes(job).values()]
    assert len(StoredItems(site.surroundings.qdrant_url).items(site.tenant, ids)) == 20


def test_a_picture_that_a_job_has_several_times_is_encoded_once(site: _Site) -> None:
    (line,) = site.pictures(1, first=100)
    before = site.computed()["image"]
    site.ingest([replace(line, key=f"copy-{number}") for number in range(40)])
    assert site.computed()["image"] - before == 1


def test_of_a_mixed_job_only_the_new_pictures_are_encoded(site: _Site) -> None:
    known = site.pictures(10, first=200)
    site.ingest(known)
    before = site.computed()["image"]
    mixed = [line for pair in zip(_known_again(known), site.pictures(10, first=300), strict=True) for line in pair]
    site.ingest(mixed)
    assert site.computed()["image"] - before == 10


def test_known_pictures_go_in_while_the_encoder_is_away(running: _Site, site: _Site, tmp_path: Path) -> None:
    lines = site.pictures(10, first=400)
    site.ingest(lines)
    running.encoder.kill()
    site.ingest(_known_again(lines))
