"""Captions and labels through a real worker; what an enrichment that fails leaves, and how it is completed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from services.common.domain import Item
from services.common.jobs.messages import batches, first_messages
from services.common.jobs.records import Job, JobOptions, JobProgress, JobSource, Outcome
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.colour_encoder import COLOURS, picture
from tests.fixtures.openai_server import MODEL, Call, OpenAIServer, Script, openai_in_background
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import (
    QUICK,
    StoredItems,
    Surroundings,
    WorkerProcess,
    colours_in_background,
    wait_until_closed,
)

TENANT, LIMIT_S = "shop", 60.0
WORDS = ("red", "green", "blue", *(f"word{number}" for number in range(12)))


def colour_of(seen: Image.Image) -> str:
    pixel = seen.convert("RGB").resize((1, 1)).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return next(name for name, value in COLOURS.items() if max(value) == value[pixel.index(max(pixel))])


def describe(call: Call) -> str:
    colour = colour_of(call.pictures[0])
    return json.dumps({"brief": f"A {colour} square.", "keywords": [colour, "square"]})


def describe_all_but_blue(call: Call) -> str:
    return "{}" if colour_of(call.pictures[0]) == "blue" else describe(call)


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with openai_in_background(Script(answer=describe)) as server:
        yield server


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory, model: OpenAIServer) -> Iterator[Surroundings]:
    folder = tmp_path_factory.mktemp("enriched")
    (folder / "pictures").mkdir()
    (folder / "words.txt").write_text("\n".join(WORDS), encoding="utf-8")
    settings = {
        **QUICK,
        "IMAGERAG_WORKERS_CAPTION_BASE_URL": model.url,
        "IMAGERAG_WORKERS_CAPTION_MODEL": MODEL,
        "IMAGERAG_WORKERS_CAPTION_RETRIES": "0",
        "IMAGERAG_WORKERS_TAGS_PATH": str(folder / "words.txt"),
        "IMAGERAG_WORKERS_TAGS_LEAST_SIGMAS": "1",
        "IMAGERAG_WORKERS_OCR": "off",
    }
    with (
        colours_in_background() as encoder,
        ValkeyProcess(folder / "broker") as broker,
        StoreProcess(folder / "store" / "data") as store,
    ):
        yield Surroundings(
            folder / "data", broker.url, store.url, encoder, [folder / "pictures"], settings=settings
        )


@pytest.fixture(scope="module")
def worker(surroundings: Surroundings) -> Iterator[WorkerProcess]:
    with WorkerProcess(surroundings, "worker", ["--beat"]) as process:
        yield process


def ingest(surroundings: Surroundings, folder: Path, options: JobOptions) -> JobProgress:
    job = surroundings.ledger().begin(TENANT, JobSource("folder", str(folder)), options=options)
    surroundings.publish(list(first_messages(job)))
    return wait_until_closed(surroundings.ledger(), TENANT, job.id, LIMIT_S)


def items_of(surroundings: Surroundings, job: Job) -> dict[str, Item]:
    outcomes = surroundings.ledger().outcomes(job).values()
    names = {found.item_id: found.name for found in outcomes if found.outcome is Outcome.STORED}
    found = StoredItems(surroundings.qdrant_url).items(TENANT, list(names))
    return {Path(names[item_id]).stem: item for item_id, item in found.items()}


def fill(folder: Path, side_px: int) -> Path:
    folder.mkdir()
    for colour in COLOURS:
        (folder / f"{colour}.png").write_bytes(picture(colour, side_px))
    return folder


@pytest.mark.usefixtures("worker")
def test_pictures_get_captions_and_labels(surroundings: Surroundings, model: OpenAIServer) -> None:
    model.script.answer = describe
    folder = fill(surroundings.roots[0] / "whole", side_px=16)
    progress = ingest(surroundings, folder, JobOptions(captions=True, tags=True))
    assert (progress.stored, progress.failed, progress.incomplete) == (3, 0, 0)
    for colour, item in items_of(surroundings, progress.job).items():
        assert item.caption is not None
        assert (item.caption.brief, item.caption.keywords) == (f"A {colour} square.", (colour, "square"))
        assert item.caption.model == MODEL
        assert item.labels == (colour,)
        assert (item.incomplete, item.text, item.tags) == ((), "", ())


@pytest.mark.usefixtures("worker")
def test_a_job_that_asks_for_nothing_gets_nothing(surroundings: Surroundings, model: OpenAIServer) -> None:
    before = len(model.calls)
    progress = ingest(surroundings, fill(surroundings.roots[0] / "plain", side_px=20), JobOptions())
    assert len(model.calls) == before
    found = items_of(surroundings, progress.job).values()
    assert [(item.caption, item.labels, item.incomplete) for item in found] == [(None, (), ())] * 3


@pytest.mark.usefixtures("worker")
def test_a_failing_enrichment_marks_the_item_and_is_completed_later(
    surroundings: Surroundings, model: OpenAIServer
) -> None:
    model.script.answer = describe_all_but_blue
    folder = fill(surroundings.roots[0] / "incomplete", side_px=24)
    progress = ingest(surroundings, folder, JobOptions(captions=True, tags=True, ocr=True))
    assert (progress.stored, progress.failed, progress.incomplete) == (3, 0, 3)
    before = items_of(surroundings, progress.job)
    assert {colour: item.incomplete for colour, item in before.items()} == {
        "red": ("ocr",),
        "green": ("ocr",),
        "blue": ("ocr", "captions"),
    }
    assert before["blue"].labels == ("blue",)

    for path in folder.iterdir():
        path.unlink()  # the pictures were kept: what is done again needs no source
    model.script.answer, calls = describe, len(model.calls)
    ledger, job = surroundings.ledger(), progress.job
    assert ledger.replay.complete(job).lines == 3
    surroundings.publish(list(batches(job)))
    progress = wait_until_closed(surroundings.ledger(), TENANT, job.id, LIMIT_S)
    after = items_of(surroundings, job)
    assert (progress.stored, progress.failed, progress.incomplete) == (3, 0, 3), "there still is no one who reads"
    assert after["blue"].caption is not None
    assert after["blue"].caption.brief == "A blue square."
    assert {item.incomplete for item in after.values()} == {("ocr",)}
    assert len(model.calls) == calls + 1, "what was kept is not asked for again"
    assert {item.revision for item in after.values()} == {item.revision for item in before.values()}
