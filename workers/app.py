"""The composition root: the Celery application, and what each of its processes opens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

import structlog
from celery import Celery, signals
from prometheus_client import CollectorRegistry, ProcessCollector
from redis import Redis

from services.common.clients.encoder import EncoderClient
from services.common.embeddings.cached_encoder import CachedEncoder
from services.common.embeddings.shared import SharedVectors
from services.common.jobs.backlog import BacklogCount
from services.common.jobs.deletes import DeleteLog
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import APP_NAME
from services.common.jobs.records import Job
from services.common.media.images import ImageLimits
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from services.common.revision import RevisionClock
from services.common.rpc.tls import client_tls
from services.common.runtime import announce
from services.common.telemetry.export import start_tracing, stop_tracing
from services.common.telemetry.logs import configure_logs
from services.common.telemetry.metrics import BUILD_INFO, serve_metrics, set_build_info
from services.common.uploads.store import UploadStore
from workers.acknowledging import free_places
from workers.backlog import BacklogCollector, BacklogWatch
from workers.enrich.labels.labeller import ZeroShotLabeller
from workers.enrich.labels.vocabulary import load_vocabulary
from workers.enrich.opening import always_carried_out, open_enrichers
from workers.enrich.stage import EnrichmentStage
from workers.fetching.fetcher import Fetcher
from workers.fetching.trust import trusted
from workers.ingest.batch import BatchService
from workers.ingest.duplicates.opening import open_gate
from workers.ingest.ingestor import Ingestor
from workers.ingest.labelling import Labelling
from workers.ingest.pictures import PictureIntake
from workers.ingest.reading import Reading
from workers.ingest.writing import Writing
from workers.leases import Leases
from workers.listing.service import ListingService
from workers.manifests import ManifestIntake
from workers.metrics import serve_sum
from workers.process import Process, Services
from workers.publishing import Publish, celery_publisher
from workers.queueing import celery_settings, listing_limit_s
from workers.reconcile.hints import RequeueHints
from workers.reconcile.reconciler import Reconciler
from workers.reconcile.requeueing import Requeueing
from workers.reconcile.sweeping import Sweeping
from workers.reconcile.tidying import Tidying
from workers.settings import WorkersSettings
from workers.sources.registry import OpenJob, open_source
from workers.sources.source import Source, SourceTools
from workers.sources.text_tower import TextTower
from workers.sources.uploaded import JobUploads, UploadSource
from workers.store import open_index
from workers.tasks import register

log = structlog.get_logger(__name__)
_REDIS_TIMEOUT_S = 5.0
_CHATTY = ("celery.worker.strategy", "celery.worker.request", "celery.app.trace", "celery.beat")
"""Loggers with several lines a message; `debug` shows them."""


def create_app(settings: WorkersSettings) -> Celery:
    """The application of workers and beat. Nothing is opened before a pool process has its first task.

    Raises:
        SettingsError: The certificates cannot be used.
    """
    client_tls(settings)  # wrong certificates end the start and not the first task
    trusted(settings.url_ca_path)
    free_places()
    app = Celery(APP_NAME, set_as_current=False)
    app.conf.update(celery_settings(settings))
    publish = celery_publisher(app)

    def open_services() -> AbstractAsyncContextManager[Services]:
        return compose(settings, publish)

    process = Process(open_services)
    register(app, process, settings)
    _connect_signals(process, settings)
    return app


async def check(app: Celery, settings: WorkersSettings) -> None:
    """Open and close what a pool process would; nothing is asked of another service."""
    async with compose(settings, celery_publisher(app)):
        pass


def measure_backlog(settings: WorkersSettings) -> None:
    """Measure the backlog in the background and expose it; for the one beat process.

    Raises:
        SettingsError: The port is taken.
    """
    if settings.metrics_port is None:
        return

    def open_count() -> BacklogCount:
        objects = open_objects(settings.data_url)
        return BacklogCount(JobLedger(objects, RevisionClock()), objects)

    watch = BacklogWatch(open_count, _redis(settings), settings.reconcile_interval_s)
    registry = CollectorRegistry()
    registry.register(BacklogCollector(watch.measured))
    registry.register(BUILD_INFO)
    ProcessCollector(registry=registry)
    set_build_info("beat")
    port = settings.metrics_port if settings.beat_metrics_port is None else settings.beat_metrics_port
    log.info("metrics", service="beat", port=serve_metrics(settings.host, port, registry))
    watch.start()


@asynccontextmanager
async def compose(settings: WorkersSettings, publish: Publish) -> AsyncIterator[Services]:
    """Open what one process needs, in order; close it in reverse."""
    objects = open_objects(settings.data_url)
    ledger = JobLedger(objects, RevisionClock())
    limits = ImageLimits(max_bytes=settings.picture_limit_bytes, max_pixels=settings.picture_limit_pixels)
    media = MediaStore(objects)
    async with AsyncExitStack() as stack:
        policy = settings.fetch_policy()
        fetcher = stack.enter_context(Fetcher(policy)) if policy else None
        intake = PictureIntake(media, settings.source_roots, limits, settings.thumbnail_px, fetcher)
        index = await stack.enter_async_context(open_index(settings))
        encoder = await stack.enter_async_context(
            EncoderClient(settings.encoder_url, deadline_s=settings.encoder_deadline_s, tls=client_tls(settings))
        )
        redis = stack.enter_context(_redis(settings))
        leases = Leases(redis, settings.lease_s)
        enrichers = await open_enrichers(settings, objects, limits, stack)
        enriching = EnrichmentStage(enrichers, always_carried_out(settings))
        reading = Reading(intake, enriching, threads=settings.read_threads, chunk_items=settings.chunk_items)
        stack.callback(reading.close)
        cached = await _cached(encoder, settings, stack)
        labeller = ZeroShotLabeller(
            cached,
            load_vocabulary(settings.tags_path),
            limit=settings.tags_limit,
            least_sigmas=settings.tags_least_sigmas,
        )
        ingestor = Ingestor(
            cached,
            index,
            reading,
            Labelling(labeller),
            open_gate(settings, Writing(index, settings.encoder_deadline_s), index, objects, ledger, limits),
            write_items=settings.write_items,
            patience_s=settings.encoder_deadline_s,
        )
        yield Services(
            BatchService(
                ledger,
                leases,
                ingestor,
                publish,
                max_attempts=settings.max_attempts,
                limit_s=settings.batch_limit_s,
            ),
            ManifestIntake(ledger, publish),
            ListingService(
                ledger,
                leases,
                publish,
                _open_job(
                    media,
                    UploadStore(objects),
                    limits,
                    settings,
                    TextTower(encoder.describe, asyncio.get_running_loop()),
                    fetcher,
                    ledger.asked,
                ),
                max_attempts=settings.max_attempts,
                slice_s=settings.batch_limit_s / 2,
                part_s=listing_limit_s(settings) / 2,
            ),
            Reconciler(
                ledger,
                index,
                leases,
                RequeueHints(redis),
                redis,
                publish,
                requeue_after_s=settings.requeue_after_s,
                slice_s=settings.batch_limit_s / 2,
            ),
            Requeueing(ledger, publish),
            Tidying(DeleteLog(objects), redis, timedelta(days=settings.deletes_kept_days)),
            Sweeping(
                objects,
                ledger,
                redis,
                timedelta(hours=settings.uploads_kept_hours),
                timedelta(seconds=settings.uploads_grace_s),
            ),
        )


def _open_job(
    media: MediaStore,
    uploads: UploadStore,
    limits: ImageLimits,
    settings: WorkersSettings,
    tower: TextTower,
    fetcher: Fetcher | None,
    asked: Callable[[Job], bytes],
) -> OpenJob:
    def open_job(job: Job) -> Source:
        tools = SourceTools(
            media,
            job.tenant,
            settings.source_roots,
            limits,
            job.options,
            archives=settings.archive_limits(limits.max_bytes, settings.batch_limit_s),
            video=settings.video_limits(),
            prefixes=settings.source_prefixes,
            passage_tokens=tower.limit_tokens,
            fetcher=fetcher,
            asked=partial(asked, job),
        )
        if job.source.type == "upload":
            return UploadSource(JobUploads(uploads, job.tenant, job.id), tools)
        return open_source(job.source, tools)

    return open_job


async def _cached(encoder: EncoderClient, settings: WorkersSettings, stack: AsyncExitStack) -> CachedEncoder:
    """Nothing is kept in this process: what comes again within minutes is the exception in a job."""
    if not settings.cache_url:
        return CachedEncoder(encoder)
    shared = SharedVectors(settings.cache_url, ttl_s=settings.embedding_ttl_s)
    return CachedEncoder(encoder, shared=await stack.enter_async_context(shared))


def _redis(settings: WorkersSettings) -> Redis:
    return Redis.from_url(
        settings.broker_url, socket_timeout=_REDIS_TIMEOUT_S, socket_connect_timeout=_REDIS_TIMEOUT_S
    )


def _connect_signals(process: Process, settings: WorkersSettings) -> None:
    """Hook into the processes' lives; the signals are global, as Celery has them."""

    @signals.setup_logging.connect(weak=False)  # type: ignore[untyped-decorator]
    def _logs(**_: object) -> None:
        configure_logs("workers", settings.log_level, settings.log_format)
        if settings.log_level != "debug":
            for name in _CHATTY:
                logging.getLogger(name).setLevel(logging.WARNING)

    @signals.worker_ready.connect(weak=False)  # type: ignore[untyped-decorator]
    def _ready(sender: object, **_: object) -> None:
        if settings.metrics_port is not None:
            serve_sum(settings.host, settings.metrics_port)
        if settings.announce_path is not None:
            announce(settings.announce_path, str(sender))
        log.info("serving", service="workers", queues=settings.queues)

    @signals.beat_init.connect(weak=False)  # type: ignore[untyped-decorator]
    def _beating(sender: object, **_: object) -> None:
        log.info("serving", service="beat", every_s=settings.reconcile_interval_s)

    @signals.worker_process_init.connect(weak=False)  # type: ignore[untyped-decorator]
    def _trace(**_: object) -> None:
        start_tracing("workers", settings.otlp_endpoint, settings.trace_ratio)

    @signals.worker_process_shutdown.connect(weak=False)  # type: ignore[untyped-decorator]
    def _close(**_: object) -> None:
        process.close()
        stop_tracing()
