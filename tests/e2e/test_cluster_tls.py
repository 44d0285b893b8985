"""The whole cluster with certificates on both sides of every gRPC call."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import httpx
import pytest
from imagerag.v1 import retriever_pb2, retriever_pb2_grpc, types_pb2

from tests.fixtures.certificates import Authority, variables
from tests.fixtures.cluster import ClusterProcess
from tests.fixtures.photos import CAT, ROCKET


def test_everything_works_and_nobody_without_a_certificate_is_answered(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(CAT)
    (photos / "b.jpg").write_bytes(ROCKET)
    files = Authority("the cluster's").issue(tmp_path / "tls")
    with ClusterProcess(tmp_path / "data", settings=variables(files)) as cluster:
        done = cluster.run_command("ingest", str(photos), "--no-names", "--json")
        assert json.loads(done.stdout)["stored"] == 2, done.stderr
        found = httpx.post(f"{cluster.url}/v1/search", json={"text": "a cat"}, timeout=30).json()
        assert found["hits"][0]["item"]["media"]["width"] == 451
        answer = httpx.post(f"{cluster.url}/v1/ask", json={"question": "a rocket"}, timeout=30).json()
        assert answer["citations"]
        retriever = str(cluster.state()["addresses"]["retriever"])
        request = retriever_pb2.SearchRequest(context=types_pb2.RequestContext(tenant="default"))
        with grpc.insecure_channel(retriever) as plain, pytest.raises(grpc.RpcError) as refused:
            retriever_pb2_grpc.RetrieverStub(plain).Search(request, timeout=5)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
