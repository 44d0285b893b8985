"""A whole cluster as an operator sees it: traces across its processes, and the metrics of each of them.

`python -m tests.e2e.test_observed_cluster` writes the inventory of metrics anew.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.fixtures import metrics_inventory
from tests.fixtures.cluster import ClusterProcess
from tests.fixtures.collector import Collector, Seen, as_tree, collecting
from tests.fixtures.metrics_inventory import Endpoints

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="the cluster fixture finds processes in /proc"),
]
OBSERVABILITY = metrics_inventory.INVENTORY.parent
QUICK = {"IMAGERAG_WORKERS_RECONCILE_INTERVAL_S": "1"}
SECRET = "zanzibar"
"""In the text that is stored and asked for; must not show in any span."""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def endpoints() -> Endpoints:
    return Endpoints()


@pytest.fixture(scope="module")
def cluster(
    collector: Collector, endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterProcess]:
    settings = endpoints.settings() | {"IMAGERAG_OTLP_ENDPOINT": collector.url} | QUICK
    with ClusterProcess(tmp_path_factory.mktemp("observed") / "data", settings=settings) as process:
        yield process


def caller() -> tuple[str, dict[str, str]]:
    """A trace that begins at a client of ours: its id and the header that carries it on."""
    trace = secrets.token_hex(16)
    return trace, {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}


def ingest(url: str, headers: dict[str, str]) -> str:
    """Send one picture in; its job's id."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(picture, "PNG")
    described = json.dumps([{"name": "a.png", "title": f"A {SECRET} boat"}])
    files: Any = [("files", ("a.png", picture.getvalue(), "image/png")), ("items", (None, described))]
    accepted = httpx.post(f"{url}/v1/jobs", files=files, headers=headers, timeout=20)
    assert accepted.status_code == 202, accepted.text
    return str(accepted.json()["job_id"])


class Tree:
    """The spans of one trace and how they hang together."""

    def __init__(self, spans: list[Seen]) -> None:
        self._spans = spans
        self.text = as_tree(spans)

    def one(self, service: str, kind: str, name: str, under: Seen | None = None) -> Seen:
        """The one span of this kind; `name` is a pattern."""
        found = [
            seen
            for seen in self._spans
            if (seen.service, seen.kind) == (service, kind)
            and re.fullmatch(name, seen.name)
            and (under is None or seen.parent == under.id)
        ]
        assert len(found) == 1, f"{len(found)} spans of {service} {kind} {name}\n{self.text}"
        return found[0]


def test_an_ingest_is_one_trace_from_the_request_through_the_queue_to_the_upsert(
    cluster: ClusterProcess, collector: Collector
) -> None:
    trace, headers = caller()
    job_id = ingest(cluster.url, headers)
    ends = {"gateway POST /v1/jobs", "workers process bulk", "store PUT /collections/{name}/points"}
    tree = Tree(collector.wait_for(trace, ends | {"encoder imagerag.v1.Encoder/EncodeStream"}, limit_s=30))
    request = tree.one("gateway", "SERVER", "POST /v1/jobs")
    sent = tree.one("gateway", "PRODUCER", "send bulk", request)
    worked = tree.one("workers", "CONSUMER", "process bulk", sent)
    assert worked.attributes["imagerag.job_id"] == job_id
    header = cluster.folder / "objects" / "jobs" / "default" / job_id / "job.json"
    assert json.loads(header.read_bytes())["traceparent"].split("-")[1] == trace, "later tries link to it"
    asked = tree.one("workers", "CLIENT", r"imagerag\.v1\.Encoder/EncodeStream")
    tree.one("encoder", "SERVER", r"imagerag\.v1\.Encoder/EncodeStream", asked)
    written = tree.one("workers", "CLIENT", "upsert imagerag-.*")
    assert written.attributes["db.system.name"] == "qdrant"
    tree.one("store", "SERVER", "PUT /collections/{name}/points", written)
    for step in (asked, written):
        assert step.trace == worked.trace
        assert worked.id in ancestors(collector.trace(trace), step), tree.text


def test_a_search_is_one_trace_from_the_request_to_the_store(
    cluster: ClusterProcess, collector: Collector
) -> None:
    trace, headers = caller()
    text = f"a {SECRET} boat {secrets.token_hex(4)}"
    found = httpx.post(f"{cluster.url}/v1/search", json={"text": text}, headers=headers, timeout=20)
    assert found.status_code == 200, found.text
    ends = {
        "gateway POST /v1/search",
        "retriever imagerag.v1.Retriever/Search",
        "encoder imagerag.v1.Encoder/EncodeTexts",
        "store POST /collections/{name}/points/query/batch",
    }
    tree = Tree(collector.wait_for(trace, ends))
    request = tree.one("gateway", "SERVER", "POST /v1/search")
    asked = tree.one("gateway", "CLIENT", r"imagerag\.v1\.Retriever/Search", request)
    searched = tree.one("retriever", "SERVER", r"imagerag\.v1\.Retriever/Search", asked)
    encoding = tree.one("retriever", "CLIENT", r"imagerag\.v1\.Encoder/EncodeTexts", searched)
    tree.one("encoder", "SERVER", r"imagerag\.v1\.Encoder/EncodeTexts", encoding)
    queried = tree.one("retriever", "CLIENT", "query_batch_points imagerag-.*", searched)
    assert queried.attributes["db.operation.batch.size"] >= 2
    tree.one("store", "SERVER", "POST /collections/{name}/points/query/batch", queried)
    tree.one("retriever", "CLIENT", "MGET", searched)
    assert request.attributes["http.response.status_code"] == 200
    assert not any(seen.failed for seen in collector.trace(trace)), tree.text


