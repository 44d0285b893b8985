from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.cli.diagnosis.findings import Level
from services.cli.diagnosis.qdrant import (
    ask_qdrant,
    cluster_finding,
    collection_finding,
    qdrant_findings,
    replicas_finding,
)


def collection(replicas: int, status: str = "green") -> dict[str, Any]:
    return {"status": status, "points_count": 3, "config": {"params": {"replication_factor": replicas}}}


def shards(*states: tuple[int, str]) -> dict[str, Any]:
    copies = [{"shard_id": shard, "state": state} for shard, state in states]
    return {"shard_count": 2, "local_shards": copies[:1], "remote_shards": copies[1:]}


@pytest.mark.parametrize(
    ("replicas", "states", "level"),
    [
        (1, [(0, "Active"), (1, "Active")], Level.OK),
        (2, [(0, "Active"), (1, "Active"), (0, "Active"), (1, "Active")], Level.OK),
        (2, [(0, "Active"), (1, "Active"), (0, "Active"), (1, "Dead")], Level.NOTE),
        (2, [(0, "Active"), (1, "Active")], Level.NOTE),
        (2, [(0, "Active"), (1, "Dead"), (0, "Active"), (1, "Partial")], Level.FAILED),
        (1, [(0, "Active")], Level.FAILED),
    ],
)
def test_missing_copies_are_told_by_how_bad_they_are(
    replicas: int, states: list[tuple[int, str]], level: Level
) -> None:
    assert replicas_finding(collection(replicas), shards(*states)).level is level


@pytest.mark.parametrize(
    ("status", "level"),
    [("green", Level.OK), ("yellow", Level.OK), ("grey", Level.NOTE), ("red", Level.FAILED), ("?", Level.FAILED)],
)
def test_colours_mean_what_they_mean(status: str, level: Level) -> None:
    assert collection_finding(collection(1, status)).level is level


def test_nodes_that_do_not_answer_are_a_failure() -> None:
    peers = {"1": {"uri": "http://a"}, "2": {"uri": "http://b"}}
    assert cluster_finding({"status": "disabled"}).level is Level.OK
    assert cluster_finding({"status": "enabled", "peers": peers, "message_send_failures": {}}).detail == "2"
    failing = {"status": "enabled", "peers": peers, "message_send_failures": {"http://b": {"count": 3}}}
    assert cluster_finding(failing).level is Level.FAILED


def test_nobody_there_and_a_wrong_key_are_told_apart_from_well() -> None:
    with httpx.Client(base_url="http://127.0.0.1:1") as client:
        assert [found.level for found in qdrant_findings(client, "imagerag")] == [Level.FAILED]
    refusing = httpx.MockTransport(lambda _: httpx.Response(401))
    with httpx.Client(base_url="http://qdrant", transport=refusing) as client:
        assert "status 401" in qdrant_findings(client, "imagerag")[0].detail


def test_nobody_is_asked_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QDRANT_URL", raising=False)
    assert ask_qdrant(None) == []
