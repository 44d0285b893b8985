"""Captions as a person gets them: by an endpoint and by a local model, found by their words, completed later."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.cluster import ClusterProcess
from tests.fixtures.openai_server import MODEL, Call, Script, openai_in_background
from tests.fixtures.photos import CAT, COFFEE, ROCKET
from tests.fixtures.tiny_vision import save_tiny_vision

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]
WORDS = ("cat", "coffee", "rocket", "guitar", "tree", "shoe", "printer", "bread", "tiger", "lamp", "chair", "boat")


def describe_by_shape(call: Call) -> str:
    """Tells the photos apart by their sides, as no other word in them does."""
    names = {451: "zanzibar", 600: "quetzal", 640: "obelisk"}
    return json.dumps({"brief": f"Something like a {names[call.pictures[0].width]}.", "keywords": ["photo"]})


def write_photos(folder: Path) -> Path:
    folder.mkdir()
    for name, data in (("a.png", CAT), ("b.png", COFFEE), ("c.jpg", ROCKET)):
        (folder / name).write_bytes(data)
    return folder


def search(cluster: ClusterProcess, text: str) -> dict[str, Any]:
    answer = httpx.post(f"{cluster.url}/v1/search", json={"text": text, "limit": 3}, timeout=30.0)
    assert answer.status_code == 200, answer.text
    hits: list[dict[str, Any]] = answer.json()["hits"]
    return hits[0]


def command(cluster: ClusterProcess, *arguments: str) -> Any:
    done = cluster.run_command(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_pictures_are_found_by_what_a_model_wrote_about_them(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos")
    (tmp_path / "words.txt").write_text("\n".join(WORDS), encoding="utf-8")
    away: Any = (503, {}, {"error": {"message": "loading"}})
    with openai_in_background(Script(answer=describe_by_shape, refuse=lambda _call: away)) as model:
        settings = {
            "IMAGERAG_WORKERS_CAPTION_BASE_URL": model.url,
            "IMAGERAG_WORKERS_CAPTION_MODEL": MODEL,
            "IMAGERAG_WORKERS_CAPTION_RETRIES": "0",
            "IMAGERAG_WORKERS_CAPTION_PAUSE_S": "0.1",
            "IMAGERAG_WORKERS_TAGS_PATH": str(tmp_path / "words.txt"),
            "IMAGERAG_WORKERS_TAGS_LEAST_SIGMAS": "2",
        }
        with ClusterProcess(tmp_path / "data", settings=settings) as cluster:
            cluster.run_command("ingest", str(photos), "--no-names", "--captions", "--tags", "--json")
            (job,) = httpx.get(f"{cluster.url}/v1/jobs", timeout=30.0).json()["jobs"]
            assert (job["stored"], job["failed"], job["incomplete"]) == (3, 0, 3), "the endpoint is away"

            model.script.refuse = lambda _call: None
            assert command(cluster, "jobs", "retry", job["id"], "--incomplete")["retried"] == 3
            assert command(cluster, "jobs", "watch", job["id"])["incomplete"] == 0

            hit = search(cluster, "zanzibar")
            item = hit["item"]
            assert item["caption"]["brief"] == "Something like a zanzibar."
            assert item["caption"]["model"] == MODEL
            assert item["labels"] == ["cat"]
            assert (item["title"], item["text"], item["incomplete"]) == ("", "", [])
            assert hit["why"]["matched_in"] == ["caption"]
            assert command(cluster, "jobs", "verify", job["id"])["proven"]


def test_a_model_on_this_machine_writes_them(tmp_path: Path) -> None:
    """The model has random weights: it writes nonsense, or nothing that is a description; both go their way."""
    photos, model = write_photos(tmp_path / "photos"), save_tiny_vision(tmp_path / "tiny-llava")
    with ClusterProcess(tmp_path / "data", ("up", "--captions", str(model))) as cluster:
        cluster.run_command("ingest", str(photos), "--captions", "--json")
        (job,) = httpx.get(f"{cluster.url}/v1/jobs", timeout=30.0).json()["jobs"]
        assert (job["stored"], job["failed"]) == (3, 0)
    found = [
        json.loads(path.read_bytes())
        for path in (tmp_path / "data" / "objects" / "findings").rglob("captions-*.json")
    ]
    assert {caption["model"] for caption in found} <= {"tiny-llava"}
    assert len(found) + job["incomplete"] == 3
