"""What the NetworkPolicies of a rendering let through, compared with the matrix of who needs whom.

Kubernetes' semantics ("Network Policies" in its documentation): a pod is closed in a direction once any policy
selects it for that direction, and then lets through the union of what its policies name. A connection needs both
the egress side of its source and the ingress side of its target.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network
from itertools import product
from pathlib import Path

import yaml

from tests.deploy.rules.environment import environment_of
from tests.deploy.rules.manifests import Finding, Findings, Manifest, Rendered, Workload, selects

_MATRIX = Path(__file__).parent.parent / "network_matrix.yaml"
_POD_ADDRESS = "10.244.1.7"
"""An ipBlock that takes this one is taken to reach into the cluster."""
_ODD_PORTS = ((22, "TCP"), (80, "TCP"), (443, "TCP"), (31337, "TCP"), (31337, "UDP"))
"""Asked everywhere besides the ports that somebody needs: a policy without ports opens them all."""


@dataclass(frozen=True)
class Peer:
    """One end of a connection: pods here, pods of another namespace, or an address."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    namespace_labels: dict[str, str] = field(default_factory=dict)
    address: str = _POD_ADDRESS
    is_pod: bool = True
    inside: bool = False
    """In the namespace of the rendering, where policies decide."""


@dataclass(frozen=True)
class Edge:
    """`source` may open a connection to `target` on this port."""

    source: str
    target: str
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}:{self.port}/{self.protocol}"


@lru_cache
def _matrix() -> Manifest:
    return dict(yaml.safe_load(_MATRIX.read_text(encoding="utf-8")))


def needed_edges(rendered: Rendered) -> set[Edge]:
    """The edges of the matrix between parts that this rendering has."""
    present = {workload.name for workload in rendered.workloads}
    names = present | set(_matrix()["outside"])
    edges = set()
    for row in _matrix()["edges"]:
        if "when" in row and not _holds(row["when"], rendered):
            continue
        sources = sorted(present) if row["from"] == "every pod" else row["from"]
        for source, target, port in product(sources, row["to"], row["ports"]):
            if source in names and target in names:
                number, _, protocol = str(port).partition("/")
                edges.add(Edge(source, target, int(number), protocol or "TCP"))
    return edges


def _holds(condition: str, rendered: Rendered) -> bool:
    """A row's `when`: a kind of object that is there, or a variable and the start of its value."""
    if condition.startswith("kind "):
        return bool(rendered.of_kind(condition.removeprefix("kind ")))
    name, _, start = condition.partition("=")
    values = (environment_of(rendered, container).get(name, "") for container in rendered.containers)
    return any(value.startswith(start) for value in values if value)


def peers_of(rendered: Rendered) -> dict[str, Peer]:
    """The pods of the rendering and the parties outside that the matrix names."""
    here = {"kubernetes.io/metadata.name": "imagerag"}
    for namespace in rendered.of_kind("Namespace"):
        here |= namespace["metadata"].get("labels", {})
    peers = {each.name: Peer(each.name, each.labels, here, inside=True) for each in rendered.workloads}
    for name, body in _matrix()["outside"].items():
        if "address" in body:
            peers[name] = Peer(name, address=body["address"], is_pod=False)
        else:
            peers[name] = Peer(name, body.get("pod", {}), body["namespace"])
    return peers


class Doors:
    """Which policies select which pods: found once for a rendering."""

    def __init__(self, rendered: Rendered) -> None:
        self.peers = peers_of(rendered)
        self._targets = {workload.name: workload for workload in rendered.workloads}
        self._policies = {
            (workload.name, direction): _policies(rendered, workload.labels, direction)
            for workload in rendered.workloads
            for direction in ("Ingress", "Egress")
        }

    def closed(self, name: str, direction: str) -> bool:
        """Whether any policy selects these pods for this direction."""
        return bool(self._policies[name, direction])

    def sides(self, edge: Edge) -> Iterator[tuple[str, bool]]:
        """The sides that policies here decide on, and whether each lets the edge through."""
        source, target = self.peers[edge.source], self.peers[edge.target]
        if source.inside and self.closed(source.name, "Egress"):
            yield "egress", self._open(source, target, edge, "Egress")
        if target.inside and self.closed(target.name, "Ingress"):
            yield "ingress", self._open(target, source, edge, "Ingress")

    def _open(self, pod: Peer, other: Peer, edge: Edge, direction: str) -> bool:
        rules_name, peers_name = ("egress", "to") if direction == "Egress" else ("ingress", "from")
        for policy in self._policies[pod.name, direction]:
            for rule in policy["spec"].get(rules_name) or []:
                named = rule.get(peers_name)
                is_peer = not named or any(_is_peer(each, other) for each in named)
                if is_peer and _has_port(rule, edge, self._targets.get(edge.target)):
                    return True
        return False


