"""What the typed clients share: a channel that lives as long as the client is open."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import grpc

from services.common.rpc.channel import open_channel


class RpcClient:
    """Base of the typed clients; an async context manager.

    Args:
        target: `host:port` or a `dns:///` name.
        deadline_s: Longest wait for an answer.
    """

    def __init__(self, target: str, *, deadline_s: float = 30.0) -> None:
        self._target, self._deadline_s = target, deadline_s
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        self._channel = open_channel(self._target)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    @property
    def channel(self) -> grpc.aio.Channel:
        """The open channel.

        Raises:
            RuntimeError: The client is used outside its `async with`.
        """
        if self._channel is None:
            raise RuntimeError(f"{type(self).__name__} is not open: use it inside `async with`.")
        return self._channel
