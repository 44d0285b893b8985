"""Qdrant, the broker and the pictures keep what they were given."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import yaml

from tests.deploy.rules.environment import environment_of, programs, settings_of
from tests.deploy.rules.manifests import Container, Finding, Findings, Manifest, Rendered, Workload
from tests.deploy.rules.network import needed_edges
from tests.deploy.rules.quantities import quantity

_KEYS = {"qdrant": "qdrant_api_key", "broker": "broker_url", "cache": "cache_url"}
"""What a caller must bring to each of these, as the field of its settings."""


def shards_have_replicas(rendered: Rendered) -> Findings:
    """A collection fits the nodes; with several of them, one may go: two copies, and a write that needs one."""
    qdrant = rendered.workload("qdrant")
    if qdrant is None:
        return
    if qdrant.spec.get("podManagementPolicy") != "Parallel":
        yield Finding(qdrant.subject, "starts its nodes one after the other: the first waits for the others")
    for _, container in programs(rendered):
        if container.image == "imagerag-workers":
            yield from _wrong_replication(container, environment_of(rendered, container), qdrant.replicas)
    for container in qdrant.lasting_containers:
        nodes = environment_of(rendered, container).get("QDRANT_NODES")
        if nodes is not None and nodes != str(qdrant.replicas):
            yield Finding(qdrant.subject, f"QDRANT_NODES is {nodes}, there are {qdrant.replicas}")


def _wrong_replication(container: Container, values: Mapping[str, str], nodes: int) -> Findings:
    shards, replicas, written = (
        int(values.get(f"IMAGERAG_COLLECTION_{name}", 1)) for name in ("SHARDS", "REPLICAS", "WRITE_CONSISTENCY")
    )
    if replicas > nodes:
        yield Finding(container.subject, f"asks for {replicas} replicas on {nodes} nodes")
    if nodes > 1 and replicas < 2:
        yield Finding(container.subject, f"one copy of each shard on {nodes} nodes")
    if nodes > 1 and written >= replicas:
        yield Finding(container.subject, f"a write needs {written} of {replicas} copies: none may be away")
    if shards < nodes:
        yield Finding(container.subject, f"{shards} shards leave some of {nodes} nodes empty")


def qdrant_fetches_no_addresses(rendered: Rendered) -> Findings:
    """Recovery of snapshots from any address is off, and so is telemetry to its makers."""
    qdrant = rendered.workload("qdrant")
    if qdrant is None:
        return
    mounted = _mounted_maps(rendered, qdrant)
    texts = [text for body in mounted for name, text in body["data"].items() if name.endswith(".yaml")]
    service: Manifest = {}
    whole: Manifest = {}
    for text in texts:
        whole |= yaml.safe_load(text) or {}
        service |= whole.get("service") or {}
    if service.get("enable_snapshot_url_recovery") is not False:
        yield Finding(qdrant.subject, "enable_snapshot_url_recovery is not false")
    if whole.get("telemetry_disabled") is not True:
        yield Finding(qdrant.subject, "telemetry_disabled is not true")


def _mounted_maps(rendered: Rendered, workload: Workload) -> list[Manifest]:
    names = [volume["configMap"]["name"] for volume in workload.pod.get("volumes", []) if "configMap" in volume]
    return [body for name in names if (body := rendered.find("ConfigMap", name)) is not None]


def the_broker_forgets_nothing(rendered: Rendered) -> Findings:
    """Append-only file on a claim, nothing evicted, and room for the copy that a rewrite of the file makes."""
    broker = rendered.workload("broker")
    if broker is None:
        return
    options = _valkey_options(rendered, broker)
    for name, wanted in (("appendonly", "yes"), ("maxmemory-policy", "noeviction")):
        if options.get(name) != wanted:
            yield Finding(broker.subject, f"{name} is {options.get(name)}, not {wanted}")
    claims = {claim["metadata"]["name"] for claim in broker.spec.get("volumeClaimTemplates", [])}
    claims |= {each["name"] for each in broker.pod.get("volumes", []) if "persistentVolumeClaim" in each}
    kept = {mount["mountPath"] for each in broker.containers for mount in each.mounts if mount["name"] in claims}
    if options.get("dir") not in kept:
        yield Finding(broker.subject, f"writes to {options.get('dir')}, which no claim holds")
    yield from _too_little_memory(broker, options, times=2)


def the_cache_forgets_first(rendered: Rendered) -> Findings:
    """The cache is bounded and evicts, within the memory of its container."""
    cache = rendered.workload("cache")
    if cache is None:
        return
    options = _valkey_options(rendered, cache)
    if not options.get("maxmemory-policy", "noeviction").startswith("allkeys-"):
        yield Finding(
            cache.subject, f"maxmemory-policy is {options.get('maxmemory-policy')}: a full cache refuses"
        )
    yield from _too_little_memory(cache, options, times=1)


def _too_little_memory(workload: Workload, options: dict[str, str], times: int) -> Findings:
    limit = workload.lasting_containers[0].body["resources"]["limits"]["memory"]
    used = options.get("maxmemory", "0").lower()
    # valkey.conf writes 1mb for 2^20 bytes.
    used_bytes = quantity(used.replace("mb", "Mi").replace("gb", "Gi"))
    if not used_bytes:
        yield Finding(workload.subject, "its memory has no bound")
    elif used_bytes * times > quantity(limit):
        yield Finding(workload.subject, f"maxmemory {used}, {times} times, is more than its limit {limit}")


def _valkey_options(rendered: Rendered, workload: Workload) -> dict[str, str]:
    options: dict[str, str] = {}
    for body in _mounted_maps(rendered, workload):
        for line in body["data"].get("valkey.conf", "").splitlines():
            name, _, value = line.partition(" ")
            if name and not name.startswith("#"):
                options[name] = value.strip().strip('"')
    arguments = [each for container in workload.lasting_containers for each in container.arguments]
    for name, value in pairwise(arguments):
        if name.startswith("--"):
            options[name.removeprefix("--")] = value
    return options


def pictures_are_shared(rendered: Rendered) -> Findings:
    """A folder of pictures is one claim for all, which several nodes may write (in dev there is one node)."""
    claims: dict[str, str] = {}
    for workload, container in programs(rendered):
        url = str(getattr(settings_of(rendered, workload, container), "data_url", ""))
        if url.startswith("file://"):
            claims[workload.subject] = _claim_at(workload, container, url.removeprefix("file://"))
    if len(set(claims.values())) > 1:
        yield Finding("pictures", f"lie in different claims: {claims}")
    for name in sorted(set(claims.values())):
        claim = rendered.find("PersistentVolumeClaim", name)
        modes = claim["spec"]["accessModes"] if claim else []
        if "ReadWriteMany" not in modes and rendered.name != "overlays/dev":
            yield Finding(f"PersistentVolumeClaim/{name}", f"holds the pictures and is {modes}")


def _claim_at(workload: Workload, container: Container, folder: str) -> str:
    volumes = {volume["name"]: volume for volume in workload.pod.get("volumes", [])}
    for mount in container.mounts:
        if mount["mountPath"] == folder:
            return str(volumes[mount["name"]].get("persistentVolumeClaim", {}).get("claimName", "no claim"))
    return "no claim"


def callers_bring_their_keys(rendered: Rendered) -> Findings:
    """Who may call Qdrant, the broker or the cache has the address and key for it (and who may not, has none)."""
    edges = {(edge.source, edge.target) for edge in needed_edges(rendered)}
    external = rendered.workload("qdrant") is None
    for workload, container in programs(rendered):
        for target, field in _KEYS.items():
            settings = settings_of(rendered, workload, container)
            if settings is None or field not in type(settings).model_fields:
                continue
            given = field in settings.model_fields_set and getattr(settings, field) is not None
            if (workload.name, target) in edges and not given:
                yield Finding(container.subject, f"calls {target} and has no {field}")
            if given and (workload.name, target) not in edges and not (external and target == "qdrant"):
                yield Finding(container.subject, f"has {field} and does not call {target}")
