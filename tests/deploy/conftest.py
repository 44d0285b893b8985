"""What was checked, in a few lines at the end of the run."""

from __future__ import annotations

import pytest

from tests.deploy.mutations import MUTATIONS
from tests.deploy.rendering import EVERYTHING, render
from tests.deploy.rules.catalogue import RULES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A table of the renderings and their objects, and the numbers of rules and mutations."""
    if any("test_k8s_rules" in report.nodeid for report in terminalreporter.getreports("passed")):
        terminalreporter.section("manifests")
        for parts in EVERYTHING:
            terminalreporter.line(_row(parts))
        terminalreporter.line(f"{len(RULES)} rules on each of {len(EVERYTHING)}, {len(MUTATIONS)} broken copies")


def _row(parts: tuple[str, ...]) -> str:
    try:
        rendered = render(parts)
    except AssertionError:
        return f"does not render: {'+'.join(parts)}"
    return f"{len(rendered.objects):4d} objects, {len(rendered.workloads):3d} workloads  {rendered.name}"
