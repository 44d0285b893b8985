"""Quantities, selectors and policies mean what Kubernetes means by them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.deploy.rules.manifests import Rendered, selects
from tests.deploy.rules.network import Doors, Edge
from tests.deploy.rules.quantities import quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", Fraction(1, 2)),
        ("2", 2),
        (3, 3),
        ("0.5", Fraction(1, 2)),
        ("2Gi", 2**31),
        ("1k", 1000),
        ("1Mi", 2**20),
    ],
)
def test_quantity(text: str | int, value: Fraction | int) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["", "1X", "one", "1 Gi", "Gi"])
def test_no_quantity(text: str) -> None:
    with pytest.raises(ValueError):
        quantity(text)


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        ({}, True),
        ({"matchLabels": {"app": "a"}}, True),
        ({"matchLabels": {"app": "a", "tier": "b"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
        (
            {
                "matchLabels": {"app": "a"},
                "matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}],
            },
            False,
        ),
    ],
)
def test_selector(selector: dict[str, Any], taken: bool) -> None:
    assert selects(selector, {"app": "a"}) is taken


def _pod(name: str, port: int) -> dict[str, Any]:
    container = {"name": name, "image": name, "ports": [{"name": "main", "containerPort": port}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": template}}


def _doors(**spec: Any) -> Doors:
    policy = {"kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": {"podSelector": {}, **spec}}
    return Doors(Rendered("two pods", (_pod("a", 80), _pod("b", 6379), policy)))


def _from(*peers: dict[str, Any], ports: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    rule: dict[str, Any] = {"from": list(peers)} if peers else {}
    return {"ingress": [rule | ({"ports": ports} if ports else {})], "policyTypes": ["Ingress"]}


_A = {"podSelector": {"matchLabels": {"app": "a"}}}
_EDGE = Edge("a", "b", 6379)


@pytest.mark.parametrize(
    ("spec", "is_open"),
    [
        ({"policyTypes": ["Ingress"]}, False),
        (_from(), True),
        (_from(_A), True),
        (_from({"podSelector": {"matchLabels": {"app": "b"}}}), False),
        (_from({"podSelector": {}}), True),
        (_from({"namespaceSelector": {}}), True),
        (_from({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}), False),
        (_from({"ipBlock": {"cidr": "0.0.0.0/0"}}), True),
        (_from({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}), False),
        (_from({"ipBlock": {"cidr": "::/0"}}), False),
        (_from(_A, ports=[{"port": 6379}]), True),
        (_from(_A, ports=[{"port": "main"}]), True),
        (_from(_A, ports=[{"port": "other"}]), False),
        (_from(_A, ports=[{"port": 6379, "protocol": "UDP"}]), False),
        (_from(_A, ports=[{"port": 6000, "endPort": 6400}]), True),
        (_from(_A, ports=[{"port": 6000, "endPort": 6100}]), False),
        (_from(_A, ports=[{"protocol": "TCP"}]), True),
    ],
)
def test_ingress_policy(spec: dict[str, Any], is_open: bool) -> None:
    assert dict(_doors(**spec).sides(_EDGE)) == {"ingress": is_open}


def test_a_policy_with_egress_rules_closes_both_directions() -> None:
    """`policyTypes` may be left out: ingress always, egress if there are rules for it."""
    doors = _doors(egress=[{"to": [{"podSelector": {"matchLabels": {"app": "b"}}}]}])
    assert dict(doors.sides(_EDGE)) == {"egress": True, "ingress": False}


def test_an_unselected_pod_is_not_closed() -> None:
    doors = _doors(podSelector={"matchLabels": {"app": "b"}}, policyTypes=["Ingress"])
    assert doors.closed("b", "Ingress")
    assert not doors.closed("b", "Egress")
    assert not doors.closed("a", "Ingress")
