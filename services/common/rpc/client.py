"""What the typed clients share: a channel that lives as long as the client is open."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import ClassVar, Self

import grpc
import structlog

from services.common.rpc.channel import open_channel
from services.common.rpc.server import LIVENESS
from services.common.rpc.tls import Pems, TlsFiles, channel_credentials

log = structlog.get_logger(__name__)
_LOOK_INTERVAL_S = 10.0
"""Time between looks whether certificates were replaced."""


class RpcClient:
    """Base of the typed clients; an async context manager.

    Args:
        target: `host:port`, a `dns:///` name of many replicas, or `ipv4:` with a list of addresses.
        deadline_s: Longest wait for an answer.
        tls: Certificates; None: plain text. A new pair is taken over while the client is open.
    """

    health_name: ClassVar[str] = LIVENESS
    """What each replica's health service is asked; calls go to those that say yes."""

    def __init__(self, target: str, *, deadline_s: float = 30.0, tls: TlsFiles | None = None) -> None:
        self._target, self._deadline_s, self._tls = target, deadline_s, tls
        self._channel: grpc.aio.Channel | None = None
        self._pems: Pems | None = None
        self._looked_at_s = 0.0
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._pems = None if self._tls is None else self._tls.read()
        self._looked_at_s = time.monotonic()
        self._channel = self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._closing:
            task.cancel()
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    @property
    def channel(self) -> grpc.aio.Channel:
        """The open channel; another one after certificates were replaced, so do not keep it.

        Raises:
            RuntimeError: The client is used outside its `async with`.
        """
        if self._channel is None:
            raise RuntimeError(f"{type(self).__name__} is not open: use it inside `async with`.")
        if self._tls is not None and time.monotonic() - self._looked_at_s > _LOOK_INTERVAL_S:
            self._channel = self._renewed(self._channel, self._tls)
        return self._channel

    def _renewed(self, channel: grpc.aio.Channel, tls: TlsFiles) -> grpc.aio.Channel:
        self._looked_at_s = time.monotonic()
        assert self._pems is not None
        pems = tls.read_again(self._pems)
        if pems == self._pems:
            return channel
        self._pems = pems
        log.info("certificates_replaced", target=self._target)
        # Running calls end on the channel they began on.
        task = asyncio.ensure_future(channel.close(grace=self._deadline_s))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return self._open()

    def _open(self) -> grpc.aio.Channel:
        credentials = None if self._pems is None else channel_credentials(self._pems)
        return open_channel(self._target, health_name=self.health_name, credentials=credentials)
