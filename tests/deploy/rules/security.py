"""The restricted pod security standard and what goes beyond it, on each pod template."""

from __future__ import annotations

import re

from tests.deploy.rules.manifests import (
    Container,
    Finding,
    Findings,
    Manifest,
    Rendered,
    Workload,
    strings_in,
    subject_of,
)

_VOLUME_TYPES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
"""Those the restricted profile allows: "Pod Security Standards" in the Kubernetes documentation."""
_SECRET_NAMES = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|API_KEY|PRIVATE_KEY|ACCESS_KEY)$")
_SECRET_TEXTS = (
    re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:(?!\$\()[^/\s@]+@"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    re.compile(r'\brequirepass\s+"?(?!%s)[^\s"]'),
    re.compile(r"\b(AKIA|ghp_|hf_|sk-)[A-Za-z0-9_-]{16,}"),
)


def pods_are_restricted(rendered: Rendered) -> Findings:
    """The restricted profile: no host access, no root, no privilege, no capability but NET_BIND_SERVICE."""
    for workload in rendered.workloads:
        yield from _host_access(workload)
        for container in workload.containers:
            yield from _privileges(container, workload.pod.get("securityContext", {}))


def _host_access(workload: Workload) -> Findings:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if workload.pod.get(field):
            yield Finding(workload.subject, f"{field} is on")
    if workload.pod.get("securityContext", {}).get("sysctls"):
        yield Finding(workload.subject, "sets sysctls")
    for volume in workload.pod.get("volumes", []):
        for kind in volume.keys() - _VOLUME_TYPES - {"name"}:
            yield Finding(workload.subject, f"volume {volume['name']} is a {kind}")
    for container in workload.containers:
        if any("hostPort" in port for port in container.ports):
            yield Finding(container.subject, "takes a port of the host")


def _privileges(container: Container, pod_context: Manifest) -> Findings:
    own = container.body.get("securityContext", {})
    context = {**pod_context, **own}
    capabilities = own.get("capabilities", {})
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
        yield Finding(container.subject, "may run as root")
    if own.get("allowPrivilegeEscalation") is not False:
        yield Finding(container.subject, "allows privilege escalation")
    if own.get("privileged"):
        yield Finding(container.subject, "is privileged")
    if own.get("procMount", "Default") != "Default":
        yield Finding(container.subject, "has another procMount")
    if capabilities.get("drop") != ["ALL"] or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield Finding(container.subject, "keeps capabilities")
    if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield Finding(container.subject, "has no seccomp profile")


def namespace_enforces_restricted(rendered: Rendered) -> Findings:
    """Everything is in one namespace, and that namespace refuses what is not restricted."""
    namespaces = {body["metadata"].get("namespace") for body in rendered.objects if not _has_no_namespace(body)}
    for name in namespaces - {None}:
        labels = (rendered.find("Namespace", str(name)) or {}).get("metadata", {}).get("labels", {})
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            yield Finding(f"Namespace/{name}", "does not enforce the restricted profile")
    if len(namespaces) != 1 or None in namespaces:
        yield Finding("namespaces", f"objects are in {sorted(map(str, namespaces))}")


def _has_no_namespace(body: Manifest) -> bool:
    return body["kind"] in ("Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding", "StorageClass")


def roots_are_read_only(rendered: Rendered) -> Findings:
    """The root of each container is read-only, and /tmp is a volume that can be written."""
    for workload in rendered.workloads:
        scratch = {volume["name"] for volume in workload.pod.get("volumes", []) if "emptyDir" in volume}
        for container in workload.containers:
            if container.body.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
                yield Finding(container.subject, "its root can be written")
            writable = {each["mountPath"] for each in container.mounts if each["name"] in scratch}
            if container.image.startswith("imagerag-") and "/tmp" not in writable:
                yield Finding(container.subject, "has no /tmp that can be written")


def no_account_tokens(rendered: Rendered) -> Findings:
    """Nothing here speaks to the Kubernetes API: no pod gets a token for it."""
    for workload in rendered.workloads:
        account = rendered.find("ServiceAccount", workload.pod.get("serviceAccountName", "default")) or {}
        mounted = workload.pod.get(
            "automountServiceAccountToken", account.get("automountServiceAccountToken", True)
        )
        if mounted:
            yield Finding(workload.subject, "gets a token for the Kubernetes API")


def accounts_are_not_shared(rendered: Rendered) -> Findings:
    """Each workload has a service account of its own: a right given to one is not given to all."""
    seen: dict[str, str] = {}
    for workload in rendered.workloads:
        name = str(workload.pod.get("serviceAccountName", "default"))
        if name == "default" or name in seen:
            yield Finding(workload.subject, f"shares service account {name} with {seen.get(name, 'others')}")
        seen[name] = workload.subject


def no_literal_secrets(rendered: Rendered) -> Findings:
    """No password, key or token is written down, in a Secret or elsewhere."""
    for body in rendered.objects:
        if body["kind"] == "Secret" and (body.get("data") or body.get("stringData")):
            yield Finding(subject_of(body), "holds a value")
        if body["kind"] != "Secret" and any(
            each.search(text) for text in strings_in(body) for each in _SECRET_TEXTS
        ):
            yield Finding(subject_of(body), "holds what looks like a secret")
    for container in rendered.containers:
        for variable in container.body.get("env", []):
            if _SECRET_NAMES.search(variable["name"]) and variable.get("value"):
                yield Finding(container.subject, f"{variable['name']} is written down")
    for settings in rendered.of_kind("ConfigMap"):
        for name, value in (settings.get("data") or {}).items():
            if _SECRET_NAMES.search(name) and value:
                yield Finding(subject_of(settings), f"{name} is written down")
