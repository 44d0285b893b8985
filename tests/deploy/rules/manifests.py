"""The rendered objects as the rules see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Manifest = dict[str, Any]
LONG_RUNNING = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass(frozen=True)
class Finding:
    """What is wrong with which object."""

    subject: str
    reason: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"


Findings = Iterator[Finding]


@dataclass(frozen=True, eq=False)
class Container:
    """One container of a pod template."""

    workload: str
    body: Manifest
    starts_first: bool
    """An init container that ends before the others start (a native sidecar is none)."""

    @property
    def name(self) -> str:
        return str(self.body["name"])

    @property
    def subject(self) -> str:
        return f"{self.workload}, container {self.name}"

    @property
    def ports(self) -> list[Manifest]:
        return list(self.body.get("ports", []))

    @property
    def mounts(self) -> list[Manifest]:
        return list(self.body.get("volumeMounts", []))

    @property
    def image(self) -> str:
        """The image's name without registry, tag and digest."""
        return str(self.body["image"]).split("@")[0].split("/")[-1].split(":")[0]

    @property
    def arguments(self) -> list[str]:
        return [*self.body.get("command", []), *self.body.get("args", [])]

    def port_number(self, port: str | int) -> int | None:
        """The number of a declared port given by name or number; None: not declared."""
        for declared in self.ports:
            if port in (declared.get("name"), declared["containerPort"]):
                return int(declared["containerPort"])
        return None


@dataclass(frozen=True, eq=False)
class Workload:
    """An object that makes pods."""

    body: Manifest
    template: Manifest

    @property
    def kind(self) -> str:
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def subject(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def spec(self) -> Manifest:
        return dict(self.body["spec"])

    @property
    def pod(self) -> Manifest:
        return dict(self.template["spec"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.template.get("metadata", {}).get("labels", {}))

    @property
    def long_running(self) -> bool:
        return self.kind in LONG_RUNNING

    @property
    def replicas(self) -> int:
        return int(self.spec.get("replicas", 1))

    @cached_property
    def containers(self) -> list[Container]:
        """All of them, those that start first included."""
        first = [
            Container(self.subject, body, body.get("restartPolicy") != "Always")
            for body in self.pod.get("initContainers", [])
        ]
        return first + [Container(self.subject, body, False) for body in self.pod.get("containers", [])]

    @property
    def lasting_containers(self) -> list[Container]:
        return [container for container in self.containers if not container.starts_first]

    def port_number(self, port: str | int) -> int | None:
        """The number of a port that a lasting container declares."""
        numbers = (container.port_number(port) for container in self.lasting_containers)
        return next((number for number in numbers if number is not None), None)

    @property
    def ports(self) -> set[int]:
        return {int(port["containerPort"]) for each in self.lasting_containers for port in each.ports}


@dataclass(frozen=True, eq=False)
class Rendered:
    """Everything that one overlay, or one combination of components, makes.

    It and its parts are equal to themselves alone, so that what rules find out about them can be remembered.
    """

    name: str
    objects: tuple[Manifest, ...]

    def of_kind(self, *kinds: str) -> list[Manifest]:
        return [body for body in self.objects if body["kind"] in kinds]

    def find(self, kind: str, name: str) -> Manifest | None:
        return next((body for body in self.of_kind(kind) if body["metadata"]["name"] == name), None)

    @cached_property
    def workloads(self) -> list[Workload]:
        found = [(body, pod_template(body)) for body in self.objects]
        return [Workload(body, template) for body, template in found if template is not None]

    @property
    def long_running(self) -> list[Workload]:
        return [workload for workload in self.workloads if workload.long_running]

    @property
    def containers(self) -> list[Container]:
        return [container for workload in self.workloads for container in workload.containers]

    def workload(self, name: str) -> Workload | None:
        return next((each for each in self.workloads if each.name == name), None)


def pod_template(body: Manifest) -> Manifest | None:
    """What the pods of this object look like; None if it makes none."""
    if body["kind"] in (*LONG_RUNNING, "Job"):
        return dict(body["spec"]["template"])
    if body["kind"] == "CronJob":
        return dict(body["spec"]["jobTemplate"]["spec"]["template"])
    return None


def subject_of(body: Manifest) -> str:
    """`Kind/name`."""
    return f"{body['kind']}/{body['metadata']['name']}"


def selects(selector: Manifest | None, labels: dict[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all."""
    selector = selector or {}
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_expression_holds(each, labels) for each in selector.get("matchExpressions", []))


def _expression_holds(expression: Manifest, labels: dict[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values", [])
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    raise ValueError(f"unknown operator {operator}")


def strings_in(value: object) -> Iterator[str]:
    """Every string anywhere in a manifest, keys not included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings_in(item)
