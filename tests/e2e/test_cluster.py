"""The whole system as a person runs it: `imagerag up`, its commands, its end."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageOps

from tests.fixtures.archives import zipped
from tests.fixtures.cluster import ClusterProcess, accepts
from tests.fixtures.gateway import drawn_picture
from tests.fixtures.pdf_writer import PdfPage, write_pdf
from tests.fixtures.photos import CAT, COFFEE, ROCKET

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]
PARTS = {"store", "broker", "cache", "encoder", "retriever", "generator", "gateway"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcess]:
    with ClusterProcess(tmp_path_factory.mktemp("cluster") / "data") as process:
        yield process


@pytest.fixture(scope="module")
def photos(cluster: ClusterProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of photos, ingested without their names, beside a file that is no picture."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "deep").mkdir()
    (folder / "a.png").write_bytes(CAT)
    (folder / "b.png").write_bytes(COFFEE)
    (folder / "deep" / "c.jpg").write_bytes(ROCKET)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    done = cluster.run_command("ingest", str(folder), "--no-names", "--json")
    assert done.returncode == 1, "a failed item must show in the exit code"
    report = json.loads(done.stdout)
    assert (report["stored"], report["failed"]) == (3, 1)
    assert report["failures"][0]["name"] == "broken.png"
    return folder


def sha256_of(hit: Any) -> str:
    return str(hit["item"]["media"]["sha256"])


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_every_part_answers_and_says_so(cluster: ClusterProcess) -> None:
    assert set(cluster.state()["addresses"]) == PARTS
    assert all(accepts(address) for address in cluster.state()["addresses"].values())
    assert all(address.startswith("127.0.0.1:") for address in cluster.state()["addresses"].values())
    assert re.search(r"Ready in \d+\.\d s: http://127\.0\.0\.1:\d+", cluster.output())
    assert "{" not in cluster.output(), "raw log lines reached the terminal"
    page = httpx.get(cluster.url, timeout=10)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("words", "picture"),
    [("a cat", CAT), ("猫", CAT), ("rocket", ROCKET), ("a cup of coffee", COFFEE)],
    ids=["a cat", "mao", "rocket", "coffee"],
)
def test_words_find_a_picture_by_its_pixels(
    cluster: ClusterProcess, photos: Path, words: str, picture: bytes
) -> None:
    answer = cluster.json_of("search", words)
    assert sha256_of(answer["hits"][0]) == digest(picture)
    assert [leg["leg"] for leg in answer["hits"][0]["why"]["legs"]] == ["image"]


def test_a_picture_finds_its_like(cluster: ClusterProcess, photos: Path, tmp_path: Path) -> None:
    with Image.open(BytesIO(CAT)) as picture:
        ImageOps.mirror(picture).save(tmp_path / "asked.png")
    answer = cluster.json_of("search", "--image", str(tmp_path / "asked.png"))
    assert sha256_of(answer["hits"][0]) == digest(CAT)


def test_ingesting_again_changes_nothing(cluster: ClusterProcess, photos: Path) -> None:
    before = cluster.json_of("search", "a cat", "--all")
    done = cluster.run_command("ingest", str(photos / "deep"), "--no-names", "--json")
    assert json.loads(done.stdout)["stored"] == 1
    after = cluster.json_of("search", "a cat", "--all")
    assert [hit["item"]["id"] for hit in after["hits"]] == [hit["item"]["id"] for hit in before["hits"]]


def test_a_manifest_brings_texts_that_an_answer_cites(
    cluster: ClusterProcess, photos: Path, tmp_path: Path
) -> None:
    lines: list[dict[str, Any]] = [
        {"path": str(photos / "b.png"), "key": "cup", "title": "Red cup", "text": "The cup costs 12 euros.",
         "tags": ["cup"], "metadata": {"price": 12}},
        {"key": "opening", "text": "The shop opens at nine. It closes on Sundays."},
    ]  # fmt: skip
    manifest = tmp_path / "items.jsonl"
    manifest.write_text("\n".join(map(json.dumps, lines)) + "\nnot json\n", encoding="utf-8")
    done = cluster.run_command("ingest", str(manifest), "--json")
    report = json.loads(done.stdout)
    assert (report["stored"], [failure["name"] for failure in report["failures"]]) == (2, ["line 3"])

    answer = cluster.json_of("ask", "When does the shop open?")
    assert "“The shop opens at nine.” [" in answer["answer"]
    assert answer["citations"][0]["quote"].startswith("The shop opens at nine.")
    priced = cluster.json_of("search", "cup", "--filter", '{"price": {"lte": 20}}')
    assert [hit["item"]["key"] for hit in priced["hits"]] == ["cup"]
    shown = cluster.run_command("ask", "When does the shop open?")
    assert "The shop opens at nine." in shown.stdout
    assert "[1]" in shown.stdout


def test_anything_goes_in_by_one_command_and_is_proven(cluster: ClusterProcess, tmp_path: Path) -> None:
    (tmp_path / "inbox" / "img").mkdir(parents=True)
    (tmp_path / "inbox" / "report.pdf").write_bytes(write_pdf([PdfPage(["Herring gulls nest on roofs."])]))
    (tmp_path / "inbox" / "photos.zip").write_bytes(zipped({f"{n}.png": drawn_picture(n) for n in range(40, 45)}))
    (tmp_path / "inbox" / "letter.docx").write_bytes(zipped({"word/document.xml": b"<x/>"}))
    (tmp_path / "table" / "img").mkdir(parents=True)
    (tmp_path / "table" / "img" / "1.png").write_bytes(drawn_picture(50))
    (tmp_path / "table" / "items.csv").write_text("photo,label\nimg/1.png,Quillon dagger\n", encoding="utf-8")
    what = [str(tmp_path / "inbox"), str(tmp_path / "table" / "items.csv")]
    done = cluster.run_command("ingest", *what, "--column", "title=label", "--verify", "--json")
    report = json.loads(done.stdout)
    assert (report["stored"], [failure["name"] for failure in report["failures"]]) == (7, ["letter.docx"])
    assert [proof["proven"] for proof in report["proofs"]] == [True, True]
    gulls = cluster.json_of("search", "herring gulls on roofs")["hits"][0]["item"]
    assert (gulls["source_uri"], gulls["position"]["page"]) == ("report.pdf#page=1", 1)
    dagger = cluster.json_of("search", "quillon dagger")["hits"][0]["item"]
    assert (dagger["title"], dagger["source_uri"]) == ("Quillon dagger", "img/1.png")


def test_a_deleted_item_is_gone(cluster: ClusterProcess, photos: Path) -> None:
    first = cluster.json_of("search", "rocket")["hits"][0]["item"]["id"]
    assert httpx.delete(f"{cluster.url}/v1/items/{first}", timeout=10).status_code == 204
    assert httpx.get(f"{cluster.url}/v1/items/{first}", timeout=10).status_code == 404
    left = cluster.json_of("search", "rocket", "--all")
    assert first not in [hit["item"]["id"] for hit in left["hits"]]


def test_jobs_and_doctor_tell_about_it(cluster: ClusterProcess, photos: Path) -> None:
    jobs = cluster.json_of("jobs", "list")["jobs"]
    assert jobs
    assert all(job["state"] == "done" for job in jobs)
    assert cluster.json_of("jobs", "show", jobs[0]["id"])["total"] >= 1
    report = cluster.json_of("doctor")
    assert report["healthy"]
    assert {"subject": "encoder", "level": "ok", "detail": "answers", "fix": ""} in report["findings"]
    assert any(finding["detail"].startswith("starter") for finding in report["findings"])


def test_an_unknown_job_is_said_in_one_sentence(cluster: ClusterProcess) -> None:
    done = cluster.run_command("jobs", "show", "nothing")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_a_second_cluster_on_the_same_folder_is_refused(cluster: ClusterProcess) -> None:
    done = cluster.run_command("up", "--data", str(cluster.folder))
    assert done.returncode == 1
    assert f"process {cluster.process.pid}" in done.stderr
    assert accepts(cluster.state()["addresses"]["gateway"])


def test_a_crashed_part_comes_back(cluster: ClusterProcess) -> None:
    victim = next(pid for pid in cluster.left() if "services.generator" in command_line(pid))
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while not (running := generators(cluster)) or victim in running:
        assert time.monotonic() < deadline, cluster.output()
        time.sleep(0.1)
    while True:
        answered = cluster.run_command("ask", "When does the shop open?", "--json")
        if answered.returncode == 0:
            break
        assert time.monotonic() < deadline, answered.stderr
        time.sleep(0.5)
    assert "generator: ended with status -9; starting again" in cluster.output()


def generators(cluster: ClusterProcess) -> list[int]:
    return [pid for pid in cluster.left() if "-m\0services.generator" in command_line(pid)]


def command_line(pid: int) -> str:
    """Arguments separated by NUL; the parent that keeps a part alive names it after `--` and is told apart."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    except OSError:
        return ""
    return "" if "services.cli" in text else text


