"""Each container says what it needs and what it may take."""

from __future__ import annotations

from tests.deploy.rules.manifests import Container, Finding, Findings, Rendered
from tests.deploy.rules.quantities import quantity

_REQUESTED = ("cpu", "memory")
_LIMITED = ("memory",)
"""A CPU limit is left to the operator's taste; one that is set must be at least the request."""


def resources_are_bounded(rendered: Rendered) -> Findings:
    """Requests for CPU and memory, a limit of memory, and no limit below its request."""
    for container in rendered.containers:
        yield from _unbounded(container)


def _unbounded(container: Container) -> Findings:
    resources = container.body.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for name in _REQUESTED:
        if name not in requests:
            yield Finding(container.subject, f"has no request of {name}")
    for name in _LIMITED:
        if name not in limits:
            yield Finding(container.subject, f"has no limit of {name}")
    for name in sorted(requests.keys() & limits.keys()):
        if quantity(limits[name]) < quantity(requests[name]):
            yield Finding(container.subject, f"its limit of {name} is below its request")


def scratch_space_is_bounded(rendered: Rendered) -> Findings:
    """An emptyDir without a size can fill the node."""
    for workload in rendered.workloads:
        for volume in workload.pod.get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
                yield Finding(workload.subject, f"volume {volume['name']} has no sizeLimit")


def gpu_rollouts_need_no_spare(rendered: Rendered) -> Findings:
    """A rollout must not wait for a GPU that nobody has: maxSurge 0, at least one may be unavailable."""
    for workload in rendered.workloads:
        gpus = [
            each.body.get("resources", {}).get("limits", {}).get("nvidia.com/gpu") for each in workload.containers
        ]
        if workload.kind != "Deployment" or not any(gpus):
            continue
        strategy = workload.spec.get("strategy", {})
        rolling = strategy.get("rollingUpdate", {})
        if strategy.get("type") == "Recreate":
            continue
        if str(rolling.get("maxSurge", "25%")) not in ("0", "0%"):
            yield Finding(workload.subject, "has a GPU and maxSurge is not 0")
        elif str(rolling.get("maxUnavailable", "25%")) in ("0", "0%"):
            yield Finding(workload.subject, "maxSurge and maxUnavailable are both 0")
