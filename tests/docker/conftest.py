"""Images are built once for the whole run; without a Docker engine everything here is skipped, with the reason."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.compose import ComposeCluster
from tests.fixtures.containers import skip_without_docker

ROOT = Path(__file__).parents[2]
BUILD_LIMIT_S = 3600
TARGETS = ("encoder", "retriever", "generator", "gateway", "workers", "cli")
"""All but the one with CUDA, which is many gigabytes."""


@pytest.fixture(scope="session")
def images() -> tuple[str, ...]:
    """The targets whose images are there now, by `make images` as a person calls it."""
    skip_without_docker()
    environment = os.environ | {"IMAGES": " ".join(TARGETS)}
    subprocess.run(["make", "images"], cwd=ROOT, env=environment, check=True, timeout=BUILD_LIMIT_S)
    return TARGETS


@pytest.fixture(scope="session")
def compose_cluster(images: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeCluster]:
    """The whole cluster, healthy."""
    with ComposeCluster(tmp_path_factory.mktemp("compose")) as cluster:
        yield cluster
