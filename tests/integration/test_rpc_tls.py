"""TLS between services over real sockets: who may call whom, and certificates replaced while both run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from imagerag.v1 import generator_pb2, generator_pb2_grpc

from services.common.clients.generator import GeneratorClient
from services.common.errors import ImageragError
from services.common.rpc import client as rpc_client
from services.common.rpc.server import LIVENESS, RpcServer
from services.common.rpc.tls import TlsFiles, client_tls, server_tls
from services.common.settings import ServiceSettings, SettingsError
from tests.fixtures.certificates import Authority, variables

NAME = "imagerag.v1.Generator"
EXPIRED = timedelta(days=-1)
CERTIFICATE, KEY, TRUSTED = "tls_cert_path", "tls_key_path", "tls_ca_path"


class _Servicer(generator_pb2_grpc.GeneratorServicer):
    async def DescribeGenerator(self, request: Any, context: Any) -> Any:  # noqa: N802
        return generator_pb2.DescribeGeneratorResponse(model="one")

    async def Generate(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        raise NotImplementedError
        yield


@dataclass(frozen=True)
class _Serving:
    address: str
    server: RpcServer

    async def answers(self, tls: TlsFiles | None, host: str = "127.0.0.1") -> bool:
        """Whether a new client gets an answer; a refused handshake looks like a server that is not there."""
        async with GeneratorClient(self.address.replace("127.0.0.1", host), tls=tls) as client:
            try:
                return (await client.describe(deadline_s=1.5)).model == "one"
            except ImageragError:
                return False


@asynccontextmanager
async def _serving(tls: TlsFiles | None, health_port: int | None = None) -> AsyncIterator[_Serving]:
    def register(server: grpc.aio.Server) -> None:
        generator_pb2_grpc.add_GeneratorServicer_to_server(_Servicer(), server)

    server = RpcServer("127.0.0.1", 0, [NAME], register, tls=tls, health_port=health_port)
    address = await server.start()
    try:
        yield _Serving(address, server)
    finally:
        await server.stop(0)


@pytest.fixture
def ours() -> Authority:
    return Authority("ours")


@pytest.fixture
def theirs() -> Authority:
    return Authority("theirs")


async def test_the_right_pair_is_let_in_and_no_other(tmp_path: Path, ours: Authority, theirs: Authority) -> None:
    of_server, of_client = ours.issue(tmp_path / "server"), ours.issue(tmp_path / "client")
    stranger = theirs.issue(tmp_path / "stranger")
    async with _serving(of_server) as serving:
        assert await serving.answers(of_client)
        assert await serving.answers(of_client, host="localhost")
        assert not await serving.answers(None), "plain text"
        assert not await serving.answers(TlsFiles(None, None, of_client.trusted)), "without a certificate"
        assert not await serving.answers(TlsFiles(stranger.certificate, stranger.key, of_client.trusted)), (
            "another's"
        )
        assert not await serving.answers(TlsFiles(of_client.certificate, of_client.key, stranger.trusted))
        assert not await serving.answers(ours.issue(tmp_path / "late", valid=EXPIRED)), "expired"


async def test_an_expired_server_is_not_believed(tmp_path: Path, ours: Authority) -> None:
    async with _serving(ours.issue(tmp_path / "server", valid=EXPIRED)) as serving:
        assert not await serving.answers(ours.issue(tmp_path / "client"))


async def test_a_server_of_another_name_is_not_believed(tmp_path: Path, ours: Authority) -> None:
    async with _serving(ours.issue(tmp_path / "server", names=["encoder-headless"])) as serving:
        assert not await serving.answers(ours.issue(tmp_path / "client"))


async def test_without_an_authority_a_server_asks_for_no_certificate(tmp_path: Path, ours: Authority) -> None:
    pair = ours.issue(tmp_path / "server")
    async with _serving(TlsFiles(pair.certificate, pair.key, None)) as serving:
        assert await serving.answers(TlsFiles(None, None, pair.trusted))
        assert not await serving.answers(None)


async def test_certificates_are_replaced_while_both_run(
    tmp_path: Path, ours: Authority, theirs: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_client, "_LOOK_INTERVAL_S", 0.0)
    of_server, of_client = ours.issue(tmp_path / "server"), ours.issue(tmp_path / "client")
    old = ours.issue(tmp_path / "old")
    async with _serving(of_server) as serving, GeneratorClient(serving.address, tls=of_client) as client:
        await client.describe(deadline_s=5)
        (tmp_path / "server" / "tls.key").write_bytes(b"half written")
        assert await serving.answers(old), "what cannot be used is not taken over"
        theirs.issue(tmp_path / "server")
        assert not await serving.answers(old)
        theirs.issue(tmp_path / "client")
        assert (await client.describe(deadline_s=5)).model == "one"


async def test_health_on_a_port_of_its_own_needs_no_certificate(tmp_path: Path, ours: Authority) -> None:
    async with (
        _serving(ours.issue(tmp_path / "server"), health_port=0) as serving,
        grpc.aio.insecure_channel(serving.server.health_address) as channel,
    ):
        asked = health_pb2.HealthCheckRequest(service=LIVENESS)
        answer = await health_pb2_grpc.HealthStub(channel).Check(asked, timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await generator_pb2_grpc.GeneratorStub(channel).DescribeGenerator(
                generator_pb2.DescribeGeneratorRequest(), timeout=5
            )
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("given", "check", "complaint"),
    [
        ({CERTIFICATE}, server_tls, "IMAGERAG_TLS_KEY_PATH is not"),
        ({KEY, TRUSTED}, server_tls, "IMAGERAG_TLS_CERT_PATH is not"),
        ({TRUSTED}, server_tls, "not enough for a server"),
        ({CERTIFICATE, KEY}, client_tls, "IMAGERAG_TLS_CA_PATH is missing"),
    ],
)
def test_half_of_it_stops_the_start(
    tmp_path: Path, ours: Authority, given: set[str], check: Any, complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint):
        check(_settings(ours.issue(tmp_path), given))


def test_whole_settings_are_taken(tmp_path: Path, ours: Authority) -> None:
    files = ours.issue(tmp_path)
    assert server_tls(ServiceSettings()) is None
    assert client_tls(ServiceSettings()) is None
    assert server_tls(_settings(files, {CERTIFICATE, KEY, TRUSTED})) == files
    assert client_tls(_settings(files, {TRUSTED})) == TlsFiles(None, None, files.trusted)


def test_files_that_cannot_be_used_stop_the_start(tmp_path: Path, ours: Authority) -> None:
    files = ours.issue(tmp_path)
    settings = _settings(files, {CERTIFICATE, KEY, TRUSTED})
    (tmp_path / "ca.crt").write_text("no certificate")
    with pytest.raises(SettingsError, match="IMAGERAG_TLS_CA_PATH"):
        client_tls(settings)
    ours.issue(tmp_path / "other")
    (tmp_path / "other" / "tls.key").replace(tmp_path / "tls.key")
    with pytest.raises(SettingsError, match="IMAGERAG_TLS_CERT_PATH"):
        server_tls(settings)
    (tmp_path / "tls.key").unlink()
    with pytest.raises(SettingsError, match=r"IMAGERAG_TLS_KEY_PATH.*No such file"):
        server_tls(settings)


@pytest.mark.parametrize("module", ["services.generator", "services.retriever", "workers"])
def test_a_deployable_says_what_is_missing(tmp_path: Path, ours: Authority, module: str) -> None:
    environment = variables(ours.issue(tmp_path))
    del environment["IMAGERAG_TLS_KEY_PATH"]
    done = subprocess.run(
        [sys.executable, "-m", module, "--check"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "IMAGERAG_TLS_CERT_PATH is set and IMAGERAG_TLS_KEY_PATH is not" in done.stderr


def _settings(files: TlsFiles, given: set[str]) -> ServiceSettings:
    paths = {CERTIFICATE: files.certificate, KEY: files.key, TRUSTED: files.trusted}
    return ServiceSettings.model_validate({name: paths[name] for name in given})
