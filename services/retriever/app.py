"""The composition root of the retriever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from imagerag.v1 import retriever_pb2, retriever_pb2_grpc

from services.common.clients.encoder import EncoderClient
from services.common.index.index import Index
from services.common.revision import RevisionClock
from services.common.rpc.server import RpcServer
from services.common.rpc.tls import client_tls
from services.common.telemetry.tracing import untraced
from services.retriever.cache import NoCache, RedisCache
from services.retriever.probes import watch
from services.retriever.query_vectors import Cache, QueryVectors
from services.retriever.resolution import Resolver
from services.retriever.service import SearchService
from services.retriever.servicer import RetrieverServicer
from services.retriever.settings import RetrieverSettings

_SERVICE = retriever_pb2.DESCRIPTOR.services_by_name["Retriever"].full_name


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
            )
        )
        encoder = await stack.enter_async_context(
            EncoderClient(settings.encoder_url, deadline_s=settings.encoder_timeout_s, tls=client_tls(settings))
        )
        cache: Cache = NoCache()
        if settings.cache_url:
            cache = await stack.enter_async_context(RedisCache(settings.cache_url, ttl_s=settings.embedding_ttl_s))
        service = SearchService(
            index,
            Resolver(index, encoder, ttl_s=settings.resolve_ttl_s),
            QueryVectors(encoder, cache),
            RevisionClock(),
            candidates=settings.candidates,
        )
        server = RpcServer.configured(
            settings,
            [_SERVICE],
            lambda grpc_server: retriever_pb2_grpc.add_RetrieverServicer_to_server(
                RetrieverServicer(service), grpc_server
            ),
        )
        probing = asyncio.create_task(_probe(server, index, encoder, settings))
        stack.push_async_callback(_cancel, probing)
        yield server


async def _probe(server: RpcServer, index: Index, encoder: EncoderClient, settings: RetrieverSettings) -> None:
    async def report(name: str, lives: bool) -> None:
        await server.set_health(name, lives)
        if name == "":
            await server.set_health(_SERVICE, lives)

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