def everything_is_closed_first(rendered: Rendered) -> Findings:
    """A policy selects each pod, in both directions."""
    doors = Doors(rendered)
    for workload in rendered.workloads:
        for direction in ("Ingress", "Egress"):
            if not doors.closed(workload.name, direction):
                yield Finding(workload.subject, f"no policy closes its {direction.lower()}")


def needed_connections_are_open(rendered: Rendered) -> Findings:
    """Each edge of the matrix is open from both sides."""
    doors = Doors(rendered)
    for edge in sorted(needed_edges(rendered), key=str):
        for side, is_open in doors.sides(edge):
            if not is_open:
                yield Finding("NetworkPolicies", f"{edge} is needed and closed by the {side} side")


def other_connections_are_closed(rendered: Rendered) -> Findings:
    """Nothing but the matrix is open, not even from one side. (What no policy closes has its own rule.)"""
    doors, needed = Doors(rendered), needed_edges(rendered)
    ports = {(edge.port, edge.protocol) for edge in needed} | set(_ODD_PORTS)
    ports |= {(number, "TCP") for workload in rendered.workloads for number in workload.ports}
    ports |= set(_named_ports(rendered))
    for source, target in product(doors.peers, doors.peers):
        for port, protocol in sorted(ports):
            edge = Edge(source, target, port, protocol)
            if edge not in needed:
                for side, is_open in doors.sides(edge):
                    if is_open:
                        yield Finding("NetworkPolicies", f"{edge} is not needed and open on the {side} side")


def _named_ports(rendered: Rendered) -> Iterator[tuple[int, str]]:
    """The ports that policies name by number, whoever needs them."""
    for policy in rendered.of_kind("NetworkPolicy"):
        for rule in [*(policy["spec"].get("ingress") or []), *(policy["spec"].get("egress") or [])]:
            for port in rule.get("ports", []):
                if isinstance(port.get("port"), int):
                    yield port["port"], port.get("protocol", "TCP")


def _policies(rendered: Rendered, labels: dict[str, str], direction: str) -> list[Manifest]:
    return [
        policy
        for policy in rendered.of_kind("NetworkPolicy")
        if direction in _directions(policy) and selects(policy["spec"].get("podSelector"), labels)
    ]


def _directions(policy: Manifest) -> list[str]:
    default = ["Ingress", "Egress"] if policy["spec"].get("egress") else ["Ingress"]
    return list(policy["spec"].get("policyTypes", default))


def _is_peer(named: Manifest, peer: Peer) -> bool:
    if "ipBlock" in named:
        return _takes_address(named["ipBlock"], peer.address)
    if not peer.is_pod:
        return False
    if "namespaceSelector" in named:
        if not selects(named["namespaceSelector"], peer.namespace_labels):
            return False
    elif not peer.inside:
        return False
    return selects(named.get("podSelector"), peer.labels)


def _takes_address(block: Manifest, address: str) -> bool:
    wanted = ip_address(address)
    if wanted not in ip_network(block["cidr"]):
        return False
    return not any(wanted in ip_network(excepted) for excepted in block.get("except", []))


def _has_port(rule: Manifest, edge: Edge, target: Workload | None) -> bool:
    ports = rule.get("ports")
    return not ports or any(_is_port(port, edge, target) for port in ports)


def _is_port(port: Manifest, edge: Edge, target: Workload | None) -> bool:
    if port.get("protocol", "TCP") != edge.protocol:
        return False
    first: int | str | None = port.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        return target is not None and target.port_number(first) == edge.port
    return first <= edge.port <= int(port.get("endPort", first))
