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
from services.encoder.admission import Admission, LaneLimits
from services.encoder.backends.backend import Backend, ModelDescription, TextBackend, embed_texts
from services.encoder.backends.registry import load_backend
from services.encoder.backends.semantic import load_text_backend
from services.encoder.batching.batcher import Batcher, Streams
from services.encoder.batching.capacity import Capacity
from services.encoder.inputs import InputLimits, Models
from services.encoder.pipeline import Desk, Pipeline, Threads
from services.encoder.service import EncoderService, ServiceLimits
from services.encoder.servicer import EncoderServicer
from services.encoder.settings import EncoderSettings

log = structlog.get_logger(__name__)
_SERVICE = encoder_pb2.DESCRIPTOR.services_by_name["Encoder"].full_name
_BULK_BATCH_S = {"cpu": 0.060, "cuda": 0.020}
_LEAST_ITEMS = {"cpu": 1, "cuda": 8}
"""CUDA computes 8 pictures in about the time of one; a core of a CPU gains nothing by more than one at a time."""
_BATCHES_AHEAD = 2
_LEAST_WINDOW_ITEMS = 64


@asynccontextmanager
async def compose(settings: EncoderSettings) -> AsyncIterator[RpcServer]:
    """Load and warm the models, then serve them."""
    backend = await asyncio.to_thread(_load_warm, settings)
    served = backend.description
    log.info("model_loaded", model=served.model, fingerprint=served.fingerprint, device=served.device)
    text_backend = await asyncio.to_thread(load_text_backend, settings)
    async with serving(settings, backend, text_backend) as server:
        yield server


@asynccontextmanager
async def serving(
    settings: EncoderSettings, backend: Backend, text_backend: TextBackend | None = None
) -> AsyncIterator[RpcServer]:
    """Put lanes, service and server in front of models that are loaded.

    Args:
        settings: Limits and threads.
        backend: The joint model.
        text_backend: The second text encoder; None: there is none.
    """
    served = backend.description
    batch_items = min(settings.device_batch_items or served.batch_items, served.batch_items)
    bulk_batch_s = settings.bulk_batch_ms / 1000 or _BULK_BATCH_S[served.device]
    models = Models(backend, text_backend, InputLimits(settings.max_text_chars, settings.image_limits()))
    async with AsyncExitStack() as stack:
        batcher = Batcher(
            models.compute,
            _streams(settings, served, stack),
            Capacity(models.batch_items(batch_items)),
            bulk_batch_s,
        )
        stack.push_async_callback(batcher.stop)
        ahead_items = _BATCHES_AHEAD * served.streams * batch_items
        pipeline = Pipeline(models, batcher, _desks(settings, stack), ahead_items)
        limits = ServiceLimits(settings.max_batch_items, _stream_items(settings, ahead_items), bulk_batch_s)
        service = EncoderService(models, pipeline, _admission(settings), limits)
        yield RpcServer.configured(
            settings,
            [_SERVICE],
            partial(encoder_pb2_grpc.add_EncoderServicer_to_server, EncoderServicer(service)),
        )


def _streams(settings: EncoderSettings, served: ModelDescription, stack: AsyncExitStack) -> Streams:
    pool = ThreadPoolExecutor(served.streams, thread_name_prefix="core")
    threads = settings.threads if served.device == "cpu" else 1
    return Streams(stack.enter_context(pool), served.streams, threads, _LEAST_ITEMS[served.device])


def _stream_items(settings: EncoderSettings, ahead_items: int) -> int:
    """Enough to have every stream of the model busy and as much again ready; a lane holds two such callers."""
    return max(1, min(settings.bulk_limit_items // 2, max(_LEAST_WINDOW_ITEMS, 2 * ahead_items)))


def _desks(settings: EncoderSettings, stack: AsyncExitStack) -> dict[Desk, Threads]:
    numbers = {Desk.INTERACTIVE_PICTURES: 1, Desk.INTERACTIVE_TEXTS: 1, Desk.BULK: settings.decode_threads}
    return {
        desk: Threads(
            stack.enter_context(ThreadPoolExecutor(number, thread_name_prefix=f"prepare-{desk.name.lower()}")),
            number,
        )
        for desk, number in numbers.items()
    }


def _admission(settings: EncoderSettings) -> Admission:
    items = {Lane.INTERACTIVE: settings.interactive_limit_items, Lane.BULK: settings.bulk_limit_items}
    return Admission({lane: LaneLimits(bound, settings.lane_limit_bytes) for lane, bound in items.items()})


def _load_warm(settings: EncoderSettings) -> Backend:
    """Load the model and run it once, so that the first caller does not pay for lazy initialisation."""
    backend = load_backend(settings)
    side_px = backend.description.preprocessing.side_px
    blank = backend.description.preprocessing(Image.new("RGB", (side_px, side_px)))
    backend.encode_images([blank], settings.threads)
    embed_texts(backend, ["a picture"], TextRole.QUERY, settings.threads)
    return backend
