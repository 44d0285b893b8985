"""`start-qdrant.sh`: who begins a cluster, who joins one, and through whom. Nodes are loopback addresses."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.rendering import K8S

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs addresses such as 127.0.0.3")
_SCRIPT = K8S / "components" / "qdrant-cluster" / "start-qdrant.sh"
_LONG_S, _SHORT_S = 20.0, 4.0


class Site:
    """The script with its folders and names moved to this machine, and a program that says how it was started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        (folder / "storage").mkdir()
        (folder / "QDRANT_API_KEY").write_text("a key")
        program = folder / "entrypoint.sh"
        program.write_text('#!/bin/sh\necho "started as $QDRANT__SERVICE__API_KEY: $*"\n')
        program.chmod(0o755)
        text = _SCRIPT.read_text(encoding="utf-8")
        for old, new in (
            ("/run/secrets/imagerag", str(folder)),
            ("/qdrant/storage", str(folder / "storage")),
            ("6335", str(self.port)),
            ('address() { echo "${name}-$1.${name}-headless"; }', "address() { echo 127.0.0.$(($1 + 1)); }"),
            ("waited_s >= 15", "waited_s >= 3"),
        ):
            assert old in text
            text = text.replace(old, new)
        (folder / "start.sh").write_text(text, encoding="utf-8")

    def start(self, ordinal: int, nodes: int, timeout_s: float = _LONG_S) -> str:
        """The last line of the script that starts one node; empty: it still waits."""
        bash = shutil.which("bash") or "bash"
        environment = {**os.environ, "HOSTNAME": f"qdrant-{ordinal}", "QDRANT_NODES": str(nodes)}
        try:
            done = subprocess.run(
                [bash, "start.sh"],
                cwd=self.folder,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout.splitlines()[-1]

    @contextmanager
    def node(self, ordinal: int) -> Iterator[None]:
        """A node that answers."""
        with socket.create_server((f"127.0.0.{ordinal + 1}", self.port)):
            yield


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_first_node_begins_a_cluster_if_nobody_answers(site: Site) -> None:
    assert site.start(0, nodes=3) == f"started as a key: --uri http://127.0.0.1:{site.port}"


def test_others_wait_for_it(site: Site) -> None:
    assert site.start(2, nodes=3, timeout_s=_SHORT_S) == ""


def test_others_join_through_the_one_that_answers(site: Site) -> None:
    with site.node(0):
        joined = site.start(1, nodes=3)
    assert joined.endswith(f"--uri http://127.0.0.2:{site.port} --bootstrap http://127.0.0.1:{site.port}")


def test_a_first_node_with_an_empty_disk_joins_the_others(site: Site) -> None:
    with site.node(2):
        joined = site.start(0, nodes=3)
    assert joined.endswith(f"--bootstrap http://127.0.0.3:{site.port}")


def test_a_node_that_was_there_before_asks_nobody(site: Site) -> None:
    (site.folder / "storage" / "raft_state.json").touch()
    assert site.start(2, nodes=3) == f"started as a key: --uri http://127.0.0.3:{site.port}"


def test_a_single_node_does_not_wait(site: Site) -> None:
    assert site.start(0, nodes=1, timeout_s=_SHORT_S).endswith(f"--uri http://127.0.0.1:{site.port}")
