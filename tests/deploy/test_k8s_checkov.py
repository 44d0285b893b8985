"""checkov finds nothing in the overlays but what checkov_exceptions.yaml explains. It asks no network."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.rendering import OVERLAYS, PROGRAMS, render_overlay
from tests.deploy.rules.manifests import Manifest

_EXCEPTIONS = yaml.safe_load((Path(__file__).parent / "checkov_exceptions.yaml").read_text(encoding="utf-8"))


_BROKEN = "broken"
"""A file and namespace of their own, for the proof that checkov sees something."""


def _checkov(folder: Path) -> dict[str, Any]:
    command = [PROGRAMS / "checkov", "--directory", folder, "--framework", "kubernetes"]
    options = ["--skip-download", "--compact", "--quiet", "--soft-fail", "--output", "json"]
    # Its answer must not depend on an account of whoever runs it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BC_", "PRISMA_"))}
    done = subprocess.run(
        [*map(str, command), *options], capture_output=True, text=True, timeout=110, check=True, env=environment
    )
    return dict(json.loads(done.stdout))


def _failures(report: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (each["check_id"], each["resource"], f"{Path(each['file_path']).stem}: {each['check_name']}")
        for each in report["results"]["failed_checks"]
    }


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """checkov's report on all overlays."""
    folder = tmp_path_factory.mktemp("overlays")
    for name in OVERLAYS:
        _write(folder / f"{Path(name).name}.yaml", render_overlay(name).objects)
    _write(folder / f"{_BROKEN}.yaml", (_privileged_pod(),))
    return _checkov(folder)


def _privileged_pod() -> Manifest:
    container = {"name": "a", "image": "a:1.0", "securityContext": {"privileged": True}}
    spec = {"containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "broken"}, "spec": spec}


def _write(path: Path, objects: tuple[Manifest, ...]) -> None:
    path.write_text(yaml.safe_dump_all(objects), encoding="utf-8")


def test_nothing_fails_without_a_reason(report: dict[str, Any]) -> None:
    unexplained = [
        f"{check} {resource} ({what})"
        for check, resource, what in _failures(report)
        if not resource.startswith(f"Pod.{_BROKEN}.")
        and not (check in _EXCEPTIONS and re.fullmatch(_EXCEPTIONS[check]["objects"], resource))
    ]
    assert not unexplained, "\n".join(sorted(unexplained))
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 1000


def test_every_exception_is_still_needed(report: dict[str, Any]) -> None:
    ours = {check for check, resource, _ in _failures(report) if not resource.startswith(f"Pod.{_BROKEN}.")}
    assert ours == set(_EXCEPTIONS)


def test_checkov_sees_a_privileged_container(report: dict[str, Any]) -> None:
    assert ("CKV_K8S_16", f"Pod.{_BROKEN}.a") in {(check, resource) for check, resource, _ in _failures(report)}
