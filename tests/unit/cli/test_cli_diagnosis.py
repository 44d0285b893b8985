"""What `imagerag doctor` says."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from services.cli.cluster.state import ClusterState
from services.cli.diagnosis.cluster import cluster_findings, part_finding
from services.cli.diagnosis.findings import Level
from services.cli.diagnosis.machine import (
    data_finding,
    disk_finding,
    machine_findings,
    package_findings,
    port_findings,
    python_finding,
)
from services.cli.rest.client import RestClient


def test_an_old_python_fails() -> None:
    assert python_finding((3, 10, 9)).level is Level.FAILED
    assert "3.11" in python_finding((3, 10, 9)).fix
    assert python_finding((3, 14, 0)).level is Level.OK


def test_this_machine_is_well(tmp_path: Path) -> None:
    failed = [finding for finding in machine_findings(tmp_path, None) if finding.level is Level.FAILED]
    assert failed == []


def test_packages_are_named_with_their_versions() -> None:
    versions = {finding.subject: finding.detail for finding in package_findings()}
    assert versions["onnxruntime"].startswith("1.")
    assert versions["imagerag"]


def test_a_package_that_is_missing_fails() -> None:
    found = {finding.subject: finding for finding in package_findings(["no-such-package"])}
    assert found["no-such-package"].level is Level.FAILED
    assert "imagerag[up]" in found["no-such-package"].fix


def test_a_data_folder_that_is_not_there_yet_is_no_failure(tmp_path: Path) -> None:
    assert data_finding(tmp_path / "new" / "data", None).level is Level.NOTE
    assert disk_finding(tmp_path / "new" / "data").level is Level.OK
    (tmp_path / "model.json").write_text('{"model": "starter"}', encoding="utf-8")
    assert data_finding(tmp_path, None).detail.endswith("model starter")


def test_a_port_of_someone_else_is_a_note_and_our_own_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setenv("IMAGERAG_STORE_PORT", str(port))
        levels = {finding.subject: finding.level for finding in port_findings(None)}
        assert levels["port of store"] is Level.NOTE
        running = ClusterState("http://x", os.getpid(), "starter", {"store": f"127.0.0.1:{port}"})
        levels = {finding.subject: finding.level for finding in port_findings(running)}
        assert levels["port of store"] is Level.OK


def test_a_part_that_does_not_answer_names_its_log() -> None:
    finding = part_finding("store", ["store"], Path("/data/logs"))
    assert (finding.level, finding.fix) == (Level.FAILED, "Read /data/logs/store.log.")
    assert part_finding("store", [], None).level is Level.OK


def test_no_cluster_is_a_note() -> None:
    with RestClient("http://127.0.0.1:1") as client:
        findings = cluster_findings(client, None)
    assert [finding.level for finding in findings] == [Level.NOTE]
