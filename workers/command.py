"""The command line of the workers: `python -m workers [worker|beat|health] [--beat] [--check]`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from typing import TYPE_CHECKING, NoReturn

from services.common.settings import SettingsError, load_settings
from services.common.telemetry.logs import configure_logs
from workers.health import check_health
from workers.heartbeat import Heartbeat
from workers.settings import WorkersSettings

if TYPE_CHECKING:
    from celery import Celery


def main() -> NoReturn:
    """Be a worker, or the one beat process, or ask whether it lives."""
    arguments = _parser().parse_args()
    try:
        settings = load_settings(WorkersSettings)
    except SettingsError as error:
        print(f"workers: wrong settings\n{error}", file=sys.stderr)
        sys.exit(2)
    if arguments.role == "health":
        sys.exit(check_health(settings))
    with tempfile.TemporaryDirectory(prefix="imagerag-metrics-") as folder:
        if settings.metrics_port is not None and arguments.role == "worker":
            # prometheus_client decides at import whether its numbers are shared between processes.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        sys.exit(_run(arguments, settings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers")
    parser.add_argument("role", nargs="?", choices=["worker", "beat", "health"], default="worker")
    parser.add_argument("--beat", action="store_true", help="run the beat inside this worker as well")
    parser.add_argument("--check", action="store_true", help="compose everything, take nothing, and end")
    return parser


def _run(arguments: argparse.Namespace, settings: WorkersSettings) -> int:
    from workers.app import check, create_app

    try:
        app = create_app(settings)
        if arguments.check:
            asyncio.run(check(app, settings))
            print("workers: ok")
        elif arguments.role == "beat":
            _beat(app, settings)
        else:
            _work(app, settings, with_beat=arguments.beat)
    except SettingsError as error:
        print(f"workers: wrong settings\n{error}", file=sys.stderr)
        return 2
    return 0


def _beat(app: Celery, settings: WorkersSettings) -> None:
    from workers.app import measure_backlog

    scheduler = None
    if settings.heartbeat_path is not None:
        from workers.signs_of_life import watched_scheduler

        heartbeat = Heartbeat(settings.heartbeat_path)
        scheduler = watched_scheduler(heartbeat)
        heartbeat.start()
    configure_logs("workers", settings.log_level, settings.log_format)
    measure_backlog(settings)
    app.Beat(loglevel=settings.log_level, quiet=True, scheduler=scheduler).run()


def _work(app: Celery, settings: WorkersSettings, *, with_beat: bool) -> None:
    options = [
        "--quiet",
        "worker",
        "--pool=prefork",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]
    options += [f"--queues={settings.queues}", f"--loglevel={settings.log_level}"]
    # Before the pool is forked, so that its processes have it too.
    os.nice(settings.nice)
    # The name must tell workers of one host apart.
    options.append(f"--hostname=imagerag-{os.getpid()}@%h")
    if with_beat:
        options += ["--beat", "--scheduler=workers.beat:EmbeddedScheduler"]
    if settings.heartbeat_path is not None:
        from workers.signs_of_life import watch_worker

        heartbeat = Heartbeat(settings.heartbeat_path)
        watch_worker(app, heartbeat)
        heartbeat.start()
    app.worker_main(options)
