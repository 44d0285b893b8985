"""Tables through the queue: a real worker, a small encoder of colours, the ledger and the store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.common.index.ids import item_id
from services.common.jobs.messages import first_messages
from services.common.jobs.records import JobOptions, JobSource, LineOutcome, ManifestLine
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.colour_encoder import picture
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import (
    StoredItems,
    Surroundings,
    WorkerProcess,
    colours_in_background,
    wait_until_closed,
)

LIMIT_S = 100.0
ROWS = 600


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    folder = tmp_path_factory.mktemp("tables")
    (folder / "files").mkdir()
    with (
        ValkeyProcess(folder / "broker") as broker,
        StoreProcess(folder / "store" / "data") as store,
        colours_in_background() as encoder,
    ):
        yield Surroundings(folder / "data", broker.url, store.url, encoder, [folder / "files"])


@pytest.fixture(scope="module")
def worker(surroundings: Surroundings) -> Iterator[WorkerProcess]:
    with WorkerProcess(surroundings, "worker", ["--beat"]) as process:
        yield process


def ingested(
    surroundings: Surroundings, path: Path, columns: Mapping[str, str] | None = None
) -> tuple[str, list[ManifestLine], list[LineOutcome]]:
    tenant = f"t{uuid.uuid4().hex[:8]}"
    ledger = surroundings.ledger()
    job = ledger.begin(tenant, JobSource("manifest", str(path)), options=JobOptions(columns=columns or {}))
    surroundings.publish(list(first_messages(job)))
    progress = wait_until_closed(ledger, tenant, job.id, LIMIT_S)
    assert progress.pending == 0
    assert progress.stored + progress.failed == progress.job.total
    return tenant, list(ledger.lines(progress.job, 0, progress.job.total)), ledger.failures(tenant, job.id)


@pytest.mark.usefixtures("worker")
def test_a_parquet_table_with_pictures_inside_is_stored_whole(surroundings: Surroundings) -> None:
    colours = ("red", "green", "blue")
    cells = [{"bytes": picture(colours[row % 3], 8 + row // 3), "path": f"{row}.png"} for row in range(ROWS)]
    cells[17] = {"bytes": b"no picture", "path": "17.png"}
    columns = {"image": cells, "caption": [f"thing {row}" for row in range(ROWS)], "price": list(range(ROWS))}
    path = surroundings.roots[0] / "things.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=100)

    tenant, lines, failures = ingested(surroundings, path)

    assert len(lines) == ROWS
    assert [failure.message.split(":")[0] for failure in failures] == ["Row 18"]
    stored = StoredItems(surroundings.qdrant_url)
    assert stored.count(tenant) == ROWS - 1
    keys = {line.name: line for line in lines}
    items = stored.items(tenant, [item_id(tenant, f"sha256:{keys['5.png'].sha256}")])
    (item,) = items.values()
    assert (item.text, item.metadata) == ("thing 5", {"price": 5})


@pytest.mark.usefixtures("worker")
def test_a_csv_with_columns_of_its_own_is_stored_and_its_wrong_rows_are_told(surroundings: Surroundings) -> None:
    folder = surroundings.roots[0] / "shop"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "a.png").write_bytes(picture("red"))
    (folder / "shop.csv").write_text(
        "Artikel;Bild;Preis\nRotes Kleid;photos/a.png;299\nNur Worte;;12,50\nVerloren;photos/b.png;1\n;;\n",
        encoding="utf-8",
    )
    tenant, lines, failures = ingested(
        surroundings, folder / "shop.csv", {"title": "Artikel", "path": "Bild", "key": "Artikel"}
    )
    assert [line.title for line in lines] == ["Rotes Kleid", "Nur Worte", "Verloren"]
    assert [(failure.name, failure.code) for failure in failures] == [("photos/b.png", "not_found")]
    items = StoredItems(surroundings.qdrant_url).items(tenant, [item_id(tenant, line.key) for line in lines])
    assert {item.title: item.metadata for item in items.values()} == {
        "Rotes Kleid": {"Preis": "299"},
        "Nur Worte": {"Preis": "12,50"},
    }
    assert {item.media is not None for item in items.values()} == {True, False}
