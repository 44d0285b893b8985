"""What the compose cluster must be. A rule gives a sentence for each thing that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from unittest.mock import patch

from pydantic import ValidationError

from services.common.settings import variable_name
from tests.deploy.docker.composition import ROOT, Body
from tests.deploy.docker.image_rules import EXTRAS
from tests.deploy.rules.environment import SETTINGS_OF_IMAGE, variables
from tests.deploy.rules.images import project_version

Findings = Iterator[str]
Rule = Callable[[Body], Findings]
OURS = "imagerag-"
_FOREIGN = {
    "imagerag-encoder": {"HF_ENDPOINT", "HF_HUB_OFFLINE", "HTTPS_PROXY", "NO_PROXY"},
    "imagerag-encoder-cuda": {"HF_HUB_OFFLINE"},
    "imagerag-generator": {"HTTPS_PROXY", "NO_PROXY"},
}
"""Variables that libraries read."""
_TASKS = {"weights", "cli"}
"""Those that end by themselves."""
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _image(service: Body) -> str:
    """Without registry and tag."""
    return str(service["image"]).rsplit("/", 1)[-1].split(":")[0]


def _ours(body: Body) -> Iterator[tuple[str, Body]]:
    return ((name, each) for name, each in body["services"].items() if _image(each).startswith(OURS))


def images_have_their_version(body: Body) -> Findings:
    """Ours carry the project's version and are built from their own target; others have a whole version."""
    for name, service in body["services"].items():
        tag = str(service["image"]).rpartition(":")[2]
        if _image(service).startswith(OURS):
            target = _image(service).removeprefix(OURS)
            if tag != project_version():
                yield f"{name} has tag {tag}, the project is {project_version()}"
            if service.get("build", {}).get("target") != target or target not in EXTRAS:
                yield f"{name} is {target} and built from {service.get('build', {}).get('target')}"
        elif not re.match(r"v?\d+\.\d+\.\d+", tag):
            yield f"{name} has tag {tag}, which is no whole version"


def servers_are_those_of_the_tests(body: Body) -> Findings:
    """Qdrant is the version that the tests run against where a Docker engine is."""
    tested = re.search(
        r'QDRANT_IMAGE = "(\S+)"', (ROOT / "tests/fixtures/containers.py").read_text(encoding="utf-8")
    )
    image = body["services"]["qdrant"]["image"]
    if tested is None or not image.startswith(tested[1]):
        yield f"qdrant is {image}, the tests have {tested and tested[1]}"


def containers_are_confined(body: Body) -> Findings:
    """No root, no capabilities, nothing to write but /tmp and volumes."""
    for name, service in body["services"].items():
        uid = str(service.get("user", "0")).split(":")[0]
        if not uid.isdigit() or uid == "0":
            yield f"{name} runs as {service.get('user', 'root')}"
        if _image(service).startswith(OURS) and service.get("user") != "10001:10001":
            yield f"{name} runs as {service.get('user')}, not as its image's user"
        if not service.get("read_only"):
            yield f"{name} can write to its root"
        if service.get("cap_drop") != ["ALL"] or service.get("cap_add"):
            yield f"{name} keeps capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{name} may gain privileges"
        if service.get("privileged") or service.get("pid") or service.get("network_mode"):
            yield f"{name} shares the host"
        if _image(service).startswith(OURS) and not any(
            each.startswith("/tmp") for each in service.get("tmpfs", [])
        ):
            yield f"{name} has no /tmp"


def resources_are_bounded(body: Body) -> Findings:
    """Processors, memory and processes of each; logs do not grow for ever."""
    for name, service in body["services"].items():
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        missing = {"cpus", "memory", "pids"} - set(limits)
        if missing:
            yield f"{name} has no limit for {', '.join(sorted(missing))}"
        if not service.get("logging", {}).get("options", {}).get("max-size"):
            yield f"{name} logs without end"


def everything_is_watched(body: Body) -> Findings:
    """A health check for what serves; tasks have none and are not started again and again."""
    for name, service in body["services"].items():
        check = service.get("healthcheck", {})
        if name in _TASKS:
            if not check.get("disable"):
                yield f"{name} ends by itself and has a health check"
            if service.get("restart") not in ("no", "on-failure:5"):
                yield f"{name} ends by itself and is restarted {service.get('restart')}"
        elif not check.get("test") or check.get("disable"):
            yield f"{name} has no health check"
        elif service.get("restart") != "unless-stopped":
            yield f"{name} is not started again"


