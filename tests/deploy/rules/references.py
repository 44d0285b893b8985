"""What an object names exists: in the same rendering, or on the list of what an operator brings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.deploy.rules.expectations import required_secrets
from tests.deploy.rules.manifests import Finding, Findings, Manifest, Rendered, Workload, strings_in, subject_of


@dataclass(frozen=True)
class Reference:
    """One object named by a pod, and the keys that are asked of it (empty: all)."""

    kind: str
    name: str
    keys: tuple[str, ...] = ()
    optional: bool = False


def references_exist(rendered: Rendered) -> Findings:
    """What pods name exists (ConfigMaps, Secrets, claims, accounts, priorities) and holds the keys asked for."""
    for workload in rendered.workloads:
        for reference in references_of(workload):
            if reference.optional:
                continue
            known = known_keys(rendered, reference)
            if known is None:
                yield Finding(workload.subject, f"names {reference.kind} {reference.name}, which does not exist")
                continue
            for key in reference.keys:
                if key not in known:
                    yield Finding(workload.subject, f"asks {reference.kind} {reference.name} for {key}, not in it")


def known_keys(rendered: Rendered, reference: Reference) -> set[str] | None:
    """The keys of the object named; None if there is no such object. Required Secrets count as existing."""
    body = rendered.find(reference.kind, reference.name)
    if body is not None:
        return set(body.get("data") or {}) | set(body.get("stringData") or {}) | set(body.get("binaryData") or {})
    if reference.kind == "Secret" and reference.name in required_secrets():
        return set(required_secrets()[reference.name])
    return None


def references_of(workload: Workload) -> Iterator[Reference]:
    """Everything that the pods of a workload name."""
    account = workload.pod.get("serviceAccountName", "default")
    if account != "default":
        yield Reference("ServiceAccount", account)
    if "priorityClassName" in workload.pod:
        yield Reference("PriorityClass", workload.pod["priorityClassName"])
    for pull_secret in workload.pod.get("imagePullSecrets", []):
        yield Reference("Secret", pull_secret["name"])
    for volume in workload.pod.get("volumes", []):
        yield from _of_volume(volume)
    for container in workload.containers:
        for source in container.body.get("envFrom", []):
            yield from _of_source(source, "configMapRef", "secretRef", ())
        for variable in container.body.get("env", []):
            source = variable.get("valueFrom", {})
            key = (source.get("configMapKeyRef") or source.get("secretKeyRef") or {}).get("key")
            yield from _of_source(source, "configMapKeyRef", "secretKeyRef", (key,) if key else ())


def _of_source(source: Manifest, config_map: str, secret: str, keys: tuple[str, ...]) -> Iterator[Reference]:
    for kind, field in (("ConfigMap", config_map), ("Secret", secret)):
        if field in source:
            yield Reference(kind, source[field]["name"], keys, bool(source[field].get("optional", False)))


def _of_volume(volume: Manifest) -> Iterator[Reference]:
    sources = [volume, *volume.get("projected", {}).get("sources", [])]
    for source in sources:
        for kind, field, name in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
            if field in source:
                body = source[field]
                keys = tuple(item["key"] for item in body.get("items", []))
                yield Reference(
                    kind, body.get(name, body.get("name", "")), keys, bool(body.get("optional", False))
                )
    if "persistentVolumeClaim" in volume:
        yield Reference("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])


def mounts_have_volumes(rendered: Rendered) -> Findings:
    """Each mount has its volume, each volume is mounted, and no path is mounted twice."""
    for workload in rendered.workloads:
        claims = [claim["metadata"]["name"] for claim in workload.spec.get("volumeClaimTemplates", [])]
        volumes = {volume["name"] for volume in workload.pod.get("volumes", [])} | set(claims)
        mounted = {mount["name"] for container in workload.containers for mount in container.mounts}
        for name in sorted(mounted - volumes):
            yield Finding(workload.subject, f"mounts volume {name}, which it does not have")
        for name in sorted(volumes - mounted):
            yield Finding(workload.subject, f"has volume {name}, which nothing mounts")
        for container in workload.containers:
            paths = [mount["mountPath"] for mount in container.mounts]
            if len(paths) != len(set(paths)):
                yield Finding(container.subject, "mounts two volumes at one path")


def nothing_is_left_over(rendered: Rendered) -> Findings:
    """ConfigMaps, claims and service accounts are used by something of the same rendering."""
    used = {(each.kind, each.name) for workload in rendered.workloads for each in references_of(workload)}
    others = [body for body in rendered.objects if body["kind"] not in ("ConfigMap", "PersistentVolumeClaim")]
    mentioned = {text for body in others for text in strings_in(body.get("spec", body.get("subjects")))}
    for body in rendered.of_kind("ConfigMap", "PersistentVolumeClaim", "ServiceAccount"):
        name = body["metadata"]["name"]
        discovered = "grafana_dashboard" in body["metadata"].get("labels", {})
        if (body["kind"], name) not in used and name not in mentioned and not discovered:
            yield Finding(subject_of(body), "nothing uses it")


def ingresses_have_certificates(rendered: Rendered) -> Findings:
    """Every host of an Ingress is served with a certificate that the operator brings."""
    for ingress in rendered.of_kind("Ingress"):
        covered = {host for entry in ingress["spec"].get("tls", []) for host in entry.get("hosts", [])}
        for rule in ingress["spec"].get("rules", []):
            if rule.get("host") not in covered:
                yield Finding(subject_of(ingress), f"host {rule.get('host')} is served without TLS")
        for entry in ingress["spec"].get("tls", []):
            name = entry.get("secretName", "")
            if known_keys(rendered, Reference("Secret", name)) is None:
                yield Finding(subject_of(ingress), f"names Secret {name}, which does not exist")
