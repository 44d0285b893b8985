"""The compose file holds every rule, and each rule sees the things that it is for."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from services.common.api_keys import Scope, hash_of, parse_keys
from tests.deploy.docker.compose_rules import COMPOSE_RULES
from tests.deploy.docker.composition import (
    COMPOSE_FILE,
    ROOT,
    Body,
    cluster,
    config,
    documented_variables,
    variables_used,
)
from tests.deploy.rendering import PROGRAMS

OPENAI_FILE = ROOT / "deploy" / "docker" / "openai.yml"
OPENAI = {"IMAGERAG_GENERATOR_OPENAI_BASE_URL": "http://vllm:8000/v1", "IMAGERAG_GENERATOR_OPENAI_MODEL": "some"}
CAPTIONS_FILE = ROOT / "deploy" / "docker" / "captions.yml"
CAPTIONS = {"IMAGERAG_WORKERS_CAPTION_BASE_URL": "http://vllm:8000/v1", "IMAGERAG_WORKERS_CAPTION_MODEL": "some"}
URLS_FILE = ROOT / "deploy" / "docker" / "urls.yml"
URLS = {"IMAGERAG_WORKERS_URL_HOSTS": "images.example.com"}
Change = Callable[[Body], object]
# What is changed, in all services by their names: s["gateway"]["user"] = ...
MUTATIONS: dict[str, list[Callable[[Body], object]]] = {
    "images_have_their_version": [
        lambda s: s["gateway"].update(image="imagerag-gateway:0.0.9"),
        lambda s: s["gateway"]["build"].update(target="retriever"),
        lambda s: s["broker"].update(image="valkey/valkey:latest"),
    ],
    "servers_are_those_of_the_tests": [lambda s: s["qdrant"].update(image="qdrant/qdrant:v1.19.1")],
    "containers_are_confined": [
        lambda s: s["qdrant"].pop("user"),
        lambda s: s["gateway"].update(user="0:0"),
        lambda s: s["cache"].update(read_only=False),
        lambda s: s["encoder"].pop("cap_drop"),
        lambda s: s["encoder"].update(cap_add=["SYS_ADMIN"]),
        lambda s: s["beat"].pop("security_opt"),
        lambda s: s["beat"].update(network_mode="host"),
        lambda s: s["retriever"].pop("tmpfs"),
    ],
    "resources_are_bounded": [
        lambda s: s["worker-bulk"]["deploy"]["resources"]["limits"].pop("memory"),
        lambda s: s["broker"].pop("deploy"),
        lambda s: s["broker"].pop("logging"),
    ],
    "everything_is_watched": [
        lambda s: s["cache"].pop("healthcheck"),
        lambda s: s["gateway"].update(healthcheck={"disable": True}),
        lambda s: s["weights"].update(restart="unless-stopped"),
        lambda s: s["weights"].pop("healthcheck"),
        lambda s: s["beat"].update(restart="no"),
    ],
    "start_order_waits_for_health": [
        lambda s: s["gateway"]["depends_on"]["broker"].update(condition="service_started"),
        lambda s: s["gateway"]["depends_on"].pop("generator"),
        lambda s: s["gateway"]["depends_on"].pop("broker"),
        lambda s: s["retriever"]["depends_on"].pop("qdrant"),
        lambda s: s["encoder"]["depends_on"]["weights"].update(condition="service_healthy"),
    ],
    "only_the_gateway_is_published": [
        lambda s: s["gateway"]["ports"][0].update(host_ip="0.0.0.0"),
        lambda s: s["qdrant"].update(ports=[{"target": 6333, "published": "6333", "host_ip": "127.0.0.1"}]),
        lambda s: s["encoder"]["networks"].update(out=None),
    ],
    "calls_have_a_network": [lambda s: s["retriever"].update(networks={"front": None})],
    "variables_are_settings": [
        lambda s: s["gateway"]["environment"].update(IMAGERAG_GATEWAY_KEY_PATH="/run/secrets/keys.jsonl"),
        lambda s: s["worker-bulk"]["environment"].update(IMAGERAG_WORKERS_CONCURRENCY="many"),
    ],
    "services_listen_for_each_other": [
        lambda s: s["gateway"]["environment"].update(IMAGERAG_RETRIEVER_URL="dns:///retriever:50051"),
    ],
    "secrets_are_files": [
        lambda s: s["retriever"]["environment"].update(QDRANT_API_KEY="s3cret"),
        lambda s: s["qdrant"]["environment"].update(QDRANT__SERVICE__API_KEY="s3cret"),
        lambda s: s["cache"]["command"].extend(["--requirepass", "s3cret"]),
        lambda s: s["weights"].pop("secrets"),
    ],
    "qdrant_is_closed": [
        lambda s: s["qdrant"]["environment"].pop("QDRANT__SERVICE__ENABLE_SNAPSHOT_URL_RECOVERY"),
        lambda s: s["qdrant"].update(secrets=[]),
        lambda s: s["qdrant"].update(volumes=[]),
    ],
    "broker_keeps_and_cache_forgets": [
        lambda s: s["broker"].update(command=["valkey-server", "--maxmemory", "512mb"]),
        lambda s: s["cache"].update(command=s["broker"]["command"]),
        lambda s: s["broker"]["deploy"]["resources"]["limits"].update(memory="536870912"),
        lambda s: s["broker"].pop("volumes"),
    ],
    "data_is_shared": [
        lambda s: s["worker-bulk"].update(volumes=[]),
        lambda s: s["gateway"]["environment"].update(IMAGERAG_DATA_URL="file:///tmp/data"),
    ],
    "model_is_pinned": [
        lambda s: s["weights"]["environment"].update(IMAGERAG_ENCODER_MODEL_REVISION="main"),
        lambda s: s["weights"].update(command=["--to", "/models/other"]),
        lambda s: s["encoder"].update(volumes=[]),
    ],
    "gpu_is_a_profile": [
        lambda s: s["encoder-cuda"].pop("profiles"),
        lambda s: s["encoder-cuda"]["deploy"]["resources"].pop("reservations"),
        lambda s: s["encoder-cuda"].update(networks={"back": {}}),
        lambda s: s["retriever"]["depends_on"]["encoder-cuda"].update(required=True),
    ],
    "both_queues_are_taken": [
        lambda s: s["worker-bulk"]["environment"].update(IMAGERAG_WORKERS_QUEUES="interactive"),
        lambda s: s["beat"].update(scale=2),
    ],
}
CASES = [(rule, number) for rule in COMPOSE_RULES for number in range(len(MUTATIONS[rule]))]


@pytest.mark.parametrize("rule", COMPOSE_RULES)
def test_the_cluster_holds_the_rule(rule: str) -> None:
    assert list(COMPOSE_RULES[rule](cluster())) == []


@pytest.mark.parametrize("rule", COMPOSE_RULES)
def test_the_cluster_with_a_language_model_holds_the_rule(rule: str) -> None:
    assert list(COMPOSE_RULES[rule](config(COMPOSE_FILE, OPENAI_FILE, variables=OPENAI))) == []


@pytest.mark.parametrize("rule", COMPOSE_RULES)
def test_the_cluster_with_captions_holds_the_rule(rule: str) -> None:
    assert list(COMPOSE_RULES[rule](config(COMPOSE_FILE, CAPTIONS_FILE, variables=CAPTIONS))) == []


@pytest.mark.parametrize("rule", COMPOSE_RULES)
def test_the_cluster_that_fetches_holds_the_rule(rule: str) -> None:
    assert list(COMPOSE_RULES[rule](config(COMPOSE_FILE, URLS_FILE, variables=URLS))) == []


def test_the_cluster_that_fetches_has_its_own_place_for_it() -> None:
    services = config(COMPOSE_FILE, URLS_FILE, variables=URLS)["services"]
    for name, size in {"worker-interactive": "512m", "worker-bulk": "1g"}.items():
        assert services[name]["tmpfs"] == [f"/tmp:size={size},mode=1777"]
        assert set(services[name]["networks"]) == {"back", "web"}
    with pytest.raises(ValueError, match="IMAGERAG_WORKERS_URL_HOSTS"):
        config(COMPOSE_FILE, URLS_FILE, variables={})


@pytest.mark.parametrize(("rule", "number"), CASES)
def test_the_rule_sees_what_it_is_for(rule: str, number: int) -> None:
    mutated = copy.deepcopy(cluster())
    MUTATIONS[rule][number](mutated["services"])
    assert list(COMPOSE_RULES[rule](mutated))


def test_a_network_with_a_way_out_is_seen() -> None:
    mutated = copy.deepcopy(cluster())
    mutated["networks"]["back"].pop("internal")
    assert list(COMPOSE_RULES["only_the_gateway_is_published"](mutated))


def test_compose_refuses_what_is_no_compose_file(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yml"
    wrong.write_text(
        COMPOSE_FILE.read_text(encoding="utf-8").replace("read_only: true", "readonly: true"), encoding="utf-8"
    )
    with pytest.raises(ValueError, match="readonly"):
        config(wrong)


@pytest.mark.parametrize("missing", OPENAI)
def test_a_language_model_must_be_named(missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        config(
            COMPOSE_FILE, OPENAI_FILE, variables={name: value for name, value in OPENAI.items() if name != missing}
        )


@pytest.mark.parametrize("missing", CAPTIONS)
def test_a_model_for_captions_must_be_named(missing: str) -> None:
    named = {name: value for name, value in CAPTIONS.items() if name != missing}
    with pytest.raises(ValueError, match=missing):
        config(COMPOSE_FILE, CAPTIONS_FILE, variables=named)


def compose_lint(path: Path) -> list[str]:
    """Rules of compose-lint that found something, of any severity."""
    command = [
        str(PROGRAMS / "compose-lint"),
        "check",
        "--strict-config",
        "--config",
        str(ROOT / ".compose-lint.yml"),
        "--format",
        "json",
        "--fail-on",
        "low",
        "--skip-suppressed",
        "--no-env",
        "--no-merge-overrides",
        str(path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 1), done.stderr
    return re.findall(r"CL-\d+", json.dumps(json.loads(done.stdout)))


def test_compose_lint_is_content(tmp_path: Path) -> None:
    assert compose_lint(COMPOSE_FILE) == []
    worse = tmp_path / "docker-compose.yml"
    worse.write_text(
        COMPOSE_FILE.read_text(encoding="utf-8").replace("cap_drop: [ALL]", "privileged: true"), encoding="utf-8"
    )
    assert compose_lint(worse)


def test_every_variable_is_documented_with_its_default() -> None:
    used = variables_used(COMPOSE_FILE.read_text(encoding="utf-8"))
    for file in (OPENAI_FILE, CAPTIONS_FILE, URLS_FILE):
        used |= variables_used(file.read_text(encoding="utf-8"))
    documented = documented_variables((ROOT / ".env.example").read_text(encoding="utf-8"))
    assert documented == used | {"COMPOSE_PROFILES": None}


def test_the_example_changes_nothing(tmp_path: Path) -> None:
    example = documented_variables((ROOT / ".env.example").read_text(encoding="utf-8"))
    assert config(COMPOSE_FILE, variables={name: value for name, value in example.items() if value}) == cluster()


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    subprocess.run([ROOT / "deploy/docker/secrets.sh", folder], check=True, capture_output=True, timeout=60)
    return folder


def test_the_secrets_are_made(secrets: Path) -> None:
    wanted = {Path(source["file"]).name for source in cluster()["secrets"].values()}
    assert wanted <= {path.name for path in secrets.iterdir()}
    assert secrets.stat().st_mode & 0o777 == 0o700
    # Read by users of containers, behind a folder that lets nobody else in.
    assert all((secrets / name).stat().st_mode & 0o777 == 0o644 for name in wanted)


def test_the_secrets_fit_together(secrets: Path) -> None:
    def text(name: str) -> str:
        return (secrets / name).read_text(encoding="utf-8").strip()

    for server in ("broker", "cache"):
        password = text(f"{server}.conf").rpartition("requirepass ")[2]
        assert re.fullmatch(r"[0-9a-f]{64}", password)
        assert text(f"{server.upper()}_URL") == f"redis://:{password}@{server}:6379/0"
    assert yaml.safe_load(text("qdrant.yaml"))["service"]["api_key"] == text("QDRANT_API_KEY")
    assert text("broker.conf") != text("cache.conf")


def test_the_first_key_opens_the_door(secrets: Path) -> None:
    key = (secrets / "IMAGERAG_KEY").read_text(encoding="utf-8").strip()
    (known,) = parse_keys((secrets / "keys.jsonl").read_text(encoding="utf-8"))
    assert known.sha256 == hash_of(key)
    assert (known.tenant, known.scopes) == ("default", frozenset(Scope))
    assert (secrets / "IMAGERAG_KEY").stat().st_mode & 0o777 == 0o600


def test_secrets_that_are_there_stay(secrets: Path) -> None:
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    subprocess.run([ROOT / "deploy/docker/secrets.sh", secrets], check=True, capture_output=True, timeout=60)
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before


def test_secrets_are_in_no_image_and_not_in_git() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert {"/secrets/", "/.env"} <= set(ignored)
    assert "!secrets" not in (ROOT / ".dockerignore").read_text(encoding="utf-8")
