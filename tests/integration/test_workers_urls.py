"""URLs through a real worker: broker, store, encoder and web server are real; what was away is fetched later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from services.common.jobs.messages import RequeueMessage, first_messages
from services.common.jobs.records import Job, JobProgress, JobSource
from tests.fixtures.archives import picture, zipped
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.store import StoreProcess
from tests.fixtures.web import GOOD_HOST, Page, WebServer, raw
from tests.fixtures.workers import (
    StoredItems,
    Surroundings,
    WorkerProcess,
    colours_in_background,
    wait_until_closed,
)

TENANT = "shop"
LIMIT_S = 60.0


@dataclass
class Place:
    surroundings: Surroundings
    web: WebServer

    def begin(self, urls: list[str]) -> Job:
        job = self.surroundings.ledger().begin(TENANT, JobSource("urls"), asked=urls)
        self.surroundings.publish(list(first_messages(job)))
        return job

    def ended(self, job: Job) -> JobProgress:
        return wait_until_closed(self.surroundings.ledger(), TENANT, job.id, LIMIT_S)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("urls")
    with (
        ValkeyProcess(folder / "broker") as broker,
        StoreProcess(folder / "store" / "data") as store,
        colours_in_background() as encoder,
        WebServer({f"/{number}.png": Page(picture(number)) for number in range(300)}) as web,
    ):
        own = Surroundings(folder / "data", broker.url, store.url, encoder)
        own.settings |= {
            "IMAGERAG_WORKERS_URL_FETCH": "true",
            "IMAGERAG_WORKERS_URL_HOSTS": f"*:{web.port}",
            "IMAGERAG_WORKERS_URL_NETWORKS": f"{GOOD_HOST}/32",
            "IMAGERAG_WORKERS_URL_TIMEOUT_S": "5",
        }
        with WorkerProcess(own, "worker", ["--beat"]):
            yield Place(own, web)


def test_a_list_of_urls_goes_in(place: Place) -> None:
    place.web.pages["/more.zip"] = Page(zipped({"a.png": picture(400), "b.png": picture(401)}))
    urls = [place.web.url(f"/{number}.png") for number in range(300)]
    job = place.begin([*urls, place.web.url("/more.zip"), place.web.url("/404.png"), "http://127.0.0.1:1/x.png"])
    progress = place.ended(job)
    assert (progress.job.total, progress.stored, progress.failed) == (304, 302, 2)
    ledger = place.surroundings.ledger()
    codes = {failure.name: failure.code for failure in ledger.failures(TENANT, job.id)}
    assert codes == {place.web.url("/404.png"): "url_unusable", "http://127.0.0.1:1/x.png": "url_forbidden"}
    seventh = ledger.outcomes(progress.job)[7].item_id
    item = StoredItems(place.surroundings.qdrant_url).items(TENANT, [seventh])[seventh]
    assert item.source_uri == urls[7]
    assert item.media
    assert place.surroundings.media().exists(TENANT, item.media.sha256)


def test_what_was_away_is_had_by_doing_the_failures_again(place: Place) -> None:
    place.web.pages |= {"/away.png": raw(b""), "/gone.png": Page(b"", 404), "/late.zip": raw(b"")}
    urls = [place.web.url(path) for path in ("/away.png", "/gone.png", "/late.zip", "/1.png")]
    job = place.begin(urls)
    assert (place.ended(job).stored, place.ended(job).failed) == (1, 3)

    place.web.pages |= {"/away.png": Page(picture(500)), "/late.zip": Page(zipped({"a.png": picture(501)}))}
    ledger = place.surroundings.ledger()
    assert ledger.replay.retry(ledger.job(TENANT, job.id)).lines == 3
    place.surroundings.publish([RequeueMessage(job.id, TENANT)])
    progress = place.ended(job)
    assert (progress.stored, progress.failed) == (2, 2)
    failures = {failure.name: failure for failure in place.surroundings.ledger().failures(TENANT, job.id)}
    assert failures[urls[1]].code == "url_unusable"
    assert "type 'urls'" in failures[urls[2]].message
