"""Pods end after their work: time to finish, then the kill."""

from __future__ import annotations

import re

from services.common.settings import ServiceSettings
from tests.deploy.rules.environment import programs, settings_of
from tests.deploy.rules.manifests import Container, Finding, Findings, Rendered, Workload
from tests.deploy.rules.sources import constant
from workers.settings import WorkersSettings

_KILL_GRACE_S = float(constant("workers/queueing.py", "_KILL_GRACE_S"))
"""Seconds after its limit at which the process of a task is killed."""


def task_limit_s(rendered: Rendered, workload: Workload) -> float | None:
    """The longest that a task of these pods may take; None for pods that are no workers."""
    for container in workload.lasting_containers:
        settings = settings_of(rendered, workload, container)
        if isinstance(settings, WorkersSettings) and container.arguments[-1:] != ["beat"]:
            return settings.batch_limit_s + _KILL_GRACE_S
    return None


def work_s(rendered: Rendered, workload: Workload, container: Container) -> float:
    """The longest that running work may take after SIGTERM."""
    limit_s = task_limit_s(rendered, workload)
    if limit_s is not None:
        return limit_s
    settings = settings_of(rendered, workload, container)
    return settings.drain_s if isinstance(settings, ServiceSettings) else 0.0


def grace_outlasts_the_drain(rendered: Rendered) -> Findings:
    """terminationGracePeriodSeconds is above preStop plus the time that running work gets."""
    for workload, container in programs(rendered):
        if not workload.long_running or container.starts_first:
            continue
        grace_s = workload.pod.get("terminationGracePeriodSeconds", 30)
        needed_s = pause_s(container) + work_s(rendered, workload, container)
        if grace_s <= needed_s:
            yield Finding(container.subject, f"is killed after {grace_s} s; preStop and drain take {needed_s:g} s")


def servers_pause_before_they_stop(rendered: Rendered) -> Findings:
    """A pod behind a Service goes on answering while the news of its end spreads: a preStop pause."""
    for workload, container in programs(rendered):
        settings = settings_of(rendered, workload, container)
        serves = isinstance(settings, ServiceSettings) and not isinstance(settings, WorkersSettings)
        if workload.long_running and serves and not container.starts_first and pause_s(container) < 1:
            yield Finding(container.subject, "has no preStop pause")


def pause_s(container: Container) -> float:
    """Seconds that preStop takes; 0 if there is none, or none that can be read."""
    hook = container.body.get("lifecycle", {}).get("preStop", {})
    if "sleep" in hook:
        return float(hook["sleep"]["seconds"])
    found = re.search(r"sleep[\s,]+(\d+)", " ".join(hook.get("exec", {}).get("command", [])))
    return float(found[1]) if found else 0.0


def answers_are_not_cut(rendered: Rendered) -> Findings:
    """The gateway drains as long as its longest answer takes, the encoder as long as a worker waits."""
    found = {type(settings).__name__: settings for _, settings in _all_settings(rendered)}
    waits = (
        ("GatewaySettings", "GatewaySettings", "answer_deadline_s"),
        ("EncoderSettings", "WorkersSettings", "encoder_deadline_s"),
    )
    for server, client, deadline in waits:
        if server in found and client in found:
            drain_s, wait_s = getattr(found[server], "drain_s"), getattr(found[client], deadline)  # noqa: B009
            if drain_s < wait_s:
                yield Finding(server, f"drains {drain_s:g} s, {client} waits {wait_s:g} s for an answer")


def _all_settings(rendered: Rendered) -> list[tuple[str, object]]:
    return [
        (container.subject, settings_of(rendered, workload, container))
        for workload, container in programs(rendered)
        if workload.long_running
    ]


def jobs_end(rendered: Rendered) -> Findings:
    """A job has a deadline, a bound of tries and is cleared away; a scheduled one never runs twice at once."""
    for workload in rendered.workloads:
        if workload.kind not in ("Job", "CronJob"):
            continue
        spec = workload.spec if workload.kind == "Job" else workload.spec["jobTemplate"]["spec"]
        for name in ("activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"):
            if name not in spec:
                yield Finding(workload.subject, f"has no {name}")
        if workload.kind == "CronJob" and workload.spec.get("concurrencyPolicy") != "Forbid":
            yield Finding(workload.subject, "may run twice at once")
