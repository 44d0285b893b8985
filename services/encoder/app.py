"""The composition root of the encoder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
from imagerag.v1 import encoder_pb2, encoder_pb2_grpc
from PIL import Image

from services.common.clients.encoder import Lane, TextRole
from services.common.rpc.server import RpcServer
from services.encoder.admission import Admission
from services.encoder.backends.backend import Backend, embed_texts
from services.encoder.backends.registry import load_backend
from services.encoder.batching import Batcher
from services.encoder.service import EncoderLimits, EncoderService, compute_with
from services.encoder.servicer import EncoderServicer
from services.encoder.settings import EncoderSettings

log = structlog.get_logger(__name__)
_SERVICE = encoder_pb2.DESCRIPTOR.services_by_name["Encoder"].full_name


@asynccontextmanager
async def compose(settings: EncoderSettings) -> AsyncIterator[RpcServer]:
    """Load and warm the model, then put queue, service and server in front of it."""
    async with AsyncExitStack() as stack:
        core = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="core"))
        loop = asyncio.get_running_loop()
        backend = await loop.run_in_executor(core, _load_warm, settings)
        served = backend.description
        log.info("model_loaded", model=served.model, fingerprint=served.fingerprint, device=served.device)
        decoders = {
            Lane.INTERACTIVE: stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="decode-interactive")),
            Lane.BULK: stack.enter_context(
                ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="decode")
            ),
        }
        batch_items = min(settings.device_batch_items, served.batch_items)
        batcher = Batcher(partial(compute_with, backend, settings.threads), core, batch_items)
        batcher.start()
        stack.push_async_callback(batcher.stop)
        limits = EncoderLimits(settings.max_batch_items, settings.max_text_chars, settings.image_limits())
        service = EncoderService(served, batcher, Admission(settings.queue_limit_items), limits, decoders)
        yield RpcServer.configured(
            settings,
            [_SERVICE],
            partial(encoder_pb2_grpc.add_EncoderServicer_to_server, EncoderServicer(service)),
        )


def _load_warm(settings: EncoderSettings) -> Backend:
    """Load the model and run it once, so that the first caller does not pay for lazy initialisation."""
    backend = load_backend(settings)
    side_px = backend.description.preprocessing.side_px
    blank = backend.description.preprocessing(Image.new("RGB", (side_px, side_px)))
    backend.encode_images([blank], settings.threads)
    embed_texts(backend, ["a picture"], TextRole.QUERY, settings.threads)
    return backend
