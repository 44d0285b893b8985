"""The images as Docker builds them: confined, whole, and with nothing to install things with."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
VERSION = str(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"])
CONFINED = ("--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
SERVICES = {
    "encoder": ("services.encoder", "--check"),
    "retriever": ("services.retriever", "--check"),
    "generator": ("services.generator", "--check"),
    "gateway": ("services.gateway", "--check"),
    "workers": ("workers", "--check"),
    "cli": ("services.cli", "--help"),
}
# The build of all images is in the first test's time.
pytestmark = pytest.mark.timeout(4000)


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python_in(target: str, *arguments: str) -> str:
    """Run Python in the image, on a read-only root, with /tmp and /data alone to write to."""
    writable = ("--tmpfs=/tmp:mode=1777", "--tmpfs=/data:uid=10001,gid=10001")
    door = ("--env", "IMAGERAG_GATEWAY_HOST=127.0.0.1")
    return docker("run", *CONFINED, *writable, *door, "--entrypoint=python", _tag(target), *arguments)


def _tag(target: str) -> str:
    return f"imagerag-{target}:{VERSION}"


@pytest.fixture(params=sorted(SERVICES))
def target(request: pytest.FixtureRequest, images: tuple[str, ...]) -> str:
    assert set(images) == set(SERVICES)
    return str(request.param)


def test_it_starts_on_a_read_only_root(target: str) -> None:
    module, *options = SERVICES[target]
    assert python_in(target, "-m", module, *options)


def test_it_says_what_it_is(target: str) -> None:
    described: dict[str, Any] = json.loads(docker("image", "inspect", _tag(target)))[0]
    setup = described["Config"]
    assert setup["User"] == "10001:10001"
    assert setup["StopSignal"] == "SIGTERM"
    assert setup["Labels"]["org.opencontainers.image.version"] == VERSION
    assert len(setup["Labels"]["org.opencontainers.image.revision"]) == 40
    assert target == "cli" or setup["Healthcheck"]["Test"][0] == "CMD"
    print(f"{_tag(target)}: {described['Size'] / 1e6:.0f} MB")


def test_nothing_is_left_to_install_with(target: str) -> None:
    left = (
        "import importlib.util, shutil; "
        "print([name for name in ('pip', 'ensurepip') if importlib.util.find_spec(name)] "
        "+ [name for name in ('pip', 'gcc', 'cc', 'make') if shutil.which(name)])"
    )
    assert python_in(target, "-c", left).strip() == "[]"


@pytest.mark.parametrize("package", ["torch", "celery", "qdrant_client", "fastapi", "typer"])
def test_packages_are_where_they_belong(target: str, package: str) -> None:
    owners = {
        "torch": {"encoder"},
        "celery": {"gateway", "workers"},
        "qdrant_client": {"retriever", "workers", "cli"},
        "fastapi": {"gateway"},
        "typer": {"cli"},
    }
    found = python_in(
        target, "-c", f"import importlib.util; print(importlib.util.find_spec('{package}') is not None)"
    )
    # transformers brings typer, too.
    assert (found.strip() == "True") == (target in owners[package]) or (target, package) == ("encoder", "typer")
