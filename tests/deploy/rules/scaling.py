"""Autoscalers, disruption budgets and the spread of replicas."""

from __future__ import annotations

from dataclasses import dataclass

from tests.deploy.rules.lifecycle import task_limit_s
from tests.deploy.rules.manifests import Finding, Findings, Manifest, Rendered, Workload, selects, subject_of

_KEDA_DEFAULTS = {"minReplicaCount": 0, "maxReplicaCount": 100, "cooldownPeriod": 300}


@dataclass(frozen=True)
class Scaler:
    """An HPA or a ScaledObject, in the same words."""

    body: Manifest
    target_kind: str
    target: str
    fewest: int
    most: int

    @property
    def subject(self) -> str:
        return subject_of(self.body)


def scalers_of(rendered: Rendered) -> list[Scaler]:
    """Everything that changes a number of replicas."""
    found = []
    for body in rendered.of_kind("HorizontalPodAutoscaler"):
        spec = body["spec"]
        target = spec["scaleTargetRef"]
        found.append(Scaler(body, target["kind"], target["name"], spec.get("minReplicas", 1), spec["maxReplicas"]))
    for body in rendered.of_kind("ScaledObject"):
        spec = {**_KEDA_DEFAULTS, **body["spec"]}
        target = spec["scaleTargetRef"]
        kind = target.get("kind", "Deployment")
        found.append(Scaler(body, kind, target["name"], spec["minReplicaCount"], spec["maxReplicaCount"]))
    return found


def fewest_replicas(rendered: Rendered, workload: Workload) -> int:
    """How many pods a workload has at least, when all is well."""
    for scaler in scalers_of(rendered):
        if (scaler.target_kind, scaler.target) == (workload.kind, workload.name):
            return scaler.fewest
    return workload.replicas


def most_replicas(rendered: Rendered, workload: Workload) -> int:
    """How many pods a workload may grow to."""
    for scaler in scalers_of(rendered):
        if (scaler.target_kind, scaler.target) == (workload.kind, workload.name):
            return scaler.most
    return workload.replicas


def scalers_have_targets(rendered: Rendered) -> Findings:
    """The target exists and leaves its number of replicas alone, the range is not empty, nobody else scales it."""
    scalers = scalers_of(rendered)
    for scaler in scalers:
        target = rendered.find(scaler.target_kind, scaler.target)
        if target is None:
            yield Finding(scaler.subject, f"scales {scaler.target_kind} {scaler.target}, which does not exist")
        elif "replicas" in target["spec"]:
            yield Finding(scaler.subject, f"{scaler.target} sets replicas: an apply would undo the scaler")
        if scaler.fewest > scaler.most:
            yield Finding(scaler.subject, f"at least {scaler.fewest} and at most {scaler.most}")
        same = [each for each in scalers if (each.target_kind, each.target) == (scaler.target_kind, scaler.target)]
        if len(same) > 1:
            yield Finding(scaler.subject, f"{scaler.target} has {len(same)} scalers")


def utilization_has_its_request(rendered: Rendered) -> Findings:
    """A scaler that goes by a share of CPU or memory needs the request it is a share of."""
    for scaler in scalers_of(rendered):
        workload = rendered.workload(scaler.target)
        asked = [each["resource"]["name"] for each in scaler.body["spec"].get("metrics", []) if "resource" in each]
        for container in workload.containers if workload else []:
            requests = container.body.get("resources", {}).get("requests", {})
            for name in asked:
                if name not in requests:
                    yield Finding(scaler.subject, f"goes by {name}, which {container.subject} does not request")


def cooldowns_outlast_tasks(rendered: Rendered) -> Findings:
    """A scaler does not take a worker away sooner than its longest task may take."""
    for scaler in scalers_of(rendered):
        workload = rendered.workload(scaler.target)
        limit_s = task_limit_s(rendered, workload) if workload else None
        if limit_s is None:
            continue
        spec = {**_KEDA_DEFAULTS, **scaler.body["spec"]}
        behavior = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {})
        window_s = (
            (behavior or spec.get("behavior", {})).get("scaleDown", {}).get("stabilizationWindowSeconds", 300)
        )
        if scaler.body["kind"] == "ScaledObject" and spec["cooldownPeriod"] < limit_s:
            yield Finding(
                scaler.subject, f"cools down in {spec['cooldownPeriod']} s, a task takes up to {limit_s:g} s"
            )
        if window_s < limit_s:
            yield Finding(scaler.subject, f"scales down after {window_s} s, a task takes up to {limit_s:g} s")


def budgets_allow_an_eviction(rendered: Rendered) -> Findings:
    """A disruption budget takes the pods of one workload and lets at least one of them go."""
    for budget in rendered.of_kind("PodDisruptionBudget"):
        targets = [each for each in rendered.long_running if selects(budget["spec"].get("selector"), each.labels)]
        if len(targets) != 1:
            yield Finding(subject_of(budget), f"takes the pods of {len(targets)} workloads")
        for target in targets:
            yield from _blocks(budget, fewest_replicas(rendered, target))


def _blocks(budget: Manifest, replicas: int) -> Findings:
    spec = budget["spec"]
    allowed, kept = spec.get("maxUnavailable"), spec.get("minAvailable")
    if allowed is not None and str(allowed) in ("0", "0%"):
        yield Finding(subject_of(budget), "lets no pod go")
    if kept is not None and (str(kept) == "100%" or (isinstance(kept, int) and kept >= replicas)):
        yield Finding(subject_of(budget), f"keeps {kept} of {replicas} pods: no node can be drained")


def replicas_are_kept_apart(rendered: Rendered) -> Findings:
    """What may have several pods spreads them over nodes, and has a budget for disruptions."""
    budgets = rendered.of_kind("PodDisruptionBudget")
    for workload in rendered.long_running:
        if most_replicas(rendered, workload) < 2:
            continue
        if not any(selects(budget["spec"].get("selector"), workload.labels) for budget in budgets):
            yield Finding(workload.subject, "has several pods and no disruption budget")
        keys = {
            each["topologyKey"]
            for each in workload.pod.get("topologySpreadConstraints", [])
            if selects(each.get("labelSelector"), workload.labels)
        }
        anti = workload.pod.get("affinity", {}).get("podAntiAffinity", {})
        for term in anti.get("requiredDuringSchedulingIgnoredDuringExecution", []):
            if selects(term.get("labelSelector"), workload.labels):
                keys.add(term["topologyKey"])
        if "kubernetes.io/hostname" not in keys:
            yield Finding(workload.subject, "has several pods and does not spread them over nodes")


def there_is_one_beat(rendered: Rendered) -> Findings:
    """One beat, and never two during an upgrade."""
    beats = [
        workload
        for workload in rendered.long_running
        if any(each.arguments[-1:] == ["beat"] for each in workload.lasting_containers)
    ]
    if len(beats) != 1:
        yield Finding("beat", f"{len(beats)} workloads run it")
    for beat in beats:
        if beat.replicas != 1 or most_replicas(rendered, beat) != 1:
            yield Finding(beat.subject, "may have several pods")
        if beat.spec.get("strategy", {}).get("type") != "Recreate":
            yield Finding(beat.subject, "its strategy is not Recreate")
