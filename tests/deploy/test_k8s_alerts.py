"""The operator's rules and Grafana's dashboard are those of deploy/observability."""

from __future__ import annotations

import json

import yaml

from tests.deploy.rendering import K8S, render

_FOLDER = K8S.parent / "observability"
_PROD = ("overlays/prod",)


def test_the_operator_gets_the_rules_of_prometheus() -> None:
    plain = yaml.safe_load((_FOLDER / "alerts.yaml").read_text(encoding="utf-8"))
    (rule,) = render(_PROD).of_kind("PrometheusRule")
    assert rule["spec"] == plain, "run: python deploy/observability/prometheus_rule.py"
    assert sum(len(group["rules"]) for group in plain["groups"]) > 5


def test_grafana_gets_the_dashboard() -> None:
    body = render(_PROD).find("ConfigMap", "imagerag-dashboard")
    assert body is not None
    assert body["metadata"]["labels"]["grafana_dashboard"] == "1"
    (text,) = body["data"].values()
    assert json.loads(text) == json.loads((_FOLDER / "dashboard.json").read_text(encoding="utf-8"))
