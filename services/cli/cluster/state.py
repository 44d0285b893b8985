"""What a running cluster leaves in its data folder, so that other commands find it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from services.cli.cluster.processes import is_alive

STATE_FILE = Path("run") / "cluster.json"
DEMO_FOLDER = "demo"
"""Inside the data folder: what the demonstration stores is kept apart from a person's own data."""
OBJECTS_FOLDER = "objects"
"""Inside the data folder: pictures and ledgers."""


@dataclass(frozen=True)
class ClusterState:
    """A running cluster.

    Attributes:
        url: Of the gateway.
        pid: Of `imagerag up`.
        model: What it encodes with.
        addresses: `host:port` of each part by its name.
    """

    url: str
    pid: int
    model: str
    addresses: Mapping[str, str] = field(default_factory=dict)


def write_state(data: Path, state: ClusterState) -> None:
    """Leave `state` in the data folder; a reader sees all of it or none."""
    path = data / STATE_FILE
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(asdict(state), indent=2), encoding="utf-8")
    os.replace(temporary, path)


def read_state(data: Path) -> ClusterState | None:
    """The cluster that runs on this data folder, or None."""
    try:
        found = json.loads((data / STATE_FILE).read_text(encoding="utf-8"))
        state = ClusterState(str(found["url"]), int(found["pid"]), str(found["model"]), dict(found["addresses"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return state if is_alive(state.pid) else None


def remove_state(data: Path) -> None:
    """Forget the cluster of this data folder."""
    (data / STATE_FILE).unlink(missing_ok=True)


def running_url(data: Path) -> str | None:
    """Where the gateway of this data folder answers, else that of its demonstration, or None."""
    state = read_state(data) or read_state(data / DEMO_FOLDER)
    return state.url if state else None
