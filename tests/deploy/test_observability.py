"""Dashboard and alerts ask for nothing that the services do not expose, and every alert has a page to turn to.

What is exposed stands in `deploy/observability/metrics.json`; a test of the normal suite compares that with the
`/metrics` of every process of a running cluster.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.promql import TARGET_LABELS, family_of, labels_of, metrics_of, problems

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
INVENTORY: dict[str, dict[str, Any]] = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]  # fmt: skip
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SERVICES = {"gateway", "retriever", "encoder", "generator", "workers", "beat"}
"""What runs everywhere; the store does on one machine only."""


def queries() -> Iterator[tuple[str, str]]:
    """Every query with the place where it stands."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for rule in ALERTS:
        yield f"{rule['alert']} {rule['labels'].get('part', '')}".rstrip(), rule["expr"]


@pytest.mark.parametrize(("place", "query"), list(queries()), ids=[place for place, _ in queries()])
def test_a_query_asks_for_what_is_exposed(place: str, query: str) -> None:
    assert problems(query, INVENTORY) == []


MUTATIONS = {
    "no such metric": ("imagerag_backlog_items", "imagerag_backlog_item"),
    "a metric that was renamed": ("imagerag_embedding_cache_total", "imagerag_embedding_cache_lookups_total"),
    "no such label": ('{lane="interactive"}', '{line="interactive"}'),
    "no such label to group by": ("sum by (reason)", "sum by (cause)"),
    "a histogram without its part": ("imagerag_call_seconds_bucket", "imagerag_call_seconds"),
    "a part of what is no histogram": ("imagerag_searches_total", "imagerag_searches_total_bucket"),
    "a counter without its ending": ("imagerag_worker_items_total", "imagerag_worker_items"),
    "a counter taken as it stands": (
        "sum(increase(imagerag_worker_splits_total[1h]))",
        "imagerag_worker_splits_total",
    ),
    "the rate of a gauge": ("deriv(imagerag_backlog_items[30m])", "rate(imagerag_backlog_items[30m])"),
    "a quantile without its buckets": ("sum by (le) (", "sum ("),
    "a bracket too few": ("[5m]))", "[5m])"),
    "a range too many": ("imagerag_backlog_age_seconds", "imagerag_backlog_age_seconds[5m]"),
    "a value without quotes": ('"POST /v1/search"', "POST"),
}


@pytest.mark.parametrize(("before", "after"), list(MUTATIONS.values()), ids=list(MUTATIONS))
def test_a_broken_query_is_seen(before: str, after: str) -> None:
    touched = [query for _, query in queries() if before in query]
    assert touched, "no query holds this any more: change the mutation"
    assert all(problems(query.replace(before, after), INVENTORY) for query in touched)


def test_every_metric_of_ours_is_shown_or_explained() -> None:
    shown = {family_of(name, INVENTORY) for _, query in queries() for name in metrics_of(query)}
    ours = {name for name in INVENTORY if name.startswith("imagerag_")}
    assert ours - shown <= {name for name in ours if f"`{name}" in PAGE}
    assert not {name for name in ours if f"`{name}" not in PAGE}, "docs/observability.md lists every metric"


def test_the_page_lists_no_metric_that_is_gone() -> None:
    listed = set(re.findall(r"`(imagerag_[a-z_]+)", PAGE))
    assert listed <= set(INVENTORY), sorted(listed - set(INVENTORY))


def test_names_follow_the_conventions_of_prometheus() -> None:
    for name, metric in INVENTORY.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert name.endswith("_total") == (metric["type"] == "counter"), name
        assert not re.search(
            r"_(ms|millis|milliseconds|minutes|hours|kb|mb|percent|count|sum|bucket)(_total)?$", name
        )


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']} {rule['labels'].get('part', '')}")
def test_an_alert_says_what_it_means_and_where_to_look(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"Imagerag[A-Z][A-Za-z]+", rule["alert"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    page, _, section = rule["annotations"]["runbook_url"].partition("#")
    assert page == "docs/observability.md"
    assert section == rule["alert"].lower()
    assert re.search(rf"^### {rule['alert']}$", PAGE, re.MULTILINE), "the page has no section for it"
    for text in rule["annotations"].values():
        used = set(re.findall(r"\$labels\.(\w+)", text))
        assert used <= labels_of(rule["expr"], INVENTORY) | rule["labels"].keys() | TARGET_LABELS


def test_the_page_has_no_section_for_an_alert_that_is_gone() -> None:
    sections = set(re.findall(r"^### (Imagerag\w+)$", PAGE, re.MULTILINE))
    assert sections == {rule["alert"] for rule in ALERTS}


def test_every_service_that_is_down_is_told() -> None:
    told = {
        service
        for rule in ALERTS
        for service in re.findall(r'absent\(imagerag_build_info{service="(\w+)"}\)', rule["expr"])
    }
    assert told == SERVICES
    assert told < set(INVENTORY["imagerag_build_info"]["services"])


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_panel_names_its_lines_by_labels_that_they_have(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        used = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert used <= labels_of(target["expr"], INVENTORY)
    for alert in re.findall(r"Imagerag[A-Za-z]+", panel["description"]):
        assert alert in {rule["alert"] for rule in ALERTS}


def test_the_panels_lie_beside_one_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Traffic", "Search", "Ingest", "Encoder", "Answers", "Dependencies and processes"]


def test_the_example_scrapes_every_service_and_loads_the_rules() -> None:
    example = yaml.safe_load((FOLDER / "prometheus.yaml").read_text(encoding="utf-8"))
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert [(FOLDER / name).exists() for name in example["rule_files"]] == [True]
    (found,) = example["scrape_configs"][0]["dns_sd_configs"]
    assert set(found["names"]) <= set(compose["services"])
    assert {name.partition("-")[0].replace("worker", "workers") for name in found["names"]} == SERVICES
