"""The composition root of the retriever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

import grpc
from imagerag.v1 import catalogue_pb2, catalogue_pb2_grpc, retriever_pb2, retriever_pb2_grpc

from services.common.clients.encoder import EncoderClient
from services.common.embeddings.cached_encoder import CachedEncoder
from services.common.embeddings.memory import RecentVectors
from services.common.embeddings.shared import SharedVectors
from services.common.index.index import Index
from services.common.index.layout import Layout
from services.common.revision import RevisionClock
from services.common.rpc.server import RpcServer
from services.common.rpc.tls import client_tls
from services.common.telemetry.tracing import untraced
from services.retriever.catalogue import CatalogueService
from services.retriever.catalogue_servicer import CatalogueServicer
from services.retriever.metrics import show_memory
from services.retriever.probes import watch
from services.retriever.query_vectors import QueryVectors
from services.retriever.resolution import Resolver
from services.retriever.service import SearchService
from services.retriever.servicer import RetrieverServicer
from services.retriever.settings import RetrieverSettings

_SERVICE = retriever_pb2.DESCRIPTOR.services_by_name["Retriever"].full_name
_CATALOGUE = catalogue_pb2.DESCRIPTOR.services_by_name["Catalogue"].full_name


@asynccontextmanager
async def compose(settings: RetrieverSettings) -> AsyncIterator[RpcServer]:
    """Open what the retriever needs, in order; close it in reverse."""
    async with AsyncExitStack() as stack:
        index = await stack.enter_async_context(
            Index(
                settings.qdrant_url,
                api_key=settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None,
                ca_path=settings.qdrant_ca_path,
                timeout_s=settings.store_timeout_s,
                alias=settings.alias,
                layout=Layout(
                    settings.collection_shards,
                    settings.collection_replicas,
                    settings.collection_write_consistency,
                ),
            )
        )
        encoder = await stack.enter_async_context(
            EncoderClient(settings.encoder_url, deadline_s=settings.encoder_timeout_s, tls=client_tls(settings))
        )
        cached = await _cached(encoder, settings, stack)
        resolver, clock = Resolver(index, cached, ttl_s=settings.resolve_ttl_s), RevisionClock()
        service = SearchService(index, resolver, QueryVectors(cached), clock, candidates=settings.candidates)
        catalogue = CatalogueService(index, resolver, clock)

        def register(server: grpc.aio.Server) -> None:
            retriever_pb2_grpc.add_RetrieverServicer_to_server(RetrieverServicer(service), server)
            catalogue_pb2_grpc.add_CatalogueServicer_to_server(CatalogueServicer(catalogue), server)

        server = RpcServer.configured(settings, [_SERVICE, _CATALOGUE], register)
        probing = asyncio.create_task(_probe(server, index, encoder, settings))
        stack.push_async_callback(_cancel, probing)
        yield server


async def _cached(encoder: EncoderClient, settings: RetrieverSettings, stack: AsyncExitStack) -> CachedEncoder:
    memory = RecentVectors(settings.embedding_memory_mb * 1024 * 1024)
    show_memory(memory)
    if not settings.cache_url:
        return CachedEncoder(encoder, memory=memory)
    shared = SharedVectors(settings.cache_url, ttl_s=settings.embedding_ttl_s)
    return CachedEncoder(encoder, memory=memory, shared=await stack.enter_async_context(shared))


async def _probe(server: RpcServer, index: Index, encoder: EncoderClient, settings: RetrieverSettings) -> None:
    async def report(name: str, lives: bool) -> None:
        await server.set_health(name, lives)
        if name == "":
            for service in (_SERVICE, _CATALOGUE):
                await server.set_health(service, lives)

    with untraced():
        await watch(
            {"store": index.resolve, "encoder": partial(encoder.describe, deadline_s=settings.probe_interval_s)},
            report,
            interval_s=settings.probe_interval_s,
            timeout_s=settings.probe_interval_s,
        )


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
