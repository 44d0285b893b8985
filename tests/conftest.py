"""Fixtures that any test may ask for; each starts what it needs and no more."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.fixtures.brokers import BROKER_OPTIONS, CACHE_OPTIONS, ValkeyProcess
from tests.fixtures.containers import qdrant_server, skip_without_docker, valkey_server
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.store import StoreProcess


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--real-servers`: Qdrant's and Valkey's own servers in containers instead of the embedded ones."""
    parser.addoption(
        "--real-servers", action="store_true", help="run on servers in containers; skip where no Docker engine is"
    )


@pytest.fixture(scope="session")
def real_servers(request: pytest.FixtureRequest) -> bool:
    """Whether servers in containers are asked for; skips where there can be none."""
    if not request.config.getoption("--real-servers"):
        return False
    skip_without_docker()
    return True


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """One store process for the whole run; tests keep apart by their own collections."""
    with StoreProcess(tmp_path_factory.mktemp("store") / "data") as process:
        yield process


@pytest.fixture(scope="session", params=["embedded", "server"])
def qdrant_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The embedded store and, where a Docker engine runs, Qdrant's own server: the same tests on both."""
    if request.param == "embedded":
        if request.config.getoption("--real-servers"):
            pytest.skip("servers in containers are asked for")
        yield request.getfixturevalue("store").url
        return
    skip_without_docker()
    with qdrant_server() as url:
        yield url


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncoderProcess]:
    """One encoder process with the starter model for the whole run; it keeps nothing."""
    with EncoderProcess(tmp_path_factory.mktemp("encoder")) as process:
        yield process


@pytest.fixture(scope="session")
def broker_url(real_servers: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One broker for the whole run, with an append-only file; workers of a test take its messages."""
    if real_servers:
        with valkey_server(BROKER_OPTIONS) as url:
            yield url
        return
    with ValkeyProcess(tmp_path_factory.mktemp("broker"), BROKER_OPTIONS) as server:
        yield server.url


@pytest.fixture(scope="session")
def cache_url(real_servers: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One bounded cache without persistence for the whole run."""
    if real_servers:
        with valkey_server(CACHE_OPTIONS) as url:
            yield url
        return
    with ValkeyProcess(tmp_path_factory.mktemp("cache"), CACHE_OPTIONS) as server:
        yield server.url


@pytest.fixture
def collection_name() -> str:
    """A collection name that no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}"
