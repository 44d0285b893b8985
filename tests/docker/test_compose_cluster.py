"""The cluster of docker-compose.yml: the README's examples through its gateway, restarts, and what is closed."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.compose import ComposeCluster
from tests.fixtures.photos import CAT, COFFEE
from tests.fixtures.readme import run_examples

pytestmark = pytest.mark.timeout(4000)
SERVICES = {
    *("qdrant", "broker", "cache", "encoder", "retriever", "generator"),
    *("worker-interactive", "worker-bulk", "beat", "gateway"),
}


def search(cluster: ComposeCluster, text: str) -> list[dict[str, Any]]:
    answer = httpx.post(
        f"{cluster.url}/v1/search",
        json={"text": text, "limit": 3},
        headers={"Authorization": f"Bearer {cluster.key}"},
        timeout=30,
    )
    return list(answer.raise_for_status().json()["hits"])


def test_the_examples_of_the_readme_work(compose_cluster: ComposeCluster, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(CAT)
    (compose_cluster.imports / "coffee.png").write_bytes(COFFEE)
    replaced = {"http://127.0.0.1:8080": compose_cluster.url, "/data/photos": "/import"}
    done = run_examples(tmp_path, replaced, key=compose_cluster.key)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"Chelsea"' in done.stdout


def test_the_example_for_celery_works(compose_cluster: ComposeCluster) -> None:
    """As docs/containers.md says: inside, where the broker is."""
    (compose_cluster.imports / "cup.png").write_bytes(COFFEE)
    line = {"path": "cup.png", "key": "cup-1", "title": "An espresso cup"}
    (compose_cluster.imports / "items.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    script = (
        "from pathlib import Path\n"
        "from celery import Celery\n"
        "celery = Celery(broker=Path('/run/secrets/BROKER_URL').read_text().strip())\n"
        "celery.send_task('imagerag.ingest_manifest', queue='bulk', kwargs={'job_id': 'from-celery', "
        "'tenant': 'default', 'manifest_uri': 'file:///import/items.jsonl'})\n"
    )
    compose_cluster.compose("exec", "-T", "worker-bulk", "python", "-c", script)
    deadline = time.monotonic() + 120
    while not any(hit["item"].get("title") == "An espresso cup" for hit in search(compose_cluster, "espresso")):
        assert time.monotonic() < deadline
        time.sleep(1)


def test_the_command_runs_beside_it(compose_cluster: ComposeCluster) -> None:
    found = json.loads(compose_cluster.compose("run", "--rm", "-T", "cli", "search", "a cat", "--json"))
    assert found


def test_a_restart_loses_nothing(compose_cluster: ComposeCluster) -> None:
    before = {hit["item"]["id"] for hit in search(compose_cluster, "a cat")}
    assert before
    compose_cluster.down()
    compose_cluster.up()
    assert {hit["item"]["id"] for hit in search(compose_cluster, "a cat")} == before


def test_without_a_key_nobody_gets_in(compose_cluster: ComposeCluster) -> None:
    assert httpx.post(f"{compose_cluster.url}/v1/search", json={"text": "a cat"}, timeout=30).status_code == 401


def test_qdrant_asks_for_its_key_and_fetches_nothing(compose_cluster: ComposeCluster) -> None:
    """Asked from the retriever, which has the key and shares its network."""
    script = (
        "import json, urllib.error, urllib.request\n"
        "from pathlib import Path\n"
        "key = Path('/run/secrets/QDRANT_API_KEY').read_text().strip()\n"
        "def status(path, headers, body=None):\n"
        "    data = None if body is None else json.dumps(body).encode()\n"
        "    method = 'GET' if body is None else 'PUT'\n"
        "    headers = headers | {'Content-Type': 'application/json'}\n"
        "    request = urllib.request.Request('http://qdrant:6333' + path, data, headers, method=method)\n"
        "    try:\n"
        "        return urllib.request.urlopen(request, timeout=20).status\n"
        "    except urllib.error.HTTPError as error:\n"
        "        return error.code\n"
        "location = {'location': 'http://gateway:8080/healthz'}\n"
        "print(status('/collections', {}), status('/collections', {'api-key': key}),\n"
        "      status('/collections/x/snapshots/recover', {'api-key': key}, location))\n"
    )
    without, with_key, recovery = compose_cluster.compose(
        "exec", "-T", "retriever", "python", "-c", script
    ).split()
    assert (without, with_key) == ("401", "200")
    assert recovery.startswith("4")


def test_inside_there_is_no_way_out(compose_cluster: ComposeCluster) -> None:
    script = (
        "import socket\n"
        "try:\n"
        "    socket.create_connection(('1.1.1.1', 443), timeout=5)\n"
        "    print('out')\n"
        "except OSError:\n"
        "    print('closed')\n"
    )
    for service in ("retriever", "worker-bulk", "encoder"):
        assert compose_cluster.compose("exec", "-T", service, "python", "-c", script).strip() == "closed"


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_container_is_confined(compose_cluster: ComposeCluster, service: str) -> None:
    described = json.loads(
        subprocess.run(
            ["docker", "inspect", compose_cluster.container(service)], capture_output=True, check=True, timeout=60
        ).stdout
    )[0]
    host = described["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["Memory"] > 0
    assert described["State"]["Health"]["Status"] == "healthy"
    assert described["Config"]["User"] not in ("", "root", "0")
    assert compose_cluster.key not in json.dumps(described)


def test_only_loopback_is_published(compose_cluster: ComposeCluster) -> None:
    port = int(compose_cluster.url.rpartition(":")[2])
    outside = socket.gethostbyname(socket.gethostname())
    if outside.startswith("127."):
        pytest.skip("this machine has no other address")
    with socket.socket() as probe:
        probe.settimeout(5)
        assert probe.connect_ex((outside, port)) != 0