def test_a_closed_terminal_ends_everything(cluster: ClusterProcess) -> None:
    """The last of the tests that share the cluster: it is gone after this."""
    os.killpg(cluster.process.pid, signal.SIGHUP)
    assert cluster.process.wait(15) == 0
    assert cluster.wait_until_gone(1.0) == []


def test_sigterm_ends_everything_in_seconds(tmp_path: Path) -> None:
    with ClusterProcess(tmp_path / "data") as cluster:
        addresses = cluster.state()["addresses"]
        assert len(cluster.left()) > len(PARTS)
        started = time.monotonic()
        assert cluster.stop(signal.SIGTERM) == 0
        assert time.monotonic() - started < 10
        assert cluster.wait_until_gone(1.0) == []
        assert not [name for name, address in addresses.items() if accepts(address)]
        assert not (cluster.folder / "run" / "cluster.json").exists()

        other = cluster.run_command("up", "--data", str(cluster.folder), "--model", "openai/clip-vit-base-patch32")
        assert other.returncode == 1
        assert "was made with the model 'starter'" in other.stderr

        cluster.start()
        os.kill(cluster.process.pid, signal.SIGKILL)
        assert cluster.wait_until_gone(15.0) == [], "children outlived a killed parent"


def test_a_part_that_cannot_start_ends_the_cluster_loudly(tmp_path: Path) -> None:
    cluster = ClusterProcess(tmp_path / "data", settings={"IMAGERAG_GENERATOR_BACKEND": "oracle"})
    with pytest.raises(RuntimeError, match="did not start"):
        cluster.start()
    assert cluster.process.returncode == 1
    assert "generator: ended with status 2; given up" in cluster.output()
    assert "IMAGERAG_GENERATOR_BACKEND" in cluster.output()
    assert cluster.wait_until_gone(5.0) == []
