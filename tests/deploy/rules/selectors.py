"""Labels, selectors and Services lead to the pods that they mean."""

from __future__ import annotations

from tests.deploy.rules.manifests import Finding, Findings, Manifest, Rendered, Workload, selects, subject_of


def selectors_match_own_pods(rendered: Rendered) -> Findings:
    """A workload's selector takes its own pods, and no other workload's."""
    for workload in rendered.long_running:
        selector = workload.spec["selector"]
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield Finding(workload.subject, "its selector is empty")
        if not selects(selector, workload.labels):
            yield Finding(workload.subject, f"its selector {selector} does not take its pods {workload.labels}")
        for other in rendered.workloads:
            if other != workload and selects(selector, other.labels):
                yield Finding(workload.subject, f"its selector takes the pods of {other.subject} too")


def services_lead_to_a_port(rendered: Rendered) -> Findings:
    """A Service takes the pods of one long-running workload, and each target port is a named port there."""
    for service in rendered.of_kind("Service"):
        targets = service_targets(rendered, service)
        if service["spec"].get("type") == "ExternalName":
            continue
        if len(targets) != 1:
            names = ", ".join(target.subject for target in targets) or "no pods"
            yield Finding(subject_of(service), f"leads to {names}; it should lead to one workload")
        for target in targets:
            yield from _wrong_ports(service, target)


def _wrong_ports(service: Manifest, target: Workload) -> Findings:
    named = {port.get("name") for each in target.lasting_containers for port in each.ports}
    for port in service["spec"].get("ports", []):
        wanted = port.get("targetPort", port["port"])
        if wanted not in named:
            yield Finding(
                subject_of(service), f"targets port {wanted!r}, {target.subject} names {sorted(map(str, named))}"
            )


def service_targets(rendered: Rendered, service: Manifest) -> list[Workload]:
    """The long-running workloads whose pods a Service takes."""
    selector = service["spec"].get("selector")
    if not selector:
        return []
    return [each for each in rendered.long_running if selects({"matchLabels": selector}, each.labels)]


def stateful_sets_have_their_service(rendered: Rendered) -> Findings:
    """The governing Service of a StatefulSet exists, is headless, and takes its pods."""
    for workload in rendered.workloads:
        if workload.kind != "StatefulSet":
            continue
        name = workload.spec.get("serviceName", "")
        service = rendered.find("Service", name)
        if service is None:
            yield Finding(workload.subject, f"its governing Service {name!r} does not exist")
        elif service["spec"].get("clusterIP") != "None":
            yield Finding(workload.subject, f"its governing Service {name} is not headless")
        elif workload not in service_targets(rendered, service):
            yield Finding(workload.subject, f"its governing Service {name} does not take its pods")


def ingresses_lead_to_services(rendered: Rendered) -> Findings:
    """Each backend of an Ingress is an existing Service and one of its ports."""
    for ingress in rendered.of_kind("Ingress"):
        spec = ingress["spec"]
        backends = [spec["defaultBackend"]] if "defaultBackend" in spec else []
        for rule in spec.get("rules", []):
            backends += [path["backend"] for path in rule.get("http", {}).get("paths", [])]
        for backend in backends:
            wanted = backend["service"]
            service = rendered.find("Service", wanted["name"])
            ports = [] if service is None else service["spec"].get("ports", [])
            known = {value for port in ports for value in (port.get("name"), port["port"])}
            asked = wanted["port"].get("name", wanted["port"].get("number"))
            if asked not in known:
                yield Finding(subject_of(ingress), f"leads to {wanted['name']}:{asked}, which does not exist")
