"""Custom objects of KEDA and the Prometheus operator lead to something that is there."""

from __future__ import annotations

from urllib.parse import urlsplit

from tests.deploy.rules.environment import settings_of
from tests.deploy.rules.manifests import Finding, Findings, Manifest, Rendered, Workload, selects, subject_of
from tests.deploy.rules.references import Reference, known_keys

_QUEUES = ("interactive", "bulk")


def monitors_lead_to_ports(rendered: Rendered) -> Findings:
    """Each endpoint of a monitor is a named port of every Service or pod that the monitor selects."""
    for monitor in rendered.of_kind("ServiceMonitor", "PodMonitor"):
        selector = monitor["spec"].get("selector")
        pods = monitor["kind"] == "PodMonitor"
        endpoints = monitor["spec"]["podMetricsEndpoints" if pods else "endpoints"]
        named = _pod_ports(rendered, selector) if pods else _service_ports(rendered, selector)
        if not named:
            yield Finding(subject_of(monitor), "selects nothing")
        for endpoint in endpoints:
            for name, ports in named.items():
                if endpoint.get("port") not in ports:
                    yield Finding(
                        subject_of(monitor), f"scrapes port {endpoint.get('port')!r} of {name}, it has {ports}"
                    )


def _pod_ports(rendered: Rendered, selector: Manifest) -> dict[str, list[str]]:
    return {
        workload.subject: [port.get("name", "") for each in workload.lasting_containers for port in each.ports]
        for workload in rendered.workloads
        if selects(selector, workload.labels)
    }


def _service_ports(rendered: Rendered, selector: Manifest) -> dict[str, list[str]]:
    return {
        subject_of(service): [port.get("name", "") for port in service["spec"].get("ports", [])]
        for service in rendered.of_kind("Service")
        if selects(selector, service["metadata"].get("labels", {}))
    }


def everything_is_scraped(rendered: Rendered) -> Findings:
    """Where monitors are, each pod that has a metrics port is scraped."""
    monitors = rendered.of_kind("ServiceMonitor", "PodMonitor")
    if not monitors:
        return
    for workload in rendered.long_running:
        if workload.port_number("metrics") is None:
            continue
        if not any(selects(each["spec"].get("selector"), workload.labels) for each in monitors):
            yield Finding(workload.subject, "has a metrics port and no monitor")


def triggers_lead_to_services(rendered: Rendered) -> Findings:
    """KEDA asks addresses that exist, for queues that workers take from, with keys that are there."""
    for scaled in rendered.of_kind("ScaledObject"):
        for trigger in scaled["spec"]["triggers"]:
            metadata = trigger["metadata"]
            address = metadata.get("url") or f"//{metadata.get('address', '')}"
            yield from _wrong_address(rendered, scaled, address)
            if "listName" in metadata:
                yield from _wrong_queue(rendered, scaled, metadata["listName"])
            name = trigger.get("authenticationRef", {}).get("name")
            if name and rendered.find("TriggerAuthentication", name) is None:
                yield Finding(subject_of(scaled), f"names TriggerAuthentication {name}, which does not exist")
    for authentication in rendered.of_kind("TriggerAuthentication"):
        for wanted in authentication["spec"].get("secretTargetRef", []):
            known = known_keys(rendered, Reference("Secret", wanted["name"]))
            if known is None or wanted["key"] not in known:
                yield Finding(subject_of(authentication), f"asks Secret {wanted['name']} for {wanted['key']}")


def _wrong_address(rendered: Rendered, scaled: Manifest, address: str) -> Findings:
    split = urlsplit(address)
    name, _, namespace = (split.hostname or "").partition(".")
    service = rendered.find("Service", name)
    ports = [each["port"] for each in service["spec"].get("ports", [])] if service else []
    if split.port not in ports:
        yield Finding(subject_of(scaled), f"asks {address}, no such Service and port")
    # KEDA asks from its own namespace: a bare name would be looked for there.
    if namespace.split(".")[0] != scaled["metadata"].get("namespace"):
        yield Finding(subject_of(scaled), f"asks {address} without the namespace")


def _wrong_queue(rendered: Rendered, scaled: Manifest, queue: str) -> Findings:
    workload = rendered.workload(scaled["spec"]["scaleTargetRef"]["name"])
    taken = _queues_of(rendered, workload) if workload else set()
    if queue not in taken:
        yield Finding(subject_of(scaled), f"goes by queue {queue}, its workers take from {sorted(taken)}")


def _queues_of(rendered: Rendered, workload: Workload) -> set[str]:
    """The queues that these pods take from; beat takes from none."""
    taken: set[str] = set()
    for container in workload.lasting_containers:
        if container.arguments[-1:] != ["beat"]:
            taken |= set(str(getattr(settings_of(rendered, workload, container), "queues", "")).split(","))
    return taken - {""}


def queues_have_workers(rendered: Rendered) -> Findings:
    """Some worker takes from each queue."""
    taken = {queue for workload in rendered.long_running for queue in _queues_of(rendered, workload)}
    for queue in _QUEUES:
        if queue not in taken:
            yield Finding("workers", f"nobody takes from queue {queue}")
