"""The command line of the workers: `python -m workers [worker|beat] [--beat] [--check]`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from typing import TYPE_CHECKING, NoReturn

from services.common.settings import SettingsError, load_settings
from workers.settings import WorkersSettings

if TYPE_CHECKING:
    from celery import Celery


def main() -> NoReturn:
    """Be a worker, or the one beat process."""
    arguments = _parser().parse_args()
    try:
        settings = load_settings(WorkersSettings)
    except SettingsError as error:
        print(f"workers: wrong settings\n{error}", file=sys.stderr)
        sys.exit(2)
    with tempfile.TemporaryDirectory(prefix="imagerag-metrics-") as folder:
        if settings.metrics_port is not None:
            # prometheus_client decides at import whether its numbers are shared between processes.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        sys.exit(_run(arguments, settings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers")
    parser.add_argument("role", nargs="?", choices=["worker", "beat"], default="worker")
    parser.add_argument("--beat", action="store_true", help="run the beat inside this worker as well")
    parser.add_argument("--check", action="store_true", help="compose everything, take nothing, and end")
    return parser


def _run(arguments: argparse.Namespace, settings: WorkersSettings) -> int:
    from workers.app import check, create_app

    app = create_app(settings)
    if arguments.check:
        asyncio.run(check(app, settings))
        print("workers: ok")
    elif arguments.role == "beat":
        app.Beat(loglevel=settings.log_level, quiet=True).run()
    else:
        _work(app, settings, with_beat=arguments.beat)
    return 0


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
    # The name must tell workers of one host apart.
    options.append(f"--hostname=imagerag-{os.getpid()}@%h")
    if with_beat:
        options += ["--beat", "--scheduler=workers.beat:EmbeddedScheduler"]
    app.worker_main(options)
