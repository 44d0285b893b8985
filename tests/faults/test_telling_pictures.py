"""I5: what a picture says about places and people is nowhere in what is stored or served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from services.common.jobs.records import JobSource
from services.common.media.store import THUMBNAIL_SIZES_PX, MediaStore
from services.common.objects import LocalObjects
from tests.fixtures.archives import zipped
from tests.fixtures.pdf_writer import PdfPage, PlacedPicture, write_pdf
from tests.fixtures.picture_intake import Intake
from tests.fixtures.plant import LIMIT_S, TENANT, Plant, running_plant
from tests.fixtures.proofs import count
from tests.fixtures.site import FrontProcess, RetrieverProcess
from tests.fixtures.telling_pictures import CANARY, FORMATS, telling, tells
from tests.fixtures.workers import wait_until_closed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


@dataclass
class Whole:
    """A cluster from the door to the store."""

    plant: Plant
    http: httpx.Client


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    with ExitStack() as stack:
        plant = stack.enter_context(running_plant(tmp_path))
        around = plant.surroundings
        told = {
            "QDRANT_URL": around.qdrant_url,
            "BROKER_URL": around.broker_url,
            "IMAGERAG_ENCODER_URL": around.encoder_url,
            "IMAGERAG_DATA_URL": str(around.folder),
        }
        retriever = stack.enter_context(RetrieverProcess(tmp_path / "retriever", told))
        told["IMAGERAG_RETRIEVER_URL"] = retriever.address
        gateway = stack.enter_context(FrontProcess(tmp_path / "gateway", told))
        client = httpx.Client(base_url=f"http://{gateway.address}", timeout=60, trust_env=False)
        yield Whole(plant, stack.enter_context(client))


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_media_store_keeps_nothing_of_it(tmp_path: Path, format_name: str) -> None:
    data = telling(format_name)
    assert data.count(CANARY) >= 3, "the picture must be one that tells"
    assert len(tells(data)) >= 2
    (tmp_path / "in").mkdir()
    intake = Intake(MediaStore(LocalObjects(tmp_path / "kept")), tmp_path / "in")
    assert intake.take(data) == "accepted"
    kept = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert len(kept) >= 2, "the picture and a thumbnail"
    assert {path.name: tells(path.read_bytes()) for path in kept} == {path.name: [] for path in kept}


def test_nothing_of_it_is_in_any_file_or_answer(whole: Whole, tmp_path: Path) -> None:
    """By folder, ZIP, PDF and upload; then every file of the cluster and every answer is looked through."""
    folder = whole.plant.surroundings.roots[0] / "photos"
    folder.mkdir()
    for number, name in enumerate(FORMATS):
        (folder / f"{name}.{name.lower()}").write_bytes(telling(name, seed=number))
    (folder / "z.zip").write_bytes(zipped({f"{name}.{name}": telling(name, seed=10) for name in FORMATS}))
    photo = PlacedPicture(telling("JPEG", 20, (320, 240)), (100, 100, 200, 150))
    (folder / "z.pdf").write_bytes(write_pdf([PdfPage(["A page with a photo."], [photo])]))
    job = whole.plant.submit(JobSource("auto", str(folder)))
    uploads = [_upload(whole.http, telling(name, seed=30)) for name in FORMATS]
    wait_until_closed(whole.plant.ledger, TENANT, job.id, LIMIT_S)
    counts = count(whole.plant.surroundings, TENANT, job.id, *(job_id for job_id, _ in uploads))
    found = [
        *(each.item_id for each in whole.plant.ledger.outcomes(whole.plant.ledger.job(TENANT, job.id)).values()),
        *(item_id for _, item_id in uploads),
    ]

    answers = [answer for item_id in found for answer in _answers(whole.http, item_id)]
    pictures = [answer for answer in answers if answer.headers["content-type"].startswith("image/")]
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(folder)]
    kept = [path for path in (tmp_path / "data" / "media").rglob("*") if path.is_file()]
    print(f"\n{counts}; {len(files)} files and {len(answers)} answers looked through, {len(pictures)} pictures")
    assert (counts.failed, counts.lost, counts.duplicated) == (0, 0, 0)
    assert counts.accepted == 2 * len(FORMATS) + 2 + len(FORMATS), "four files, four in a ZIP, a page, its photo"
    assert len(pictures) == counts.stored * (1 + len(THUMBNAIL_SIZES_PX))
    assert len(kept) >= 2 * counts.stored
    assert [path.name for path in files if CANARY in path.read_bytes()] == []
    assert [answer.url for answer in answers if CANARY in answer.content] == []
    assert {path.name: tells(path.read_bytes()) for path in kept} == {path.name: [] for path in kept}
    assert {str(answer.url): tells(answer.content) for answer in pictures} == {
        str(answer.url): [] for answer in pictures
    }


def _upload(http: httpx.Client, data: bytes) -> tuple[str, str]:
    answer = http.post("/v1/items?wait_s=60", files={"image": ("photo", data)})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["job_id"]), str(answer.json()["id"])


def _answers(http: httpx.Client, item_id: str) -> Iterator[httpx.Response]:
    """All that anyone can see of an item."""
    addresses = [f"/v1/items/{item_id}", f"/v1/items/{item_id}/image"]
    addresses += [f"/v1/items/{item_id}/image?size={size_px}" for size_px in THUMBNAIL_SIZES_PX]
    for address in addresses:
        yield http.get(address).raise_for_status()
    yield http.post("/v1/search", json={"text": "a page with a photo", "limit": 50}).raise_for_status()
