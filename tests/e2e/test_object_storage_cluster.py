"""The whole cluster with its pictures and ledgers in a bucket."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import httpx

from tests.fixtures.bucket import BucketServer
from tests.fixtures.cluster import ClusterProcess
from tests.fixtures.photos import CAT, ROCKET


def test_pictures_go_in_and_are_found(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(CAT)
    (photos / "b.jpg").write_bytes(ROCKET)
    with BucketServer(tmp_path) as bucket:
        settings = {**bucket.environment, "IMAGERAG_DATA_URL": f"{bucket.make_bucket()}/imagerag"}
        with ClusterProcess(tmp_path / "data", settings=settings) as cluster:
            done = cluster.run_command("ingest", str(photos), "--no-names", "--json")
            assert json.loads(done.stdout)["stored"] == 2, done.stderr
            answer = httpx.post(f"{cluster.url}/v1/search", json={"text": "a cat"}, timeout=30).json()
            best = answer["hits"][0]["item"]
            assert best["media"]["sha256"] == hashlib.sha256(CAT).hexdigest()
            shown = httpx.get(f"{cluster.url}{best['image_url']}?size=256", timeout=30)
            assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
            assert not list((cluster.folder / "objects").rglob("*")), "something was kept on this machine"
