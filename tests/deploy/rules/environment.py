"""The environment that each container gets, and the settings class that reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic_settings import BaseSettings

import services.cli.settings as cli_settings
from services.cli.snapshots.settings import SnapshotSettings
from services.common.settings import variable_name
from services.encoder.settings import EncoderSettings
from services.gateway.settings import GatewaySettings
from services.generator.settings import GeneratorSettings
from services.retriever.settings import RetrieverSettings
from tests.deploy.rules.expectations import foreign_variables, required_secrets
from tests.deploy.rules.manifests import Container, Finding, Findings, Manifest, Rendered, Workload, subject_of
from workers.settings import WorkersSettings

SECRETS_DIR = "IMAGERAG_SECRETS_DIR"
_CLI_CLASSES = tuple(
    each
    for each in vars(cli_settings).values()
    if isinstance(each, type) and issubclass(each, BaseSettings) and each.__module__ == cli_settings.__name__
)
SETTINGS_OF_IMAGE: dict[str, tuple[type[BaseSettings], ...]] = {
    "imagerag-encoder": (EncoderSettings,),
    "imagerag-encoder-cuda": (EncoderSettings,),
    "imagerag-retriever": (RetrieverSettings,),
    "imagerag-generator": (GeneratorSettings,),
    "imagerag-gateway": (GatewaySettings,),
    "imagerag-workers": (WorkersSettings,),
    "imagerag-cli": (*_CLI_CLASSES, SnapshotSettings),
}
_EVERY_CLASS = tuple({each for classes in SETTINGS_OF_IMAGE.values() for each in classes})


def settings_classes(container: Container) -> tuple[type[BaseSettings], ...]:
    """The classes that the program in this container reads; none for a program that is not ours."""
    return SETTINGS_OF_IMAGE.get(container.image, ())


def variables(classes: tuple[type[BaseSettings], ...]) -> set[str]:
    """The environment variables that set a field of these classes."""
    return {variable_name(each, name) for each in classes for name in each.model_fields} | {SECRETS_DIR}


@lru_cache(maxsize=1024)
def environment_of(rendered: Rendered, container: Container) -> Mapping[str, str]:
    """The variables of a container; what comes from a Secret has the sample value of the expectations."""
    found: dict[str, str] = {}
    for source in container.body.get("envFrom", []):
        found |= _from_whole(rendered, source)
    for variable in container.body.get("env", []):
        value = _one_value(rendered, variable)
        if value is not None:
            found[variable["name"]] = _expand(value, found)
    return MappingProxyType(found)


def _from_whole(rendered: Rendered, source: Manifest) -> dict[str, str]:
    prefix = source.get("prefix", "")
    if "secretRef" in source:
        values = required_secrets().get(source["secretRef"]["name"], {})
    else:
        body = rendered.find("ConfigMap", source["configMapRef"]["name"]) or {}
        values = body.get("data") or {}
    return {prefix + name: str(value) for name, value in values.items()}


def _one_value(rendered: Rendered, variable: Manifest) -> str | None:
    source: Manifest = variable.get("valueFrom", {})
    if "secretKeyRef" in source:
        wanted = source["secretKeyRef"]
        return required_secrets().get(wanted["name"], {}).get(wanted["key"])
    if "configMapKeyRef" in source:
        wanted = source["configMapKeyRef"]
        data = (rendered.find("ConfigMap", wanted["name"]) or {}).get("data") or {}
        return data.get(wanted["key"])
    if source:
        return "10.0.0.1"
    return str(variable.get("value", ""))


def _expand(value: str, known: dict[str, str]) -> str:
    return re.sub(r"\$\((\w+)\)", lambda found: known.get(found[1], found[0]), value)


def secret_files(rendered: Rendered, workload: Workload, container: Container) -> dict[str, str]:
    """What lies in the container's folder of secrets: file name to sample value."""
    folder = environment_of(rendered, container).get(SECRETS_DIR, "/run/secrets")
    mounted = {each["name"] for each in container.mounts if each["mountPath"] == folder}
    found: dict[str, str] = {}
    for volume in workload.pod.get("volumes", []):
        if volume["name"] not in mounted:
            continue
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            found |= _files_of(source.get("secret"))
    return found


def _files_of(secret: Manifest | None) -> dict[str, str]:
    if secret is None:
        return {}
    name = str(secret.get("secretName", secret.get("name", "")))
    values = required_secrets().get(name, {})
    items = secret.get("items") or [{"key": key, "path": key} for key in values]
    return {item["path"]: values.get(item["key"], "") for item in items}


def names_are_settings(rendered: Rendered) -> Findings:
    """Each variable, and each file in a folder of secrets, sets a field of the class that reads it."""
    for workload in rendered.workloads:
        for container in workload.containers:
            known = variables(settings_classes(container)) | foreign_variables(container.image)
            given = {variable["name"] for variable in container.body.get("env", [])}
            if settings_classes(container):
                given |= secret_files(rendered, workload, container).keys()
            for name in sorted(given - known):
                yield Finding(container.subject, f"gets {name}, which {container.image} does not know")
    known = variables(_EVERY_CLASS) | foreign_variables("imagerag-")
    for body in _maps_read_whole(rendered):
        for name in sorted((body.get("data") or {}).keys() - known):
            yield Finding(subject_of(body), f"sets {name}, which no service knows")


