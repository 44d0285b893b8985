"""Wraps alerts.yaml into what the Prometheus operator reads, prometheusrule.yaml. Run it after a change.

Prometheus itself and promtool want the plain file, and kustomize cannot put one file into another. A test
compares the two.
"""

from pathlib import Path
from textwrap import indent

FOLDER = Path(__file__).parent
HEADER = """\
# Made from alerts.yaml by prometheus_rule.py; change that one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: imagerag
  namespace: imagerag
spec:
"""


def wrapped(rules: str) -> str:
    """The object that holds these rules, as YAML."""
    lines = [line for line in rules.splitlines(keepends=True) if not line.startswith("#")]
    return HEADER + indent("".join(lines), "  ")


if __name__ == "__main__":
    rules = (FOLDER / "alerts.yaml").read_text(encoding="utf-8")
    (FOLDER / "prometheusrule.yaml").write_text(wrapped(rules), encoding="utf-8")
