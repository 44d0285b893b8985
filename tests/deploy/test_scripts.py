"""shellcheck finds nothing in the shell scripts that are deployed or make the environments."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.deploy.rendering import PROGRAMS

_ROOT = Path(__file__).parents[2]
_SCRIPTS = sorted(
    path.relative_to(_ROOT)
    for folder in (".ci", "deploy")
    for path in (_ROOT / folder).rglob("*")
    if path.is_file() and path.read_bytes().startswith((b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash"))
)


def _complaints(path: Path) -> str:
    command = [str(PROGRAMS / "shellcheck"), "--norc", "--format=gcc", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=_ROOT)
    assert not done.stderr
    return done.stdout


def test_scripts_are_found() -> None:
    assert {"install-deploy", "secrets.sh", "start-valkey.sh"} <= {path.name for path in _SCRIPTS}


@pytest.mark.parametrize("path", _SCRIPTS, ids=str)
def test_script_is_clean(path: Path) -> None:
    assert _complaints(path) == ""


def test_shellcheck_sees_an_unquoted_variable(tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text("#!/bin/sh\nrm -r $1\n", encoding="utf-8")
    assert "SC2086" in _complaints(script)