def _maps_read_whole(rendered: Rendered) -> list[Manifest]:
    sources = [source for each in rendered.containers for source in each.body.get("envFrom", [])]
    names = {source["configMapRef"]["name"] for source in sources if "configMapRef" in source}
    return [body for body in rendered.of_kind("ConfigMap") if body["metadata"]["name"] in names]


def values_are_accepted(rendered: Rendered) -> Findings:
    """The settings class takes the environment as it is, secrets by their samples."""
    for workload, container in programs(rendered):
        for cls in settings_classes(container):
            _, complaint = _construct(rendered, workload, container, cls)
            if complaint:
                yield Finding(container.subject, complaint)


def settings_of(rendered: Rendered, workload: Workload, container: Container) -> BaseSettings | None:
    """The settings as the program reads them; None for a program that is not ours, or values it refuses."""
    classes = settings_classes(container)
    return _construct(rendered, workload, container, classes[0])[0] if classes else None


@lru_cache(maxsize=1024)
def _construct(
    rendered: Rendered, workload: Workload, container: Container, cls: type[BaseSettings]
) -> tuple[BaseSettings | None, str]:
    given = secret_files(rendered, workload, container) | dict(environment_of(rendered, container))
    with patch.dict(os.environ, given, clear=True):
        try:
            return cls(), ""
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else ""
            return None, f"{cls.__name__} refuses {name}: {first['msg']}"


def programs(rendered: Rendered) -> list[tuple[Workload, Container]]:
    """The containers that run a program of ours (not a shell line in one of our images)."""
    return [
        (workload, container)
        for workload in rendered.workloads
        for container in workload.containers
        if settings_classes(container) and container.arguments[:1] not in (["sh"], ["bash"])
    ]


def addresses_lead_to_services(rendered: Rendered) -> Findings:
    """Each `..._url` setting leads to a Service and port of the rendering or out of the cluster."""
    for workload, container in programs(rendered):
        settings = settings_of(rendered, workload, container)
        fields = {} if settings is None or workload.kind == "Job" else settings.model_dump()
        for name, value in fields.items():
            if name.endswith("_url") and value:
                yield from _wrong_address(rendered, container, name, _revealed(value))


def _wrong_address(rendered: Rendered, container: Container, field: str, value: str) -> Findings:
    split = urlsplit(value.replace("dns:///", "//") if "://" in value or "dns:" in value else f"//{value}")
    host, port = split.hostname or "", split.port
    if split.scheme in ("file", "s3", "gs", "abfs") or (not host and split.path):
        return
    if host in ("127.0.0.1", "localhost", "::1", ""):
        yield Finding(container.subject, f"{field} leads to {host or 'nothing'}: it is not set")
    elif "." not in host:
        service = rendered.find("Service", host)
        ports = [] if service is None else [each["port"] for each in service["spec"].get("ports", [])]
        if port not in ports:
            yield Finding(container.subject, f"{field} leads to {host}:{port}, no such Service and port")


def grpc_addresses_find_every_replica(rendered: Rendered) -> Findings:
    """Clients of gRPC services ask the DNS for all pods: `dns:///` and a headless Service."""
    for workload, container in programs(rendered):
        settings = settings_of(rendered, workload, container)
        for name in ("encoder_url", "retriever_url", "generator_url"):
            value = str(getattr(settings, name, ""))
            if not value:
                continue
            service = rendered.find("Service", value.removeprefix("dns:///").split(":")[0])
            if not value.startswith("dns:///"):
                yield Finding(container.subject, f"{name} {value} does not begin with dns:///")
            elif service is not None and service["spec"].get("clusterIP") != "None":
                yield Finding(container.subject, f"{name} leads to {subject_of(service)}, which is not headless")


def paths_are_mounted(rendered: Rendered) -> Findings:
    """Folders and files that settings name lie in a volume: the root is read-only and holds none of them."""
    for workload, container in programs(rendered):
        if workload.kind == "Job":
            continue
        settings = settings_of(rendered, workload, container)
        mounts = [each["mountPath"] for each in container.mounts]
        for name, value in {} if settings is None else _paths(settings):
            if not any(Path(value).is_relative_to(mount) for mount in mounts):
                yield Finding(container.subject, f"{name} is {value}, where nothing is mounted")


def _paths(settings: BaseSettings) -> list[tuple[str, str]]:
    found = []
    for name, value in settings.model_dump().items():
        text = _revealed(value)
        if isinstance(value, Path) and name in settings.model_fields_set:
            found.append((name, text))
        elif name == "data_url" and urlsplit(text).scheme in ("", "file"):
            found.append((name, text.removeprefix("file://")))
        elif name == "model" and text.startswith("/"):
            found.append((name, text))
    return found


def ports_are_declared(rendered: Rendered) -> Findings:
    """Each service listens on every interface, on the ports that its container declares."""
    for workload, container in programs(rendered):
        settings = settings_of(rendered, workload, container)
        if settings is None or not workload.long_running or container.starts_first:
            continue
        listens = {getattr(settings, "port", 0), getattr(settings, "metrics_port", None) or 0} - {0}
        declared = {int(port["containerPort"]) for port in container.ports}
        if listens != declared:
            yield Finding(container.subject, f"listens on {sorted(listens)} and declares {sorted(declared)}")
        if getattr(settings, "host", "0.0.0.0") not in ("0.0.0.0", "::"):
            yield Finding(container.subject, f"listens on {getattr(settings, 'host')} alone")  # noqa: B009


def _revealed(value: Any) -> str:
    reveal = getattr(value, "get_secret_value", None)
    return str(reveal() if reveal else value)
