"""Composes the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from services.common.clients.encoder import EncoderClient
from services.common.clients.generator import GeneratorClient
from services.common.clients.retriever import RetrieverClient
from services.common.jobs.ledger import JobLedger
from services.common.media.images import ImageLimits
from services.common.media.store import MediaStore
from services.common.objects import ObjectStore, open_objects
from services.common.revision import RevisionClock
from services.common.settings import SettingsError
from services.common.web.server import HttpServer
from services.gateway import openapi
from services.gateway.about import About, own_version
from services.gateway.access import LoopbackGuard, open_keyring
from services.gateway.asking import Asking
from services.gateway.edge import Edge
from services.gateway.error_handlers import add_error_handlers
from services.gateway.health import Readiness, broker_probe, data_probe, generator_probe, retriever_probe
from services.gateway.ingestion import Ingestion
from services.gateway.keys import OpenKeyring
from services.gateway.limits import BodyLimit, BodyLimits
from services.gateway.page_files import PageFiles
from services.gateway.pictures import Pictures
from services.gateway.queue_gate import QueueGate
from services.gateway.routes import ask, health, items, jobs, media, page, search
from services.gateway.settings import GatewaySettings
from services.gateway.state import Gateway
from services.gateway.submission import CelerySubmission


@asynccontextmanager
async def compose(settings: GatewaySettings) -> AsyncIterator[HttpServer]:
    """Open what the gateway needs, in order; close it in reverse.

    Raises:
        SettingsError: Keys or data folder cannot be used.
    """
    async with AsyncExitStack() as stack:
        gateway = await _open(settings, stack)
        yield HttpServer(create_app(gateway, settings), settings.host, settings.port, header_s=settings.header_s)


def create_app(gateway: Gateway, settings: GatewaySettings) -> FastAPI:
    """The ASGI application: routes, and around them from the inside out: body limits, guard, edge."""
    app = FastAPI(
        title="imagerag",
        version=own_version(),
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.gateway = gateway
    app.openapi = partial(openapi.document, app)  # type: ignore[method-assign]
    add_error_handlers(app)
    for module in (items, media, search, ask, jobs, health, page):
        app.include_router(module.router)
    app.add_middleware(BodyLimit, limits=_body_limits(settings))
    if isinstance(gateway.keyring, OpenKeyring):
        app.add_middleware(LoopbackGuard)
    app.add_middleware(Edge)
    return app


async def _open(settings: GatewaySettings, stack: AsyncExitStack) -> Gateway:
    keyring = open_keyring(settings)
    objects = _open_data(settings.data_url)
    submission = CelerySubmission(settings.broker_url, settings.submit_deadline_s)
    stack.callback(submission.close)
    gate = QueueGate(submission)
    retriever = await stack.enter_async_context(
        RetrieverClient(settings.retriever_url, deadline_s=settings.search_deadline_s)
    )
    lookup = await stack.enter_async_context(
        RetrieverClient(settings.retriever_url, deadline_s=settings.lookup_deadline_s)
    )
    generator = await stack.enter_async_context(
        GeneratorClient(settings.generator_url, deadline_s=settings.answer_deadline_s)
    )
    encoder = await stack.enter_async_context(EncoderClient(settings.encoder_url))
    media_store, ledger = MediaStore(objects), JobLedger(objects, RevisionClock())
    limits = ImageLimits(max_bytes=settings.picture_limit_bytes)
    probes = {
        "retriever": retriever_probe(lookup),
        "generator": generator_probe(generator),
        "broker": broker_probe(gate),
        "data": data_probe(objects),
    }
    return Gateway(
        keyring=keyring,
        retriever=retriever,
        lookup=lookup,
        asking=Asking(retriever, generator),
        ingestion=Ingestion(ledger, media_store, submission, gate, limits, settings.roots()),
        ledger=ledger,
        pictures=Pictures(media_store, limits),
        readiness=Readiness(probes, settings.probe_deadline_s),
        about=About(encoder, generator, settings.probe_deadline_s),
        page=PageFiles(),
        image_limits=limits,
        upload_files=settings.upload_files,
    )


def _open_data(url: str) -> ObjectStore:
    try:
        return open_objects(url)
    except (OSError, ValueError) as error:
        raise SettingsError(f"IMAGERAG_DATA_URL: {url} cannot be used: {error}") from None


def _body_limits(settings: GatewaySettings) -> BodyLimits:
    return BodyLimits(
        json_bytes=settings.body_limit_bytes,
        item_list_bytes=settings.item_list_limit_bytes,
        picture_bytes=settings.picture_limit_bytes,
        upload_bytes=settings.upload_limit_bytes,
        grace_s=settings.body_grace_s,
    )
