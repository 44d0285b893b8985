"""Asks a cluster how it is."""

from __future__ import annotations

from pathlib import Path

from services.cli.diagnosis.findings import Finding, Level
from services.cli.errors import CliError
from services.cli.rest.client import RestClient

PARTS = ("store", "encoder", "generator", "retriever", "broker", "data")
"""What `/readyz` may name as missing."""


def cluster_findings(client: RestClient, logs: Path | None) -> list[Finding]:
    """Whether each part answers, and what the cluster encodes and answers with.

    Args:
        client: Of the gateway; without patience.
        logs: Where the logs are, if it runs on this machine.
    """
    try:
        missing = client.missing()
    except CliError as error:
        return [Finding("gateway", Level.NOTE, error.message, error.fix)]
    findings = [Finding("gateway", Level.OK, client.url)]
    findings += [part_finding(name, missing, logs) for name in dict.fromkeys((*PARTS, *missing))]
    return [*findings, *_about(client)]


def part_finding(name: str, missing: list[str], logs: Path | None) -> Finding:
    """Whether one part answers."""
    if name not in missing:
        return Finding(name, Level.OK, "answers")
    log = f"Read {logs / f'{name}.log'}." if logs else "Read its log."
    return Finding(name, Level.FAILED, "does not answer", log)


def _about(client: RestClient) -> list[Finding]:
    try:
        info = client.info()
    except CliError as error:
        return [Finding("cluster", Level.FAILED, error.message, error.fix)]
    semantic = [Finding("text encoder", Level.OK, str(info["semantic"]))] if info.get("semantic") else []
    return [
        Finding("version", Level.OK, str(info["version"])),
        Finding("model", Level.OK, f"{info['model']}. {info['notice']}".strip()),
        *semantic,
        Finding("generator", Level.OK, str(info["generator"])),
        Finding("tenant", Level.OK, str(info["tenant"])),
    ]
