"""Each kind of probe asks what it is for."""

from __future__ import annotations

from imagerag.v1 import encoder_pb2, generator_pb2, retriever_pb2

from tests.deploy.rules.environment import programs, settings_of
from tests.deploy.rules.manifests import Container, Finding, Findings, Manifest, Rendered, Workload
from tests.deploy.rules.selectors import service_targets
from tests.deploy.rules.sources import constant

_LIVENESS = str(constant("services/common/rpc/server.py", "LIVENESS"))
_GRPC_SERVICES = {
    "imagerag-encoder": encoder_pb2,
    "imagerag-encoder-cuda": encoder_pb2,
    "imagerag-retriever": retriever_pb2,
    "imagerag-generator": generator_pb2,
}
_LOAD_S = 300
"""The encoder gets at least this long to load its model: gigabytes from a slow volume."""
_PATIENCE_S = 60
"""A restart mends a process that hangs and nothing else: not for a pause of less than this."""
_KINDS = ("startupProbe", "readinessProbe", "livenessProbe")


def grpc_services_have_grpc_probes(rendered: Rendered) -> Findings:
    """gRPC services are asked by their own health service: ready by the service's name, alive by `live`."""
    for workload, container in _lasting_programs(rendered):
        if container.image not in _GRPC_SERVICES:
            continue
        port = getattr(settings_of(rendered, workload, container), "port", None)
        for kind in ("readinessProbe", "livenessProbe"):
            probe = container.body.get(kind, {}).get("grpc")
            if probe is None:
                yield Finding(container.subject, f"its {kind} is not a gRPC probe")
            elif probe.get("port") != port:
                yield Finding(container.subject, f"its {kind} asks port {probe.get('port')}, it listens on {port}")
            elif kind == "readinessProbe" and probe.get("service", "") not in _health_names(container.image):
                yield Finding(container.subject, f"its {kind} asks for {probe.get('service')!r}, which is unknown")


def _health_names(image: str) -> set[str]:
    names = _GRPC_SERVICES[image].DESCRIPTOR.services_by_name.values()
    return {"", *(service.full_name for service in names)}


def liveness_knows_no_dependency(rendered: Rendered) -> Findings:
    """A liveness probe asks the process alone, and is patient: a restart mends no dependency."""
    for workload in rendered.long_running:
        for container in workload.lasting_containers:
            probe = container.body.get("livenessProbe")
            if probe is None:
                continue
            if not _asks_itself(container, probe, rendered):
                yield Finding(container.subject, "its livenessProbe asks for more than its own process")
            if probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3) < _PATIENCE_S:
                yield Finding(container.subject, f"its livenessProbe gives up in less than {_PATIENCE_S} s")


def _asks_itself(container: Container, probe: Manifest, rendered: Rendered) -> bool:
    if "grpc" in probe:
        return bool(probe["grpc"].get("service") == _LIVENESS)
    if "httpGet" in probe:
        return "host" not in probe["httpGet"] and probe["httpGet"]["path"] == "/healthz"
    command = " ".join(probe.get("exec", {}).get("command", []))
    if container.image == "imagerag-workers":
        return command == "python -m workers health"
    services = {service["metadata"]["name"] for service in rendered.of_kind("Service")}
    return bool(command) and not services & set(command.replace(":", " ").replace("/", " ").split())


def programs_are_watched(rendered: Rendered) -> Findings:
    """Our long-running programs have a liveness probe; whatever is behind a Service says when it is ready."""
    for _, container in _lasting_programs(rendered):
        if "livenessProbe" not in container.body:
            yield Finding(container.subject, "has no livenessProbe")
    served = [target for service in rendered.of_kind("Service") for target in service_targets(rendered, service)]
    for workload in rendered.long_running:
        if workload in served and not any("readinessProbe" in each.body for each in workload.lasting_containers):
            yield Finding(workload.subject, "is behind a Service and has no readinessProbe")


def qdrant_is_never_restarted(rendered: Rendered) -> Findings:
    """Qdrant has no liveness probe: a node that recovers its shards answers late and must not begin anew."""
    for container in rendered.containers:
        if container.image == "qdrant" and "livenessProbe" in container.body:
            yield Finding(container.subject, "has a livenessProbe")
        startup = container.body.get("startupProbe", {})
        if container.image == "qdrant" and startup and _budget_s(startup) < 3600:
            yield Finding(container.subject, "its startupProbe restarts it within an hour")


def models_get_time_to_load(rendered: Rendered) -> Findings:
    """The encoder has a startup probe that waits for its model."""
    for _, container in _lasting_programs(rendered):
        waits_s = _budget_s(container.body.get("startupProbe", {}))
        if container.image.startswith("imagerag-encoder") and waits_s < _LOAD_S:
            yield Finding(container.subject, f"its startupProbe waits {waits_s} s for the model, not {_LOAD_S}")


def _budget_s(probe: Manifest) -> int:
    if not probe:
        return 0
    return int(probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3))


def probes_ask_declared_ports(rendered: Rendered) -> Findings:
    """The port of each probe is one that the container declares."""
    for container in rendered.containers:
        for kind in _KINDS:
            probe = container.body.get(kind, {})
            for how in ("grpc", "httpGet", "tcpSocket"):
                if how in probe and container.port_number(probe[how]["port"]) is None:
                    yield Finding(container.subject, f"its {kind} asks port {probe[how]['port']}, not declared")


def _lasting_programs(rendered: Rendered) -> list[tuple[Workload, Container]]:
    return [
        (workload, container)
        for workload, container in programs(rendered)
        if workload.long_running and not container.starts_first
    ]
