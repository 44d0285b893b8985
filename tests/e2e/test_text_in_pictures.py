"""Text that stands only inside a picture is found by that text, over REST, with the starter."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.cluster import ClusterProcess
from tests.fixtures.pdf_writer import PdfPage, PlacedPicture, write_pdf
from tests.fixtures.photos import CAT, COFFEE, ROCKET
from tests.fixtures.signs import PAGE, PAGE_WORDS, SIGN, SIGN_TEXT, printed

pytest.importorskip("rapidocr", reason="needs the extra `ocr`")
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]
PICTURES = [PAGE, SIGN, CAT, COFFEE, ROCKET]
SCANNED = ["The heron waits in the shallows", "until a fish comes within reach.", "Then it strikes."]
JOB_LIMIT_S = 120.0


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers may read: a PDF of a scanned page and a printed one."""
    folder = tmp_path_factory.mktemp("sources")
    buffer = BytesIO()
    printed(SCANNED, width=900).save(buffer, "JPEG", quality=85)
    scan = PdfPage(pictures=[PlacedPicture(buffer.getvalue(), (0, 500, 612, 292))])
    words = PdfPage(["This page tells its words by itself, and nobody has to read them."] * 3)
    (folder / "scan.pdf").write_bytes(write_pdf([scan, words], title="Birds of the lake"))
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, sources: Path) -> Iterator[ClusterProcess]:
    settings = {"IMAGERAG_SOURCE_ROOTS": str(sources)}
    with ClusterProcess(tmp_path_factory.mktemp("cluster") / "data", settings=settings) as process:
        yield process


def call(cluster: ClusterProcess, method: str, path: str, **body: Any) -> Any:
    answer = httpx.request(method, f"{cluster.url}{path}", timeout=60, **body)
    assert answer.is_success, answer.text
    return answer.json()


def carry_out(cluster: ClusterProcess, job: dict[str, Any]) -> Any:
    """Start a job and wait for its end."""
    job_id = call(cluster, "POST", "/v1/jobs", json=job)["job_id"]
    deadline = time.monotonic() + JOB_LIMIT_S
    while (told := call(cluster, "GET", f"/v1/jobs/{job_id}"))["state"] != "done":
        assert time.monotonic() < deadline, told
        time.sleep(0.2)
    assert told["failed"] == 0, told
    return told


def search(cluster: ClusterProcess, text: str) -> Any:
    return call(cluster, "POST", "/v1/search", json={"text": text})


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def pictures(cluster: ClusterProcess) -> list[dict[str, str]]:
    """Pictures without a title, a name or a word; not read yet."""
    kept = [call(cluster, "PUT", "/v1/media", content=data)["sha256"] for data in PICTURES]
    items = [{"sha256": digest} for digest in kept]
    carry_out(cluster, {"items": items})
    for text in (PAGE_WORDS, SIGN_TEXT):
        assert not [hit for hit in search(cluster, text)["hits"] if hit["why"]["matched_in"]]
    return items


@pytest.fixture(scope="module")
def read(cluster: ClusterProcess, pictures: list[dict[str, str]]) -> None:
    """The same pictures, now with what stands in them."""
    carry_out(cluster, {"items": pictures, "options": {"ocr": True}})


@pytest.mark.parametrize(
    ("text", "picture"),
    [
        (PAGE_WORDS, PAGE),
        ("histogram of grey values", PAGE),
        ("Where are the markers found?", PAGE),
        (SIGN_TEXT, SIGN),
        ("地滑", SIGN),
        ("請勿奔跑", SIGN),
    ],
)
def test_a_picture_is_found_by_the_text_in_it(
    cluster: ClusterProcess, read: None, text: str, picture: bytes
) -> None:
    best = search(cluster, text)["hits"][0]
    assert best["item"]["media"]["sha256"] == sha256(picture)
    assert (best["relevant"], best["why"]["matched_in"]) == (True, ["ocr"])
    assert best["why"]["matched_words"]
    assert (best["item"]["title"], best["item"]["text"]) == ("", ""), "the text in a picture stays apart"
    assert best["item"]["incomplete"] == []


def test_pictures_without_text_have_none_and_are_found_as_before(cluster: ClusterProcess, read: None) -> None:
    best = search(cluster, "a cat")["hits"][0]
    assert best["item"]["media"]["sha256"] == sha256(CAT)
    assert best["item"]["ocr_text"] == ""


def test_an_answer_quotes_what_stands_in_the_picture(cluster: ClusterProcess, read: None) -> None:
    answer = call(cluster, "POST", "/v1/ask", json={"question": "What pixels can we label?"})
    first = answer["citations"][0]
    assert "markers are pixels that we can label" in first["quote"]
    assert "reads: “" in answer["answer"]


def test_what_was_read_once_is_not_read_again(
    cluster: ClusterProcess, pictures: list[dict[str, str]], read: None
) -> None:
    kept = cluster.folder / "objects" / "findings" / "default"
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("ocr-*.json")}
    assert len(before) >= len(PICTURES)
    again = [{**item, "key": f"again-{number}"} for number, item in enumerate(pictures)]
    carry_out(cluster, {"items": again, "options": {"ocr": True}})
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("ocr-*.json")} == before
    found = {hit["item"]["key"] for hit in search(cluster, SIGN_TEXT)["hits"]}
    assert "again-1" in found


def test_a_scanned_page_of_a_pdf_is_read_and_a_printed_one_is_not(cluster: ClusterProcess, sources: Path) -> None:
    told = carry_out(
        cluster,
        {"source": {"type": "document", "path": str(sources / "scan.pdf")}, "options": {"ocr": True}},
    )
    assert told["stored"] >= 2
    best = search(cluster, "heron waits in the shallows")["hits"][0]
    assert (best["item"]["kind"], best["item"]["position"]["page"]) == ("page", 1)
    assert best["why"]["matched_in"] == ["ocr"]
    assert "until a fish comes within reach" in best["item"]["ocr_text"].replace("\n", " ")
    printed_page = search(cluster, "tells its words by itself")["hits"][0]
    assert (printed_page["item"]["position"]["page"], printed_page["item"]["ocr_text"]) == (2, "")
