"""Every overlay and every documented combination of components holds every rule."""

from __future__ import annotations

import pytest

from tests.deploy.rendering import COMBINATIONS, COMPONENTS, EVERYTHING, OVERLAYS, render
from tests.deploy.rules.catalogue import RULES, findings_of


@pytest.mark.parametrize("parts", EVERYTHING, ids="+".join)
@pytest.mark.parametrize("rule", RULES)
def test_rule_holds(rule: str, parts: tuple[str, ...]) -> None:
    findings = findings_of(rule, render(parts))
    assert not findings, "\n".join(map(str, findings))


def test_overlays_are_there() -> None:
    assert set(OVERLAYS) >= {"overlays/dev", "overlays/cpu", "overlays/prod"}


def test_every_component_is_in_a_combination() -> None:
    assert set(COMPONENTS) == {name for parts in COMBINATIONS for name in parts if "/" not in name} - {"base"}
