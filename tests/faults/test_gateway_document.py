"""Thousands of requests made from the OpenAPI document, at a whole cluster: no 5xx, and nothing undocumented.

Schemathesis sends what the document allows and what it does not: wrong types, missing members, odd headers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.api_keys import bearer, key_line, write_keys
from tests.fixtures.cluster import ClusterProcess

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]
KEY = "a-key-for-everything"
CASES = 2000
CASES_PER_ADDRESS = 80
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# Waiting for an item is tested elsewhere; here it would take a minute for each case.
CONFIGURATION = """
[[operations]]
include-path = "/v1/items"
parameters = { wait_s = 0.05 }
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcess]:
    folder = tmp_path_factory.mktemp("document")
    keys = write_keys(
        folder / "keys", key_line(KEY, scopes=["read", "write", "admin"], requests_per_s=99_999.0, concurrent=100)
    )
    with ClusterProcess(folder / "data", settings={"IMAGERAG_GATEWAY_KEYS_PATH": str(keys)}) as running:
        yield running


def run_schemathesis(url: str, folder: Path) -> tuple[list[Mapping[str, Any]], str]:
    """Every event of a run, and what it printed."""
    configuration, events = folder / "schemathesis.toml", folder / "events.ndjson"
    configuration.write_text(CONFIGURATION)
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(configuration),
        "run",
        f"{url}/openapi.json",
    ]
    command += ["--header", f"Authorization: Bearer {KEY}", "--checks", CHECKS, "--mode", "all", "--seed", "11"]
    command += ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(CASES_PER_ADDRESS)]
    command += ["--request-timeout", "30", "--continue-on-failure", "--no-color", "--warnings", "off"]
    command += ["--suppress-health-check", "all", "--report", "ndjson", "--report-ndjson-path", str(events)]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return [json.loads(line) for line in events.read_text().splitlines()], done.stdout + done.stderr


def answers_in(events: list[Mapping[str, Any]]) -> Counter[int]:
    """Statuses of all answers."""
    statuses: Counter[int] = Counter()
    for event in events:
        for interaction in event.get("ScenarioFinished", {}).get("recorder", {}).get("interactions", {}).values():
            if interaction["response"] is not None:
                statuses[int(interaction["response"]["status_code"])] += 1
    return statuses


def test_no_case_is_answered_with_a_5xx_or_undocumented(cluster: ClusterProcess, tmp_path: Path) -> None:
    events, said = run_schemathesis(cluster.url, tmp_path)
    statuses = answers_in(events)
    print(f"\nschemathesis: {sum(statuses.values())} cases, answered {dict(sorted(statuses.items()))}")
    assert sum(statuses.values()) >= CASES, said[-3000:]
    assert not [status for status in statuses if status >= 500], said[-5000:]
    assert "No issues found" in said, said[-8000:]
    ready = httpx.get(f"{cluster.url}/readyz", headers=bearer(KEY), trust_env=False)
    assert ready.json() == {"ready": True, "missing": []}
