"""The gRPC server of a deployable: health, reflection, limits, errors, request ids, drain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from services.common.rpc.call_limit import CallLimit
from services.common.rpc.draining import Draining
from services.common.rpc.interceptor import ErrorInterceptor
from services.common.rpc.reading import ReadingInterceptor
from services.common.rpc.tls import TlsFiles, server_tls
from services.common.settings import ServiceSettings

_Status = health_pb2.HealthCheckResponse
MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
"""gRPC's own default of 4 MiB refuses a batch of photos."""
LIVENESS = "live"
"""Health name that says only that this process answers: a restart does not mend a dependency that is down."""
_WATCHERS = 1024
"""Calls beyond the limit that are taken on: clients watch the health of a server, each with one open call."""
LAST_CALLS_S = 150
"""How long a connection past its age lives on for its last calls: above an answer's deadline of 120 s."""


@dataclass(frozen=True)
class RpcLimits:
    """What one server takes at once.

    Attributes:
        message_bytes: Largest message in either direction.
        concurrent_calls: More are shed at once with RESOURCE_EXHAUSTED.
        connection_age_s: Connections are closed after this time, so that clients with round robin find new
            replicas behind a headless service.
    """

    message_bytes: int = MESSAGE_LIMIT_BYTES
    concurrent_calls: int = 256
    connection_age_s: float = 300.0


class RpcServer:
    """A `services.common.runtime.Server` over grpc.aio.

    Args:
        host: Address to bind.
        port: Port to bind; 0 takes a free one.
        service_names: Full protobuf names, for health and reflection.
        register: Adds the servicers to the server.
        limits: See `RpcLimits`.
        tls: Certificates; None: plain text.
        health_port: Port of a second server, health alone and never with TLS, for probes that cannot speak it.
    """

    def __init__(
        self,
        host: str,
        port: int,
        service_names: Sequence[str],
        register: Callable[[grpc.aio.Server], None],
        limits: RpcLimits | None = None,
        *,
        tls: TlsFiles | None = None,
        health_port: int | None = None,
    ) -> None:
        self._address = f"{host}:{port}"
        self._tls = tls
        self._health_address = None if health_port is None else f"{host}:{health_port}"
        self._service_names = tuple(service_names)
        self._register = register
        self._limits = limits or RpcLimits()
        self._health = HealthServicer()
        self._draining = Draining()
        self._server: grpc.aio.Server | None = None
        self._health_server: grpc.aio.Server | None = None
        self.health_address = ""
        """`host:port` of the second server once it answers."""

    @classmethod
    def configured(
        cls,
        settings: ServiceSettings,
        service_names: Sequence[str],
        register: Callable[[grpc.aio.Server], None],
    ) -> Self:
        """The server of a deployable, as its settings have it.

        Raises:
            SettingsError: The certificates cannot be used.
        """
        return cls(
            settings.host,
            settings.port,
            service_names,
            register,
            RpcLimits(connection_age_s=settings.connection_age_s),
            tls=server_tls(settings),
            health_port=settings.health_port,
        )

    async def start(self) -> str:
        """Bind and answer; health turns to SERVING.

        Returns:
            The bound `host:port`.

        Raises:
            RuntimeError: The address is taken.
        """
        server = grpc.aio.server(
            interceptors=[
                ErrorInterceptor(),
                CallLimit(self._limits.concurrent_calls),
                ReadingInterceptor(),
                self._draining,
            ],
            options=_options(self._limits),
            maximum_concurrent_rpcs=self._limits.concurrent_calls + _WATCHERS,
        )
        self._register(server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (*self._service_names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
        address = _bind(server, self._address, self._tls)
        await server.start()
        self._server = server
        await self._start_health()
        await self.set_serving(True)
        await self.set_health(LIVENESS, True)
        return address

    async def _start_health(self) -> None:
        if self._health_address is None:
            return
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        self.health_address = _bind(server, self._health_address, None)
        await server.start()
        self._health_server = server

    async def set_serving(self, serving: bool) -> None:
        """Say through the health service whether calls are welcome."""
        for name in ("", *self._service_names):
            await self.set_health(name, serving)

    async def set_health(self, name: str, serving: bool) -> None:
        """Report the health of one name: a service, or something this server depends on."""
        await self._health.set(name, _Status.SERVING if serving else _Status.NOT_SERVING)

    async def stop(self, grace_s: float) -> None:
        """Turn health to NOT_SERVING, refuse new calls, let running ones finish within `grace_s`.

        Streams in both directions end once what they sent so far is answered.
        """
        if self._server is None:
            return
        await self._health.enter_graceful_shutdown()
        self._draining.begin()
        await self._server.stop(grace_s)
        self._server = None
        if self._health_server is not None:
            await self._health_server.stop(0)
            self._health_server = None


def _bind(server: grpc.aio.Server, address: str, tls: TlsFiles | None) -> str:
    """Bind `address`; returns the bound `host:port`."""
    if tls is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, tls.server_credentials())
    return f"{address.rsplit(':', 1)[0]}:{port}"


def _options(limits: RpcLimits) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", limits.message_bytes),
        ("grpc.max_connection_age_ms", int(limits.connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", LAST_CALLS_S * 1000),
        # Clients ask every 2 s whether this process still answers; by default that is taken for an attack.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
        # Two servers on one port would share the calls without anyone noticing.
        ("grpc.so_reuseport", 0),
    ]
