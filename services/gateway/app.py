"""Composes the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp

from services.common.clients.catalogue import CatalogueClient
from services.common.clients.encoder import EncoderClient
from services.common.clients.generator import GeneratorClient
from services.common.clients.retriever import RetrieverClient
from services.common.jobs.deletes import DeleteLog
from services.common.jobs.ledger import JobLedger
from services.common.media.images import ImageLimits
from services.common.media.store import MediaStore
from services.common.objects import ObjectStore, open_objects
from services.common.revision import RevisionClock
from services.common.rpc.tls import client_tls
from services.common.settings import SettingsError
from services.common.uploads.store import UploadStore
from services.common.web.server import HttpServer
from services.gateway import openapi
from services.gateway.about import About, own_version
from services.gateway.access import LoopbackGuard, open_keyring
from services.gateway.asking import Asking
from services.gateway.audit import Audit
from services.gateway.catalogue import Catalogue
from services.gateway.cross_origin import parse_origins, with_cross_origin
from services.gateway.deleting import Deleting
from services.gateway.door import Door
from services.gateway.edge import Edge
from services.gateway.error_handlers import add_error_handlers
from services.gateway.file_uploads import FileUploads
from services.gateway.health import Readiness, broker_probe, data_probe, generator_probe, retriever_probe
from services.gateway.ingestion import Ingestion
from services.gateway.keys import Keyring, OpenKeyring
from services.gateway.lanes import Lanes
from services.gateway.limits import BodyLimit, BodyLimits
from services.gateway.page_files import PageFiles
from services.gateway.pictures import Pictures
from services.gateway.policy import Lane, Policy
from services.gateway.proxies import parse_networks
from services.gateway.queue_gate import QueueGate
from services.gateway.rates.counters import Counter, LocalCounter, SharedCounter
from services.gateway.rates.limiter import Limiter
from services.gateway.routes import ask, catalogue, health, items, job_control, jobs, media, page, search, uploads
from services.gateway.settings import GatewaySettings
from services.gateway.source_pictures import SourcePictures
from services.gateway.state import Gateway
from services.gateway.submission import CelerySubmission
from services.gateway.verification import Verification

_THREADS_BESIDE_UPLOADS = 16


@asynccontextmanager
async def compose(settings: GatewaySettings) -> AsyncIterator[HttpServer]:
    """Open what the gateway needs, in order; close it in reverse.

    Raises:
        SettingsError: Keys or data folder cannot be used.
    """
    async with AsyncExitStack() as stack:
        entrance = await _open_entrance(settings, stack)
        gateway = await _open(settings, stack)
        app = create_app(gateway, entrance, settings)
        yield HttpServer(app, settings.host, settings.port, header_s=settings.header_s)


def create_app(gateway: Gateway, entrance: Entrance, settings: GatewaySettings) -> ASGIApp:
    """The ASGI application: routes, and around them from the inside out what stands in their way."""
    app = FastAPI(
        title="imagerag",
        version=own_version(),
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
    )
    app.state.gateway = gateway
    app.openapi = partial(openapi.document, app)  # type: ignore[method-assign]
    add_error_handlers(app)
    for module in (items, catalogue, media, uploads, search, ask, jobs, job_control, health, page):
        app.include_router(module.router)
    origins = parse_origins(settings.cors_origins)
    app.add_middleware(BodyLimit, limits=_body_limits(settings))
    app.add_middleware(
        Door, keyring=entrance.keyring, limiter=entrance.limiter, lanes=entrance.lanes, policy=Policy()
    )
    if isinstance(entrance.keyring, OpenKeyring):
        app.add_middleware(LoopbackGuard, origins=origins)
    app.add_middleware(Audit, trusted_proxies=parse_networks(settings.trusted_proxies))
    app.add_middleware(Edge, hsts_s=settings.hsts_s)
    return with_cross_origin(app, origins) if origins else app


@dataclass(frozen=True)
class Entrance:
    """Who may come in, and how many at once."""

    keyring: Keyring
    limiter: Limiter
    lanes: Lanes


async def _open_entrance(settings: GatewaySettings, stack: AsyncExitStack) -> Entrance:
    keyring = open_keyring(settings)
    counter: Counter = LocalCounter()
    if settings.cache_url is not None and not isinstance(keyring, OpenKeyring):
        counter = await stack.enter_async_context(SharedCounter(settings.cache_url.get_secret_value()))
    places = {
        Lane.SEARCH: settings.searches_in_flight,
        Lane.QUESTION: settings.questions_in_flight,
        Lane.UPLOAD: settings.uploads_in_flight,
        Lane.FILE: settings.files_in_flight,
        Lane.OTHER: settings.others_in_flight,
    }
    limiter = Limiter(counter, settings.key_requests_per_s, settings.key_concurrent)
    return Entrance(keyring, limiter, Lanes(places))


async def _open(settings: GatewaySettings, stack: AsyncExitStack) -> Gateway:
    _make_room_for_threads(settings)
    objects = _open_data(settings.data_url)
    submission = CelerySubmission(settings.broker_url, settings.submit_deadline_s)
    stack.callback(submission.close)
    gate = QueueGate(submission)
    tls = client_tls(settings)
    retriever = await stack.enter_async_context(
        RetrieverClient(settings.retriever_url, deadline_s=settings.search_deadline_s, tls=tls)
    )
    lookup = await stack.enter_async_context(
        RetrieverClient(settings.retriever_url, deadline_s=settings.lookup_deadline_s, tls=tls)
    )
    whole_items = await stack.enter_async_context(
        CatalogueClient(settings.retriever_url, deadline_s=settings.search_deadline_s, tls=tls)
    )
    generator = await stack.enter_async_context(
        GeneratorClient(settings.generator_url, deadline_s=settings.answer_deadline_s, tls=tls)
    )
    encoder = await stack.enter_async_context(EncoderClient(settings.encoder_url, tls=tls))
    clock = RevisionClock()
    media_store, ledger = MediaStore(objects), JobLedger(objects, clock)
    upload_store = UploadStore(objects)
    limits = ImageLimits(max_bytes=settings.picture_limit_bytes)
    pictures = Pictures(media_store, limits)
    probes = {
        "retriever": retriever_probe(lookup),
        "generator": generator_probe(generator),
        "broker": broker_probe(gate),
        "data": data_probe(objects),
    }
    return Gateway(
        retriever=retriever,
        lookup=lookup,
        asking=Asking(retriever, generator, SourcePictures(pictures, generator, settings.probe_deadline_s)),
        deleting=Deleting(DeleteLog(objects), lookup, clock),
        ingestion=Ingestion(
            ledger, media_store, submission, gate, limits, upload_store, settings.roots(), settings.prefixes()
        ),
        files=FileUploads(upload_store),
        ledger=ledger,
        verification=Verification(ledger, retriever, media_store),
        pictures=pictures,
        catalogue=Catalogue(whole_items, media_store),
        readiness=Readiness(probes, settings.probe_deadline_s),
        about=About(encoder, generator, settings.probe_deadline_s),
        page=PageFiles(),
        image_limits=limits,
        upload_files=settings.upload_files,
    )


def _make_room_for_threads(settings: GatewaySettings) -> None:
    """Threads for what blocks: more than uploads can hold, so that a bulk load never keeps a query waiting.

    Python's own number is the processors and four more, at most 32.
    """
    busy = settings.uploads_in_flight + settings.files_in_flight
    threads = ThreadPoolExecutor(busy + _THREADS_BESIDE_UPLOADS, "blocking")
    asyncio.get_running_loop().set_default_executor(threads)


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
        file_bytes=settings.file_limit_bytes,
        grace_s=settings.body_grace_s,
    )
