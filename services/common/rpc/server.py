"""The gRPC server of a deployable: health, reflection, limits, errors, request ids, drain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from services.common.rpc.interceptor import ErrorInterceptor

_Status = health_pb2.HealthCheckResponse
MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
"""gRPC's own default of 4 MiB refuses a batch of photos."""
LIVENESS = "live"
"""Health name that says only that this process answers: a restart does not mend a dependency that is down."""


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
    """

    def __init__(
        self,
        host: str,
        port: int,
        service_names: Sequence[str],
        register: Callable[[grpc.aio.Server], None],
        limits: RpcLimits | None = None,
    ) -> None:
        self._address = f"{host}:{port}"
        self._service_names = tuple(service_names)
        self._register = register
        self._limits = limits or RpcLimits()
        self._health = HealthServicer()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> str:
        """Bind and answer; health turns to SERVING.

        Returns:
            The bound `host:port`.

        Raises:
            RuntimeError: The address is taken.
        """
        server = grpc.aio.server(
            interceptors=[ErrorInterceptor()],
            options=_options(self._limits),
            maximum_concurrent_rpcs=self._limits.concurrent_calls,
        )
        self._register(server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (*self._service_names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
        port = server.add_insecure_port(self._address)
        await server.start()
        self._server = server
        await self.set_serving(True)
        await self.set_health(LIVENESS, True)
        return f"{self._address.rsplit(':', 1)[0]}:{port}"

    async def set_serving(self, serving: bool) -> None:
        """Say through the health service whether calls are welcome."""
        for name in ("", *self._service_names):
            await self.set_health(name, serving)

    async def set_health(self, name: str, serving: bool) -> None:
        """Report the health of one name: a service, or something this server depends on."""
        await self._health.set(name, _Status.SERVING if serving else _Status.NOT_SERVING)

    async def stop(self, grace_s: float) -> None:
        """Turn health to NOT_SERVING, refuse new calls, let running ones finish within `grace_s`."""
        if self._server is None:
            return
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
        self._server = None


def _options(limits: RpcLimits) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", limits.message_bytes),
        ("grpc.max_connection_age_ms", int(limits.connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", 30_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        # Two servers on one port would share the calls without anyone noticing.
        ("grpc.so_reuseport", 0),
    ]