def start_order_waits_for_health(body: Body) -> Findings:
    """One waits for another's health or end, never for its mere start; each address is waited for, if only through
    others."""
    services = body["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in _TASKS else "service_healthy"
            if how["condition"] != wanted:
                yield f"{name} waits for {other} as {how['condition']}"
        if name in {*_TASKS, "beat"}:
            continue
        for other in _called(service, services) - _waited_for(name, services):
            yield f"{name} calls {other} and does not wait for it"


def _called(service: Body, services: Body) -> set[str]:
    texts = " ".join(str(value) for value in (service.get("environment") or {}).values())
    secrets = {each["source"] for each in service.get("secrets", [])}
    called = {name for name in services if re.search(rf"(//|/){re.escape(name)}:\d", texts)}
    return called | {server for server in ("broker", "cache") if f"{server.upper()}_URL" in secrets}


def _waited_for(name: str, services: Body) -> set[str]:
    found: set[str] = set()
    open_names = [name]
    while open_names:
        for other in services[open_names.pop()].get("depends_on", {}):
            if other not in found:
                found.add(other)
                open_names.append(other)
    return found


def only_the_gateway_is_published(body: Body) -> Findings:
    """To this machine, unless told otherwise; the others have no way in or out."""
    if not body["networks"]["back"].get("internal"):
        yield "the network back has a way out"
    workers = {"worker-interactive", "worker-bulk"}
    ways_out = {"front": {"gateway"}, "out": {"weights"}, "models": {"generator", *workers}, "web": workers}
    for name, service in body["services"].items():
        for port in service.get("ports", []):
            if name != "gateway" or port.get("host_ip") != "127.0.0.1":
                yield f"{name} is published at {port.get('host_ip', 'every address')}:{port.get('published')}"
        for network in service.get("networks", {}):
            if network != "back" and name not in ways_out.get(network, set()):
                yield f"{name} is in {network}"


def calls_have_a_network(body: Body) -> Findings:
    """Who calls another shares a network with it."""
    services = body["services"]
    for name, service in services.items():
        for other in _called(service, services):
            if not set(service["networks"]) & set(services[other]["networks"]):
                yield f"{name} cannot reach {other}"


def variables_are_settings(body: Body) -> Findings:
    """A variable is a field of its service, and its value one that the service accepts."""
    for name, service in _ours(body):
        image = _image(service)
        given = dict(service.get("environment") or {})
        for variable in sorted(set(given) - variables(SETTINGS_OF_IMAGE[image]) - _FOREIGN.get(image, set())):
            yield f"{name} sets {variable}, which nothing reads"
        with patch.dict(
            "os.environ", {key: str(value) for key, value in given.items() if value is not None}, clear=True
        ):
            for settings in SETTINGS_OF_IMAGE[image]:
                try:
                    settings()
                except ValidationError as error:
                    yield f"{name} does not start: {error.errors()[0]['loc']} {error.errors()[0]['msg']}"


def services_listen_for_each_other(body: Body) -> Findings:
    """An address names the port that the image listens on."""
    ports = {"encoder": 50051, "retriever": 50052, "generator": 50053, "qdrant": 6333, "gateway": 8080}
    for name, service in body["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            match = re.search(r"//?([a-z]+):(\d+)$", str(value))
            if match and match[1] in ports and int(match[2]) != ports[match[1]]:
                yield f"{name} has {variable}={value}"


def secrets_are_files(body: Body) -> Findings:
    """No password in a variable or a command; every secret is a file that somebody reads."""
    used = set()
    for name, service in body["services"].items():
        used |= {each["source"] for each in service.get("secrets", [])}
        classes = SETTINGS_OF_IMAGE.get(_image(service), ())
        known = {
            variable_name(each, field): each.model_fields[field] for each in classes for field in each.model_fields
        }
        for variable, value in (service.get("environment") or {}).items():
            is_secret = "SecretStr" in str(getattr(known.get(variable), "annotation", "")) or re.search(
                r"PASSWORD|API_KEY|TOKEN", variable
            )
            if is_secret and value:
                yield f"{name} has the secret {variable} in its environment"
        if re.search(r"requirepass|--pass|redis://[^/]*:[^/]*@", " ".join(service.get("command") or [])):
            yield f"{name} has a password on its command line"
    for secret, source in body["secrets"].items():
        if not source.get("file"):
            yield f"the secret {secret} is no file"
    for secret in set(body["secrets"]) - used:
        yield f"nothing takes the secret {secret}"


def qdrant_is_closed(body: Body) -> Findings:
    """A key, no recovery from URLs, no telemetry, no browsers; its data outlives it."""
    qdrant = body["services"]["qdrant"]
    wanted = {
        "QDRANT__SERVICE__ENABLE_SNAPSHOT_URL_RECOVERY": "false",
        "QDRANT__SERVICE__ENABLE_CORS": "false",
        "QDRANT__TELEMETRY_DISABLED": "true",
    }
    for variable, value in wanted.items():
        if qdrant["environment"].get(variable) != value:
            yield f"{variable} is {qdrant['environment'].get(variable)}"
    if {"source": "qdrant.yaml", "target": "/qdrant/config/local.yaml"} not in qdrant["secrets"]:
        yield "qdrant has no key"
    for target in ("/qdrant/storage", "/qdrant/snapshots"):
        if not any(each["type"] == "volume" and each["target"] == target for each in qdrant["volumes"]):
            yield f"{target} is on no volume"


def broker_keeps_and_cache_forgets(body: Body) -> Findings:
    """The broker never evicts, on a volume; the cache is bounded and keeps nothing. Both fit their memory."""
    options = {name: _options(body["services"][name]["command"]) for name in ("broker", "cache")}
    wanted = {
        "broker": {"--appendonly": "yes", "--maxmemory-policy": "noeviction"},
        "cache": {"--appendonly": "no", "--save": "", "--maxmemory-policy": "allkeys-lru"},
    }
    for name, needed in wanted.items():
        for option, value in needed.items():
            if options[name].get(option) != value:
                yield f"{name} has {option} {options[name].get(option)}"
        memory = int(body["services"][name]["deploy"]["resources"]["limits"]["memory"])
        if not 0 < 1.5 * _in_bytes(options[name].get("--maxmemory", "0")) <= memory:
            yield f"{name} may take {options[name].get('--maxmemory')} of {memory} bytes"
    if not any(each["target"] == "/data" for each in body["services"]["broker"].get("volumes", [])):
        yield "the broker's file is on no volume"


def _options(command: list[str]) -> dict[str, str]:
    return {word: command[place + 1] for place, word in enumerate(command) if word.startswith("--")}


def _in_bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)([kmg]?)b?", text)
    return int(match[1]) * _BYTES[match[2]] if match else 0


def data_is_shared(body: Body) -> Findings:
    """Gateway, workers and beat see one data folder and one import folder."""
    for name in ("gateway", "worker-interactive", "worker-bulk", "beat"):
        service = body["services"][name]
        mounts = {each["target"]: each for each in service.get("volumes", [])}
        if (
            mounts.get("/data", {}).get("source") != "data"
            or service["environment"]["IMAGERAG_DATA_URL"] != "file:///data"
        ):
            yield f"{name} has its data elsewhere"
        roots = service["environment"].get("IMAGERAG_SOURCE_ROOTS")
        if roots not in mounts or not mounts[roots].get("read_only"):
            yield f"{name} reads jobs from {roots}, which is not mounted to be read"


def model_is_pinned(body: Body) -> Findings:
    """The model is fetched at a commit, into the folder that the encoders load."""
    weights = body["services"]["weights"]
    if not re.fullmatch(r"[0-9a-f]{40}", weights["environment"].get("IMAGERAG_ENCODER_MODEL_REVISION") or ""):
        yield "weights fetches no commit"
    folder = weights["command"][-1]
    for name in ("encoder", "encoder-cuda"):
        encoder = body["services"][name]
        if encoder["environment"].get("IMAGERAG_ENCODER_MODEL") != folder:
            yield f"{name} loads {encoder['environment'].get('IMAGERAG_ENCODER_MODEL')}, weights fetches {folder}"
        if not any(folder.startswith(each["target"]) and each.get("read_only") for each in encoder["volumes"]):
            yield f"{name} has no {folder} to read"


def gpu_is_a_profile(body: Body) -> Findings:
    """The GPU's encoder is off by default, has a device, and answers to the name of the other."""
    encoder = body["services"]["encoder-cuda"]
    if encoder.get("profiles") != ["gpu"]:
        yield "encoder-cuda is on by default"
    devices = encoder["deploy"]["resources"].get("reservations", {}).get("devices", [])
    if not any(each["driver"] == "nvidia" and ["gpu"] in (each["capabilities"],) for each in devices):
        yield "encoder-cuda has no device"
    if "encoder" not in encoder["networks"]["back"].get("aliases", []):
        yield "encoder-cuda is not found as encoder"
    for name, service in body["services"].items():
        if service.get("depends_on", {}).get("encoder-cuda", {}).get("required", False):
            yield f"{name} cannot be without encoder-cuda"


def both_queues_are_taken(body: Body) -> Findings:
    """Every queue has a worker, and there is one beat."""
    queues = {
        body["services"][name]["environment"].get("IMAGERAG_WORKERS_QUEUES")
        for name in ("worker-interactive", "worker-bulk")
    }
    if queues != {"interactive", "bulk"}:
        yield f"the workers take {queues}"
    beats = [name for name, each in body["services"].items() if each.get("command") == ["beat"]]
    if beats != ["beat"] or body["services"]["beat"].get("scale", 1) != 1:
        yield f"beats: {beats}"


COMPOSE_RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        images_have_their_version,
        servers_are_those_of_the_tests,
        containers_are_confined,
        resources_are_bounded,
        everything_is_watched,
        start_order_waits_for_health,
        only_the_gateway_is_published,
        calls_have_a_network,
        variables_are_settings,
        services_listen_for_each_other,
        secrets_are_files,
        qdrant_is_closed,
        broker_keeps_and_cache_forgets,
        data_is_shared,
        model_is_pinned,
        gpu_is_a_profile,
        both_queues_are_taken,
    )
}