def test_a_refused_request_is_no_failure_of_the_service(cluster: ClusterProcess, collector: Collector) -> None:
    trace, headers = caller()
    missing = httpx.get(f"{cluster.url}/v1/items/{uuid.uuid4()}", headers=headers, timeout=20)
    assert missing.status_code == 404
    ends = {"gateway GET /v1/items/{item_id}", "retriever imagerag.v1.Retriever/GetItem"}
    tree = Tree(collector.wait_for(trace, ends))
    request = tree.one("gateway", "SERVER", "GET /v1/items/{item_id}")
    served = tree.one("retriever", "SERVER", r"imagerag\.v1\.Retriever/GetItem")
    assert request.attributes["http.response.status_code"] == 404
    assert served.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert not request.failed
    assert not served.failed
    assert tree.one("gateway", "CLIENT", r"imagerag\.v1\.Retriever/GetItem", request).failed


def test_log_lines_name_the_trace_beside_the_request(cluster: ClusterProcess) -> None:
    lines = (cluster.folder / "logs" / "worker.log").read_text(encoding="utf-8").splitlines()
    done = next(json.loads(line) for line in lines if '"batch_done"' in line)
    assert re.fullmatch("[0-9a-f]{32}", done["trace_id"])
    assert re.fullmatch("[0-9a-f]{16}", done["span_id"])
    assert done["request_id"]


def test_probes_and_the_looks_of_the_reconciler_make_no_traces(
    cluster: ClusterProcess, collector: Collector
) -> None:
    httpx.get(f"{cluster.url}/readyz", timeout=10)
    time.sleep(2.5)  # a probe of the retriever, two looks of the reconciler, and the delay of their spans
    known = {seen.id for seen in collector.spans}
    roots = {(seen.service, seen.name) for seen in collector.spans if seen.parent not in known}
    assert {service for service, _ in roots} == {"gateway"}, sorted(roots)
    assert not any(name.endswith(("/readyz", "/healthz", "/metrics")) for _, name in roots), sorted(roots)


def test_no_span_carries_what_a_user_wrote(cluster: ClusterProcess, collector: Collector) -> None:
    refused = httpx.get(f"{cluster.url}/v1/items/{SECRET}", params={"of": SECRET}, timeout=20)
    assert refused.status_code == 404
    time.sleep(1.5)
    assert collector.raw
    assert not any(SECRET.encode() in request for request in collector.raw)


def test_the_committed_inventory_names_what_is_exposed(cluster: ClusterProcess, endpoints: Endpoints) -> None:
    scraped = endpoints.scrape()
    assert metrics_inventory.inventory_of(scraped) == metrics_inventory.read(), (
        "deploy/observability/metrics.json is not up to date: python -m tests.e2e.test_observed_cluster"
    )
    own = httpx.get(f"{cluster.url}/metrics", timeout=10)
    assert 'imagerag_build_info{service="gateway"' in own.text, "the gateway serves the same on its own port"


def test_dashboard_and_alerts_ask_for_label_values_that_exist(
    cluster: ClusterProcess, endpoints: Endpoints
) -> None:
    asked = httpx.post(f"{cluster.url}/v1/ask", json={"question": "a boat?"}, timeout=20)
    assert asked.status_code == 200
    seen = metrics_inventory.label_values(endpoints.scrape())
    files = [OBSERVABILITY / name for name in ("dashboard.json", "alerts.yaml")]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    named = set(re.findall(r'\b([a-z_]+)=\\?"([^"\\$]+)\\?"', text))
    # What goes wrong has names that a healthy cluster never counts.
    checked = {(label, value) for label, value in named if label in seen and label not in {"outcome", "code"}}
    assert len(checked) >= 10, sorted(checked)
    assert not {(label, value) for label, value in checked if value not in seen[label]}


def test_the_beat_knows_the_backlog(cluster: ClusterProcess, endpoints: Endpoints) -> None:
    text = endpoints.scrape()["beat"]
    assert re.search(r"^imagerag_backlog_items \d", text, re.MULTILINE)
    assert re.search(r'^imagerag_queue_messages{queue="bulk"} \d', text, re.MULTILINE)


def test_what_waits_is_sent_when_the_cluster_stops(cluster: ClusterProcess, collector: Collector) -> None:
    """The last of the tests that share the cluster: it is gone after this."""
    trace, headers = caller()
    assert httpx.get(f"{cluster.url}/v1/jobs", headers=headers, timeout=20).status_code == 200
    assert not collector.trace(trace), "sent at once: then this test shows nothing"
    assert cluster.stop() == 0
    Tree(collector.trace(trace)).one("gateway", "SERVER", "GET /v1/jobs")


def ancestors(spans: list[Seen], of: Seen) -> set[str]:
    """Ids of the spans above one."""
    by_id = {seen.id: seen for seen in spans}
    found: set[str] = set()
    while of.parent in by_id:
        of = by_id[of.parent]
        found.add(of.id)
    return found


def main() -> None:
    """Write the inventory of a cluster that took one picture in."""
    endpoints = Endpoints()
    settings = endpoints.settings() | QUICK
    with (
        tempfile.TemporaryDirectory() as folder,
        ClusterProcess(Path(folder) / "data", settings=settings) as cluster,
    ):
        job = f"{cluster.url}/v1/jobs/{ingest(cluster.url, {})}"
        while httpx.get(job, timeout=10).json()["state"] != "done":
            time.sleep(0.2)
        time.sleep(2)  # the beat's first look
        metrics_inventory.write(metrics_inventory.inventory_of(endpoints.scrape()))


if __name__ == "__main__":
    main()
