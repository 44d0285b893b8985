"""The command line as a process: exit codes, and one sentence for every mistake."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.errors import EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE


def run(*arguments: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    outer = {name: value for name, value in os.environ.items() if not name.startswith("IMAGERAG_")}
    environment = {**outer, "IMAGERAG_DATA": str(folder), "COLUMNS": "120", **settings}
    command = [sys.executable, "-m", "services.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_every_command(tmp_path: Path) -> None:
    done = run("--help", folder=tmp_path)
    assert done.returncode == 0
    for command in ("up", "demo", "ingest", "search", "ask", "jobs", "keys", "eval", "doctor"):
        assert f" {command} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("search", "cat", "--url", "http://127.0.0.1:1"), EXIT_UNREACHABLE, "No cluster answers"),
        (("ask", "cat?", "--url", "http://127.0.0.1:1"), EXIT_UNREACHABLE, "No cluster answers"),
        (("jobs", "list", "--url", "http://127.0.0.1:1"), EXIT_UNREACHABLE, "No cluster answers"),
        (("search",), EXIT_USAGE, "nothing to look for"),
        (("ask", " "), EXIT_USAGE, "no question"),
        (("search", "cat", "--filter", "{"), EXIT_USAGE, "JSON object"),
        (("search", "--image", "/no/picture.jpg"), EXIT_FAILED, "cannot be read"),
        (("ingest", "/no/folder"), EXIT_FAILED, "no file or folder"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], status: int, says: str, tmp_path: Path) -> None:
    done = run(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_is_json_for_programs(tmp_path: Path) -> None:
    done = run("search", "cat", "--json", "--url", "http://127.0.0.1:1", folder=tmp_path)
    assert json.loads(done.stderr)["error"]["code"] == "unreachable"


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    done = run("search", "cat", folder=tmp_path, IMAGERAG_TIMEOUT_S="soon")
    assert done.returncode == EXIT_USAGE
    assert "IMAGERAG_TIMEOUT_S" in done.stderr


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = run("up", "--port", str(listener.getsockname()[1]), folder=tmp_path)
    assert done.returncode == EXIT_USAGE
    assert "is taken" in done.stderr
