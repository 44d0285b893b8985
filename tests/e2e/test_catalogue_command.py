"""A catalogue moves from one cluster to another as a person moves it: a table in, a file out, the file in."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.cluster import ClusterProcess
from tests.fixtures.photos import CAT, COFFEE, ROCKET

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]
TABLE = """Bild;Artikel;Preis
cat.png;Grey cat;12
coffee.png;;3
rocket.jpg;Launch pad;900
;Only words about a lighthouse;1
gone.png;Not there;0
"""
COLUMNS = {"path": "Bild", "title": "Artikel", "metadata.price": "Preis"}
JOB_LIMIT_S = 120.0


def ingested(cluster: ClusterProcess, table: Path) -> dict[str, Any]:
    """The job of a table, once it is done."""
    body = {"source": {"type": "manifest", "path": str(table)}, "options": {"columns": COLUMNS}}
    with httpx.Client(base_url=cluster.url, trust_env=False, timeout=30) as client:
        job_id = client.post("/v1/jobs", json=body).raise_for_status().json()["job_id"]
        give_up_at = time.monotonic() + JOB_LIMIT_S
        while time.monotonic() < give_up_at:
            job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
            if job["state"] == "done":
                return job
            time.sleep(0.3)
    raise AssertionError(cluster.output())


def found_by(cluster: ClusterProcess, words: str) -> list[tuple[str, Any]]:
    """Titles or sources of what is found, with their scores."""
    hits = cluster.json_of("search", words)["hits"]
    return [
        (hit["item"]["title"] or hit["item"]["source_uri"], pytest.approx(hit["score"], abs=1e-4)) for hit in hits
    ]


def test_a_table_goes_in_and_its_items_move_to_another_cluster(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, data in {"cat.png": CAT, "coffee.png": COFFEE, "rocket.jpg": ROCKET}.items():
        (photos / name).write_bytes(data)
    (photos / "shop.csv").write_text(TABLE, encoding="utf-8")
    file = tmp_path / "shop.parquet"
    questions = ("a cat", "lighthouse", "rocket", "a cup of coffee")
    roots = {"IMAGERAG_SOURCE_ROOTS": str(photos)}

    with ClusterProcess(tmp_path / "one", settings=roots) as one:
        job = ingested(one, photos / "shop.csv")
        assert (job["total"], job["stored"], job["failed"]) == (5, 4, 1)
        assert one.run_command("jobs", "verify", job["id"]).returncode == 0
        written = one.json_of("catalogue", "export", str(file), "--with-vectors")
        assert (written["items"], written["with_vectors"]) == (4, True)
        answers = {words: found_by(one, words) for words in questions}
        assert answers["a cat"][0][0] == "Grey cat"
        saved = one.json_of("snapshots", "create", "--to", str(tmp_path / "vault"), "--with-media")
        assert saved["media"]["objects"] >= 3

    with ClusterProcess(tmp_path / "two") as two:
        report = two.json_of("catalogue", "import", str(file))
        assert (report["stored"], report["failed"], report["missing_pictures"]) == (4, 0, 3)
        assert {words: found_by(two, words) for words in questions} == answers
        (hit,) = (each for each in two.json_of("search", "a cat")["hits"] if each["item"]["title"] == "Grey cat")
        assert hit["item"]["metadata"] == {"price": 12}
        image = f"{two.url}{hit['item']['image_url']}"
        assert httpx.get(image, trust_env=False).status_code == 404
        shutil.copytree(tmp_path / "one" / "objects" / "media", tmp_path / "two" / "objects" / "media")
        assert httpx.get(image, trust_env=False).status_code == 200
        assert two.json_of("catalogue", "import", str(file))["missing_pictures"] == 0

    # A snapshot with its media on an empty machine.
    with ClusterProcess(tmp_path / "three") as three:
        restored = three.json_of("snapshots", "restore", "--from", str(tmp_path / "vault"), "--with-media")
        assert restored["points"] == 4
        assert {words: found_by(three, words) for words in questions} == answers
        (hit,) = (each for each in three.json_of("search", "a cat")["hits"] if each["item"]["title"] == "Grey cat")
        assert httpx.get(f"{three.url}{hit['item']['image_url']}", trust_env=False).status_code == 200
