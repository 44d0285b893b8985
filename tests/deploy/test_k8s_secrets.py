"""The Secrets that pods name are those that `deploy/k8s/secrets.sh` makes or docs/kubernetes.md asks for."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.rendering import EVERYTHING, K8S, PROGRAMS, render
from tests.deploy.rules.expectations import required_secrets
from tests.deploy.rules.references import references_of

_PAGE = K8S.parents[1] / "docs" / "kubernetes.md"
_BY_HAND = {"imagerag-captions", "imagerag-tls", "imagerag-objects", "imagerag-generator"}


@pytest.fixture(scope="module")
def made() -> dict[str, dict[str, str]]:
    """What the script would put into a cluster; kubectl asks none for it."""
    bash = shutil.which("bash") or "bash"
    environment = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "KUBECONFIG": os.devnull}
    done = subprocess.run(
        [bash, K8S / "secrets.sh", "--print"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    bodies = [each for each in yaml.safe_load_all(done.stdout) if each]
    secrets = {each["metadata"]["name"]: _decoded(each["data"]) for each in bodies}
    secrets["shown"] = {"key": done.stderr.strip().split()[-1]}
    return secrets


def _decoded(data: dict[str, str]) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def test_script_makes_what_is_expected(made: dict[str, dict[str, str]]) -> None:
    expected = {name: set(keys) for name, keys in required_secrets().items() if name not in _BY_HAND}
    assert {name: set(keys) for name, keys in made.items() if name != "shown"} == expected


def test_passwords_of_servers_and_callers_agree(made: dict[str, dict[str, str]]) -> None:
    for server in ("broker", "cache"):
        secret = made[f"imagerag-{server}"]
        assert secret[f"{server.upper()}_URL"] == f"redis://:{secret['password']}@{server}:6379/0"


def test_shown_api_key_is_the_one_whose_hash_is_stored(made: dict[str, dict[str, str]]) -> None:
    line = json.loads(made["imagerag-keys"]["keys.jsonl"])
    assert line["sha256"] == hashlib.sha256(made["shown"]["key"].encode()).hexdigest()


def test_each_run_makes_other_values(made: dict[str, dict[str, str]]) -> None:
    values = [made["imagerag-broker"]["password"], made["imagerag-cache"]["password"], made["shown"]["key"]]
    values.append(made["imagerag-qdrant"]["QDRANT_API_KEY"])
    assert len(set(values)) == 4
    assert min(map(len, values)) >= 32


def test_expected_secrets_are_used_and_documented() -> None:
    used = {
        each.name
        for parts in EVERYTHING
        for workload in render(parts).workloads
        for each in references_of(workload)
        if each.kind == "Secret"
    }
    certificates = {
        entry["secretName"]
        for parts in EVERYTHING
        for ingress in render(parts).of_kind("Ingress")
        for entry in ingress["spec"]["tls"]
    }
    assert used | certificates == set(required_secrets())
    page = Path(_PAGE).read_text(encoding="utf-8")
    missing = [
        name for name, keys in required_secrets().items() for word in (name, *keys) if f"`{word}`" not in page
    ]
    # A certificate's keys have their names from Kubernetes.
    assert set(missing) <= {"imagerag-tls"}
