"""What the gateway needs, and whether it is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.objects import ObjectStore
from services.common.rpc.client import RpcClient
from services.gateway.queue_gate import QueueGate

log = structlog.get_logger(__name__)
Probe = Callable[[], Awaitable[Sequence[str]]]
"""Returns the names of parts that are missing; raising means that the probed part itself is."""
_KEPT_S = 1.0
_BEHIND_RETRIEVER = ("store", "encoder")


class Readiness:
    """Asks every part at once, each for a short time; the answer is kept for a second.

    Args:
        probes: By the name that `/readyz` shows; a probe that raises means the part is missing.
        deadline_s: Longest wait for each.
    """

    def __init__(self, probes: Mapping[str, Probe], deadline_s: float) -> None:
        self._probes, self._deadline_s = probes, deadline_s
        self._lock = asyncio.Lock()
        self._missing: list[str] = []
        self._asked_at = float("-inf")

    async def missing(self) -> list[str]:
        """The names of what is missing, sorted."""
        async with self._lock:
            if time.monotonic() - self._asked_at > _KEPT_S:
                found = await asyncio.gather(*(self._missing_of(name) for name in self._probes))
                self._missing = sorted(name for names in found for name in names)
                self._asked_at = time.monotonic()
            return self._missing

    async def _missing_of(self, name: str) -> Sequence[str]:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._probes[name]()
        except Exception as error:
            log.debug("probe_failed", part=name, detail=type(error).__name__)
            return (name,)


def generator_probe(generator: RpcClient) -> Probe:
    """Asks the generator's health."""

    async def probe() -> Sequence[str]:
        return () if await _serves(generator, "") else ("generator",)

    return probe


def retriever_probe(retriever: RpcClient) -> Probe:
    """Asks the retriever, which knows whether the store and the encoder behind it answer."""

    async def probe() -> Sequence[str]:
        states = await asyncio.gather(*(_serves(retriever, name) for name in _BEHIND_RETRIEVER))
        return [name for name, serves in zip(_BEHIND_RETRIEVER, states, strict=True) if not serves]

    return probe


async def _serves(client: RpcClient, service: str) -> bool:
    stub = health_pb2_grpc.HealthStub(client.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def data_probe(objects: ObjectStore) -> Probe:
    """Writes a small object: a full or read-only disk is noticed here."""

    async def probe() -> Sequence[str]:
        await asyncio.to_thread(objects.put, "gateway/probe", b"")
        return ()

    return probe


def broker_probe(gate: QueueGate) -> Probe:
    """Asks whether a job could be submitted."""

    async def probe() -> Sequence[str]:
        await gate.check()
        return ()

    return probe
