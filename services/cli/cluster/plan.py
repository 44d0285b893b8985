"""Which processes make a cluster on one machine, and what each is told. Pure: nothing is started here."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.cli.cluster.ports import HOST
from services.cli.cluster.state import OBJECTS_FOLDER
from services.cli.settings import ExternalServers

DRAIN_S = "3"
"""Below the grace of the parent process, so that everything drains and nothing is killed."""
_PATIENCE_WITH_CAPTIONS = {
    # On a processor a caption takes some ten seconds, and the model writes one after the other.
    "IMAGERAG_WORKERS_CAPTION_CONCURRENT": "1",
    "IMAGERAG_WORKERS_CAPTION_TOTAL_S": "300",
    "IMAGERAG_WORKERS_BATCH_LIMIT_S": "1800",
    "IMAGERAG_WORKERS_VISIBILITY_TIMEOUT_S": "2400",
}
_WORKER_NICE = "5"
"""Who searches does not wait for what is ingested: of a worker's thread and one of the encoder that want the same
core, the encoder's has three quarters of it."""
_MOST_THREADS = 8
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Part:
    """One process of the cluster.

    Attributes:
        name: As in logs and in `run/`.
        command: The process, without a shell.
        environment: What it is told, whatever the environment of `imagerag up` says: addresses and folders.
        defaults: What it is told unless that environment says otherwise.
        address: `host:port` it listens on; empty for those that do not listen.
        announces: It writes a file once it answers (else the port tells).
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    announces: bool = False


@dataclass(frozen=True)
class Site:
    """Where and with what a cluster runs.

    Attributes:
        data: The data folder, absolute.
        ports: Port of each part that listens.
        model: For the encoder.
        valkey: The server's program; used unless both broker and cache are external.
        external: Servers that replace embedded ones.
        cpus: Processors to share.
        semantic: The second text encoder; empty: none.
        ocr: The text inside every picture is read.
        captions: Hub id or folder of the model that writes captions; empty: none runs here.
    """

    data: Path
    ports: Mapping[str, int]
    model: str
    valkey: str
    external: ExternalServers
    cpus: int
    semantic: str = ""
    ocr: bool = False
    captions: str = ""


def cluster_parts(site: Site) -> list[Part]:
    """Every process of the cluster, those that others depend on first."""
    parts = [] if site.external.qdrant_url else [_store(site)]
    parts += [] if site.external.broker_url else [_broker(site)]
    parts += [] if site.external.cache_url else [_cache(site)]
    parts += [_encoder(site), _served(site, "retriever"), _served(site, "generator")]
    parts += [_vision(site)] if site.captions else []
    return [*parts, _worker(site), _beat(site), _gateway(site)]


def gateway_url(site: Site) -> str:
    """Where the page and the REST interface answer."""
    return f"http://{_address(site, 'gateway')}"


def announce_path(data: Path, name: str) -> Path:
    """The file that a part writes once it answers."""
    return data / "run" / f"{name}.address"


def log_path(data: Path, name: str) -> Path:
    """The log of a part."""
    return data / "logs" / f"{name}.log"


def _store(site: Site) -> Part:
    return _served(site, "store", {"IMAGERAG_STORE_DATA_PATH": str(site.data / "store")})


def _broker(site: Site) -> Part:
    # The queue must neither forget under pressure nor in a crash.
    keep = ("--appendonly", "yes", "--maxmemory-policy", "noeviction", "--save", "")
    return _valkey(site, "broker", keep)


def _cache(site: Site) -> Part:
    drop = ("--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru", "--appendonly", "no", "--save", "")
    return _valkey(site, "cache", drop)


def _encoder(site: Site) -> Part:
    # Every core: each batch has one thread, and the workers stand back (see `_WORKER_NICE`).
    threads = str(min(site.cpus, _MOST_THREADS))
    defaults = {"IMAGERAG_ENCODER_THREADS": threads, **dict.fromkeys(_THREAD_VARIABLES, threads)}
    models = {"IMAGERAG_ENCODER_MODEL": site.model, "IMAGERAG_ENCODER_SEMANTIC_MODEL": site.semantic}
    return _served(site, "encoder", models, defaults)


def _model_threads(site: Site) -> str:
    # The rest of a small machine decodes pictures and answers; two busy pools of threads on the same processors
    # slow each other to a crawl.
    return str(min(max(site.cpus - 1, 1), _MOST_THREADS))


def _worker(site: Site) -> Part:
    # At least two: while one ends a message and begins the next, the other keeps encoder and cores busy.
    processes = str(min(max(site.cpus // 2, 2), 8))
    defaults = {
        "IMAGERAG_WORKERS_CONCURRENCY": processes,
        "IMAGERAG_WORKERS_NICE": _WORKER_NICE,
        **_shared_defaults(site),
    }
    told = {**_shared(site), "IMAGERAG_WORKERS_ANNOUNCE_PATH": str(announce_path(site.data, "worker"))}
    if site.ocr:
        told["IMAGERAG_WORKERS_OCR"] = "always"
    if site.captions:
        told |= _told_of_captions(site)
        defaults |= _PATIENCE_WITH_CAPTIONS
    return Part("worker", _module("workers"), told, defaults, announces=True)


def _vision(site: Site) -> Part:
    threads = _model_threads(site)
    defaults = {"IMAGERAG_VISION_THREADS": threads, **dict.fromkeys(_THREAD_VARIABLES, threads)}
    return _served(site, "vision", {"IMAGERAG_VISION_MODEL": site.captions}, defaults)


def _told_of_captions(site: Site) -> dict[str, str]:
    folder = Path(site.captions)
    return {
        "IMAGERAG_WORKERS_CAPTION_BASE_URL": f"http://{_address(site, 'vision')}/v1",
        "IMAGERAG_WORKERS_CAPTION_MODEL": folder.resolve().name if folder.is_dir() else site.captions,
        "IMAGERAG_WORKERS_CAPTION_API_KEY": "",
        "IMAGERAG_WORKERS_CAPTION_JSON": "plain",
    }


def _beat(site: Site) -> Part:
    # Worker and beat read the same variables; both cannot have one port.
    defaults = {"IMAGERAG_WORKERS_BEAT_METRICS_PORT": "0", **_shared_defaults(site)}
    return Part("beat", (*_module("workers"), "beat"), _shared(site), defaults)


def _gateway(site: Site) -> Part:
    # The one part with keys and limits: it may be opened to a network, which asks for a keys file.
    return _served(site, "gateway", defaults={"IMAGERAG_GATEWAY_HOST": HOST})


def _served(
    site: Site,
    name: str,
    environment: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> Part:
    prefix = f"IMAGERAG_{name.upper()}"
    told = {
        **_shared(site),
        f"{prefix}_PORT": str(site.ports[name]),
        f"{prefix}_ANNOUNCE_PATH": str(announce_path(site.data, name)),
        **({} if name == "gateway" else {f"{prefix}_HOST": HOST}),
        **(environment or {}),
    }
    unless_told = {**_shared_defaults(site), **(defaults or {})}
    return Part(name, _module(f"services.{name}"), told, unless_told, _address(site, name), announces=True)


def _valkey(site: Site, name: str, options: tuple[str, ...]) -> Part:
    folder = str(site.data / name)
    listen = ("--bind", HOST, "--port", str(site.ports[name]), "--dir", folder)
    return Part(name, (site.valkey, *listen, *options), address=_address(site, name))


def _shared(site: Site) -> dict[str, str]:
    external = site.external
    return {
        "QDRANT_URL": external.qdrant_url or f"http://{_address(site, 'store')}",
        "BROKER_URL": external.broker_url or f"redis://{_address(site, 'broker')}/0",
        "CACHE_URL": external.cache_url or f"redis://{_address(site, 'cache')}/0",
        "IMAGERAG_ENCODER_URL": _address(site, "encoder"),
        "IMAGERAG_RETRIEVER_URL": _address(site, "retriever"),
        "IMAGERAG_GENERATOR_URL": _address(site, "generator"),
    }


def _shared_defaults(site: Site) -> dict[str, str]:
    return {
        "IMAGERAG_DATA_URL": str(site.data / OBJECTS_FOLDER),
        "IMAGERAG_DRAIN_S": DRAIN_S,
        **dict.fromkeys(_THREAD_VARIABLES, "1"),
    }


def _address(site: Site, name: str) -> str:
    return f"{HOST}:{site.ports[name]}"


def _module(name: str) -> tuple[str, ...]:
    # -P: a folder named `services` where the command is called must not be taken for ours.
    return (sys.executable, "-P", "-m", name)
