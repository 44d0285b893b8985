"""An encoder without a model, which answers at once: what transport alone costs. `python -m ...empty_server`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import numpy as np
from imagerag.v1 import encoder_pb2, encoder_pb2_grpc
from pydantic_settings import SettingsConfigDict

from services.common.rpc.server import RpcServer
from services.common.rpc.tensors import tensor_to_proto
from services.common.runtime import run
from services.common.settings import ServiceSettings

PREFIX = "IMAGERAG_EMPTY_"
_SERVICE = encoder_pb2.DESCRIPTOR.services_by_name["Encoder"].full_name
_DIM = 512


class EmptySettings(ServiceSettings):
    """Read from IMAGERAG_EMPTY_*."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)


class _Empty(encoder_pb2_grpc.EncoderServicer):
    async def EncodeImages(self, request: Any, context: Any) -> Any:  # noqa: N802 (the contract's name)
        inputs = len(request.images) or len(request.prepared.pixels)
        return encoder_pb2.EncodeResponse(vectors=tensor_to_proto(np.ones((inputs, _DIM), np.float32)))


@asynccontextmanager
async def compose(settings: EmptySettings) -> AsyncIterator[RpcServer]:
    """The server of our services around a servicer that does nothing."""
    servicer = _Empty()  # type: ignore[abstract]  # nothing else of it is called
    yield RpcServer.configured(
        settings, [_SERVICE], partial(encoder_pb2_grpc.add_EncoderServicer_to_server, servicer)
    )


if __name__ == "__main__":
    run("empty", EmptySettings, compose)
