"""Fixtures that any test may ask for; each starts what it needs and no more."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.store import StoreProcess


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """One store process for the whole run; tests keep apart by their own collections."""
    with StoreProcess(tmp_path_factory.mktemp("store") / "data") as process:
        yield process


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncoderProcess]:
    """One encoder process with the starter model for the whole run; it keeps nothing."""
    with EncoderProcess(tmp_path_factory.mktemp("encoder")) as process:
        yield process


@pytest.fixture
def collection_name() -> str:
    """A collection name that no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}"
