"""Every rule, by the name that tests and messages use."""

from __future__ import annotations

from collections.abc import Callable

from tests.deploy.rules import (
    environment,
    images,
    lifecycle,
    monitoring,
    network,
    probes,
    references,
    resources,
    scaling,
    security,
    selectors,
    storage,
)
from tests.deploy.rules.manifests import Finding, Findings, Rendered

Rule = Callable[[Rendered], Findings]

_ALL: tuple[Rule, ...] = (
    selectors.selectors_match_own_pods,
    selectors.services_lead_to_a_port,
    selectors.stateful_sets_have_their_service,
    selectors.ingresses_lead_to_services,
    references.references_exist,
    references.mounts_have_volumes,
    references.nothing_is_left_over,
    references.ingresses_have_certificates,
    resources.resources_are_bounded,
    resources.scratch_space_is_bounded,
    resources.gpu_rollouts_need_no_spare,
    security.pods_are_restricted,
    security.namespace_enforces_restricted,
    security.roots_are_read_only,
    security.no_account_tokens,
    security.accounts_are_not_shared,
    security.no_literal_secrets,
    network.everything_is_closed_first,
    network.needed_connections_are_open,
    network.other_connections_are_closed,
    environment.names_are_settings,
    environment.values_are_accepted,
    environment.addresses_lead_to_services,
    environment.grpc_addresses_find_every_replica,
    environment.paths_are_mounted,
    environment.ports_are_declared,
    probes.grpc_services_have_grpc_probes,
    probes.liveness_knows_no_dependency,
    probes.programs_are_watched,
    probes.qdrant_is_never_restarted,
    probes.models_get_time_to_load,
    probes.probes_ask_declared_ports,
    lifecycle.grace_outlasts_the_drain,
    lifecycle.servers_pause_before_they_stop,
    lifecycle.answers_are_not_cut,
    lifecycle.jobs_end,
    scaling.scalers_have_targets,
    scaling.utilization_has_its_request,
    scaling.cooldowns_outlast_tasks,
    scaling.budgets_allow_an_eviction,
    scaling.replicas_are_kept_apart,
    scaling.there_is_one_beat,
    images.images_have_their_version,
    images.models_have_their_revision,
    storage.shards_have_replicas,
    storage.qdrant_fetches_no_addresses,
    storage.the_broker_forgets_nothing,
    storage.the_cache_forgets_first,
    storage.pictures_are_shared,
    storage.callers_bring_their_keys,
    monitoring.monitors_lead_to_ports,
    monitoring.everything_is_scraped,
    monitoring.triggers_lead_to_services,
    monitoring.queues_have_workers,
)
RULES: dict[str, Rule] = {rule.__name__: rule for rule in _ALL}


def findings_of(name: str, rendered: Rendered) -> list[Finding]:
    """What one rule has to say about a rendering."""
    return list(RULES[name](rendered))
