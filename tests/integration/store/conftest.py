"""The stock client on the session's store, and a fresh collection a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from qdrant_client import QdrantClient

from tests.fixtures.store import StoreProcess
from tests.fixtures.store_client import client_of, create_collection


@pytest.fixture(scope="session")
def client(store: StoreProcess) -> Iterator[QdrantClient]:
    """The stock client."""
    with client_of(store.url) as client:
        yield client


@pytest.fixture
def collection(client: QdrantClient, collection_name: str) -> Iterator[str]:
    """An empty collection with `image`, `text` and `bm25`."""
    create_collection(client, collection_name)
    yield collection_name
    client.delete_collection(collection_name)
