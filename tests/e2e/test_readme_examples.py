"""The README's examples on one machine: every request is answered, and the cat is found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fixtures.cluster import ClusterProcess
from tests.fixtures.photos import CAT, COFFEE
from tests.fixtures.readme import run_examples

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]


def test_the_examples_work(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "coffee.png").write_bytes(COFFEE)
    (tmp_path / "cat.jpg").write_bytes(CAT)
    with ClusterProcess(tmp_path / "data", settings={"IMAGERAG_SOURCE_ROOTS": str(photos)}) as cluster:
        done = run_examples(tmp_path, {"http://127.0.0.1:8080": cluster.url, "/data/photos": str(photos)})
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"Chelsea"' in done.stdout


def test_a_refused_example_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(CAT)
    done = run_examples(tmp_path, {"http://127.0.0.1:8080": "http://127.0.0.1:9"})
    assert done.returncode != 0
