"""One thing broken in a rendering: what each rule must see, and no other rule."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.deploy.rules.manifests import Manifest, Rendered, pod_template

Change = Callable[["Draft"], object]


class Draft:
    """A copy of a rendering that can be changed, and the ways to its parts."""

    def __init__(self, rendered: Rendered) -> None:
        self._name = rendered.name
        self.objects: list[Manifest] = copy.deepcopy(list(rendered.objects))

    def done(self) -> Rendered:
        """The changed rendering."""
        return Rendered(self._name, tuple(self.objects))

    def get(self, kind: str, name: str) -> Manifest:
        """An object; a ConfigMap also without the hash that kustomize adds to its name.

        Raises:
            LookupError: There is none.
        """
        for body in self.objects:
            found = body["metadata"]["name"]
            if body["kind"] == kind and (found == name or (kind == "ConfigMap" and found.startswith(f"{name}-"))):
                return body
        raise LookupError(f"{self._name} has no {kind} {name}")

    def spec(self, kind: str, name: str) -> Manifest:
        """`spec` of an object."""
        return self.get(kind, name)["spec"]  # type: ignore[no-any-return]

    def pod(self, kind: str, name: str) -> Manifest:
        """`spec` of an object's pods."""
        template = pod_template(self.get(kind, name))
        assert template is not None
        return template["spec"]  # type: ignore[no-any-return]

    def container(self, kind: str, name: str) -> Manifest:
        """The first container of an object's pods."""
        return self.pod(kind, name)["containers"][0]  # type: ignore[no-any-return]

    def settings(self) -> dict[str, str]:
        """The settings that all services share."""
        return self.get("ConfigMap", "imagerag-settings")["data"]  # type: ignore[no-any-return]

    def set_variable(self, kind: str, name: str, variable: str, value: str) -> None:
        """Give the first container a variable; one of the same name goes."""
        container = self.container(kind, name)
        kept = [each for each in container.get("env", []) if each["name"] != variable]
        container["env"] = [*kept, {"name": variable, "value": value}]

    def remove(self, kind: str, name: str) -> None:
        """Take an object away."""
        self.objects.remove(self.get(kind, name))

    def add(self, kind: str, name: str, **parts: Any) -> None:
        """Put a further object in."""
        metadata = {"name": name, "namespace": "imagerag", **parts.pop("metadata", {})}
        self.objects.append({"apiVersion": "v1", "kind": kind, "metadata": metadata, **parts})


@dataclass(frozen=True)
class Mutation:
    """A change that exactly one rule must see."""

    rule: str
    change: Change
    parts: tuple[str, ...] = ("overlays/prod",)

    @property
    def id(self) -> str:
        return f"{self.rule}:{self.change.__name__.removeprefix('_')}"


MUTATIONS: list[Mutation] = []


def breaks(rule: str, *parts: str) -> Callable[[Change], Change]:
    """Register a change under the rule that must see it, on these parts (the prod overlay if none are named)."""

    def register(change: Change) -> Change:
        MUTATIONS.append(Mutation(rule, change, parts or ("overlays/prod",)))
        return change

    return register


@breaks("selectors_match_own_pods")
def _selector_takes_every_pod(draft: Draft) -> None:
    draft.spec("Deployment", "gateway")["selector"] = {"matchLabels": {"app.kubernetes.io/part-of": "imagerag"}}


@breaks("services_lead_to_a_port")
def _target_port_has_another_name(draft: Draft) -> None:
    draft.spec("Service", "gateway")["ports"][0]["targetPort"] = "web"


@breaks("stateful_sets_have_their_service")
def _governing_service_does_not_exist(draft: Draft) -> None:
    draft.spec("StatefulSet", "broker")["serviceName"] = "brokers"


@breaks("ingresses_lead_to_services")
def _ingress_names_another_port(draft: Draft) -> None:
    draft.spec("Ingress", "gateway")["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] = {
        "name": "web"
    }


@breaks("ingresses_have_certificates")
def _ingress_without_tls(draft: Draft) -> None:
    del draft.spec("Ingress", "gateway")["tls"]


@breaks("references_exist")
def _secret_does_not_exist(draft: Draft) -> None:
    volumes = draft.pod("Deployment", "gateway")["volumes"]
    next(each for each in volumes if each["name"] == "keys")["secret"]["secretName"] = "imagerag-key"


@breaks("references_exist")
def _account_does_not_exist(draft: Draft) -> None:
    draft.remove("ServiceAccount", "retriever")


@breaks("references_exist", "overlays/cpu")
def _key_is_not_in_the_secret(draft: Draft) -> None:
    volumes = draft.pod("StatefulSet", "broker")["volumes"]
    next(each for each in volumes if each["name"] == "password")["secret"]["items"][0]["key"] = "passwort"


@breaks("references_exist")
def _priority_does_not_exist(draft: Draft) -> None:
    draft.pod("Deployment", "retriever")["priorityClassName"] = "imagerag-urgent"


@breaks("mounts_have_volumes")
def _volume_is_not_mounted(draft: Draft) -> None:
    draft.pod("Deployment", "gateway")["volumes"].append({"name": "spare", "emptyDir": {"sizeLimit": "1Mi"}})


@breaks("nothing_is_left_over")
def _unused_config_map(draft: Draft) -> None:
    draft.add("ConfigMap", "old-settings", data={"a": "b"})


@breaks("resources_are_bounded")
def _limit_below_the_request(draft: Draft) -> None:
    draft.container("Deployment", "generator")["resources"]["limits"]["memory"] = "1Mi"


@breaks("resources_are_bounded")
def _no_limit_of_memory(draft: Draft) -> None:
    del draft.container("Deployment", "retriever")["resources"]["limits"]["memory"]


@breaks("scratch_space_is_bounded")
def _scratch_without_size(draft: Draft) -> None:
    volumes = draft.pod("Deployment", "gateway")["volumes"]
    next(each for each in volumes if "emptyDir" in each)["emptyDir"] = {}


@breaks("gpu_rollouts_need_no_spare")
def _surge_needs_a_gpu(draft: Draft) -> None:
    draft.spec("Deployment", "encoder")["strategy"]["rollingUpdate"] = {"maxSurge": 1, "maxUnavailable": 0}


@breaks("pods_are_restricted")
def _host_network(draft: Draft) -> None:
    draft.pod("Deployment", "encoder")["hostNetwork"] = True


@breaks("pods_are_restricted")
def _keeps_capabilities(draft: Draft) -> None:
    draft.container("Deployment", "beat")["securityContext"]["capabilities"] = {"drop": ["NET_RAW"]}


@breaks("pods_are_restricted")
def _runs_as_root(draft: Draft) -> None:
    draft.pod("StatefulSet", "qdrant")["securityContext"]["runAsUser"] = 0


@breaks("pods_are_restricted")
def _folder_of_the_host(draft: Draft) -> None:
    volumes = draft.pod("Deployment", "gateway")["volumes"]
    index = next(place for place, each in enumerate(volumes) if each["name"] == "keys")
    volumes[index] = {"name": "keys", "hostPath": {"path": "/etc/keys"}}


@breaks("namespace_enforces_restricted")
def _namespace_without_label(draft: Draft) -> None:
    del draft.get("Namespace", "imagerag")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]


@breaks("namespace_enforces_restricted")
def _object_in_another_namespace(draft: Draft) -> None:
    draft.get("PodDisruptionBudget", "gateway")["metadata"]["namespace"] = "default"


@breaks("roots_are_read_only")
def _writable_root(draft: Draft) -> None:
    draft.container("StatefulSet", "cache")["securityContext"]["readOnlyRootFilesystem"] = False


@breaks("no_account_tokens")
def _token_is_mounted(draft: Draft) -> None:
    draft.pod("Deployment", "retriever")["automountServiceAccountToken"] = True


@breaks("accounts_are_not_shared")
def _two_share_an_account(draft: Draft) -> None:
    draft.pod("Deployment", "worker-bulk")["serviceAccountName"] = "worker-interactive"
    draft.remove("ServiceAccount", "worker-bulk")


@breaks("no_literal_secrets")
def _secret_with_a_value(draft: Draft) -> None:
    draft.add("Secret", "imagerag-old", stringData={"password": "hunter2"})


@breaks("no_literal_secrets")
def _password_in_a_config_map(draft: Draft) -> None:
    draft.get("ConfigMap", "imagerag-broker")["data"]["valkey.conf"] += "\nrequirepass hunter2\n"


@breaks("everything_is_closed_first")
def _no_default_deny(draft: Draft) -> None:
    draft.remove("NetworkPolicy", "default-deny")


@breaks("needed_connections_are_open")
def _egress_to_the_cache_is_closed(draft: Draft) -> None:
    egress = draft.spec("NetworkPolicy", "retriever")["egress"]
    egress[:] = [rule for rule in egress if rule["ports"][0]["port"] != 6379]


@breaks("needed_connections_are_open")
def _broker_lets_beat_not_in(draft: Draft) -> None:
    draft.spec("NetworkPolicy", "broker")["ingress"][0]["from"][0]["podSelector"]["matchExpressions"][0][
        "values"
    ] = [
        "gateway",
        "worker-interactive",
        "worker-bulk",
    ]


@breaks("other_connections_are_closed")
def _gateway_may_reach_qdrant(draft: Draft) -> None:
    labels = {"app.kubernetes.io/name": "qdrant"}
    rule = {"to": [{"podSelector": {"matchLabels": labels}}], "ports": [{"port": 6333}]}
    draft.spec("NetworkPolicy", "gateway")["egress"].append(rule)


@breaks("other_connections_are_closed")
def _every_port_of_the_encoder_is_open(draft: Draft) -> None:
    del draft.spec("NetworkPolicy", "encoder")["ingress"][0]["ports"]


@breaks("other_connections_are_closed")
def _private_addresses_are_open(draft: Draft) -> None:
    for rule in draft.spec("NetworkPolicy", "to-object-storage")["egress"]:
        for peer in rule["to"]:
            peer["ipBlock"].pop("except", None)


@breaks("names_are_settings")
def _misspelt_shared_setting(draft: Draft) -> None:
    draft.settings()["IMAGERAG_LOGLEVEL"] = "info"


@breaks("names_are_settings")
def _setting_of_another_service(draft: Draft) -> None:
    draft.set_variable("Deployment", "encoder", "IMAGERAG_GATEWAY_UPLOAD_FILES", "10")


@breaks("values_are_accepted")
def _number_that_is_none(draft: Draft) -> None:
    draft.set_variable("Deployment", "beat", "IMAGERAG_WORKERS_CONCURRENCY", "many")


@breaks("addresses_lead_to_services")
def _encoder_by_a_wrong_name(draft: Draft) -> None:
    draft.settings()["IMAGERAG_ENCODER_URL"] = "dns:///encoder:50051"


@breaks("addresses_lead_to_services")
def _retriever_by_a_wrong_port(draft: Draft) -> None:
    draft.settings()["IMAGERAG_RETRIEVER_URL"] = "dns:///retriever-headless:50051"


@breaks("addresses_lead_to_services")
def _no_address_of_the_generator(draft: Draft) -> None:
    draft.settings()["IMAGERAG_GENERATOR_URL"] = "dns:///localhost:50053"


@breaks("grpc_addresses_find_every_replica")
def _service_with_an_address_of_its_own(draft: Draft) -> None:
    del draft.spec("Service", "retriever-headless")["clusterIP"]


@breaks("paths_are_mounted")
def _keys_where_nothing_is_mounted(draft: Draft) -> None:
    draft.set_variable("Deployment", "gateway", "IMAGERAG_GATEWAY_KEYS_PATH", "/etc/keys.jsonl")


@breaks("ports_are_declared")
def _metrics_on_another_port(draft: Draft) -> None:
    draft.settings()["IMAGERAG_GENERATOR_METRICS_PORT"] = "9091"


@breaks("ports_are_declared")
def _listens_on_loopback(draft: Draft) -> None:
    draft.settings()["IMAGERAG_RETRIEVER_HOST"] = "127.0.0.1"


@breaks("grpc_services_have_grpc_probes")
def _asks_for_an_unknown_service(draft: Draft) -> None:
    draft.container("Deployment", "encoder")["readinessProbe"]["grpc"]["service"] = "imagerag.v1.Encode"


@breaks("liveness_knows_no_dependency")
def _alive_only_if_all_are_ready(draft: Draft) -> None:
    draft.container("Deployment", "gateway")["livenessProbe"]["httpGet"]["path"] = "/readyz"


@breaks("liveness_knows_no_dependency")
def _alive_only_with_the_index(draft: Draft) -> None:
    draft.container("Deployment", "retriever")["livenessProbe"]["grpc"]["service"] = "imagerag.v1.Retriever"


@breaks("liveness_knows_no_dependency")
def _restarted_after_a_second(draft: Draft) -> None:
    draft.container("Deployment", "generator")["livenessProbe"] |= {"periodSeconds": 1, "failureThreshold": 1}


@breaks("programs_are_watched")
def _gateway_is_not_watched(draft: Draft) -> None:
    del draft.container("Deployment", "gateway")["livenessProbe"]


@breaks("qdrant_is_never_restarted")
def _qdrant_has_a_liveness_probe(draft: Draft) -> None:
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "failureThreshold": 10}
    draft.container("StatefulSet", "qdrant")["livenessProbe"] = probe


@breaks("models_get_time_to_load")
def _model_has_seconds_to_load(draft: Draft) -> None:
    draft.container("Deployment", "encoder")["startupProbe"]["failureThreshold"] = 3


@breaks("probes_ask_declared_ports")
def _probe_asks_another_port(draft: Draft) -> None:
    draft.container("Deployment", "gateway")["readinessProbe"]["httpGet"]["port"] = "web"


@breaks("grace_outlasts_the_drain")
def _workers_are_killed_at_work(draft: Draft) -> None:
    draft.pod("Deployment", "worker-bulk")["terminationGracePeriodSeconds"] = 60


@breaks("grace_outlasts_the_drain")
def _no_time_to_drain(draft: Draft) -> None:
    del draft.pod("Deployment", "gateway")["terminationGracePeriodSeconds"]


@breaks("servers_pause_before_they_stop")
def _stops_at_once(draft: Draft) -> None:
    del draft.container("Deployment", "retriever")["lifecycle"]


@breaks("answers_are_not_cut")
def _drains_for_less_than_an_answer(draft: Draft) -> None:
    draft.set_variable("Deployment", "gateway", "IMAGERAG_DRAIN_S", "10")


@breaks("jobs_end")
def _snapshots_may_overlap(draft: Draft) -> None:
    draft.spec("CronJob", "snapshots")["concurrencyPolicy"] = "Allow"


@breaks("jobs_end")
def _job_without_deadline(draft: Draft) -> None:
    del draft.spec("Job", "encoder-weights")["activeDeadlineSeconds"]


@breaks("scalers_have_targets")
def _range_is_empty(draft: Draft) -> None:
    draft.spec("HorizontalPodAutoscaler", "gateway")["minReplicas"] = 40


@breaks("scalers_have_targets")
def _two_scalers_of_one_target(draft: Draft) -> None:
    second = copy.deepcopy(draft.get("HorizontalPodAutoscaler", "gateway"))
    second["metadata"]["name"] = "gateway-too"
    draft.objects.append(second)


@breaks("scalers_have_targets")
def _manifest_resets_the_scaler(draft: Draft) -> None:
    draft.spec("Deployment", "worker-bulk")["replicas"] = 2


@breaks("utilization_has_its_request")
def _scales_by_what_is_not_requested(draft: Draft) -> None:
    draft.spec("HorizontalPodAutoscaler", "gateway")["metrics"][0]["resource"]["name"] = "ephemeral-storage"


@breaks("cooldowns_outlast_tasks")
def _cools_down_before_a_task_ends(draft: Draft) -> None:
    draft.spec("ScaledObject", "worker-bulk")["cooldownPeriod"] = 60


@breaks("cooldowns_outlast_tasks")
def _task_outlasts_the_cooldown(draft: Draft) -> None:
    draft.set_variable("Deployment", "worker-bulk", "IMAGERAG_WORKERS_BATCH_LIMIT_S", "280")


@breaks("budgets_allow_an_eviction")
def _no_pod_may_go(draft: Draft) -> None:
    draft.spec("PodDisruptionBudget", "retriever")["maxUnavailable"] = 0


@breaks("budgets_allow_an_eviction")
def _budget_keeps_all(draft: Draft) -> None:
    spec = draft.spec("PodDisruptionBudget", "qdrant")
    del spec["maxUnavailable"]
    spec["minAvailable"] = 3


@breaks("replicas_are_kept_apart")
def _replicas_on_one_node(draft: Draft) -> None:
    del draft.pod("Deployment", "retriever")["topologySpreadConstraints"]


@breaks("replicas_are_kept_apart")
def _no_budget(draft: Draft) -> None:
    draft.remove("PodDisruptionBudget", "encoder")


@breaks("there_is_one_beat")
def _two_beats_during_an_upgrade(draft: Draft) -> None:
    draft.spec("Deployment", "beat")["strategy"] = {"type": "RollingUpdate"}


@breaks("images_have_their_version")
def _image_of_another_version(draft: Draft) -> None:
    draft.container("Deployment", "beat")["image"] = "imagerag-workers:0.0.9"


@breaks("images_have_their_version")
def _latest_image(draft: Draft) -> None:
    draft.container("StatefulSet", "qdrant")["image"] = "qdrant/qdrant:latest"


@breaks("models_have_their_revision")
def _folder_of_another_revision(draft: Draft) -> None:
    draft.set_variable("Job", "encoder-weights", "IMAGERAG_ENCODER_MODEL_REVISION", "0" * 40)


@breaks("models_have_their_revision")
def _model_that_nobody_fetches(draft: Draft) -> None:
    draft.set_variable("Deployment", "encoder", "IMAGERAG_ENCODER_MODEL", "/models/another")


@breaks("shards_have_replicas")
def _one_copy_of_each_shard(draft: Draft) -> None:
    draft.settings()["IMAGERAG_COLLECTION_REPLICAS"] = "1"


@breaks("shards_have_replicas")
def _nodes_start_in_order(draft: Draft) -> None:
    draft.spec("StatefulSet", "qdrant")["podManagementPolicy"] = "OrderedReady"


@breaks("qdrant_fetches_no_addresses")
def _snapshots_from_any_address(draft: Draft) -> None:
    data = draft.get("ConfigMap", "imagerag-qdrant")["data"]
    name = "enable_snapshot_url_recovery: "
    data["production.yaml"] = data["production.yaml"].replace(f"{name}false", f"{name}true")


@breaks("the_broker_forgets_nothing")
def _broker_evicts(draft: Draft) -> None:
    data = draft.get("ConfigMap", "imagerag-broker")["data"]
    data["valkey.conf"] = data["valkey.conf"].replace("noeviction", "allkeys-lru")


@breaks("the_broker_forgets_nothing")
def _broker_without_room_to_rewrite(draft: Draft) -> None:
    draft.container("StatefulSet", "broker")["resources"]["limits"]["memory"] = "800Mi"


@breaks("the_cache_forgets_first")
def _full_cache_refuses(draft: Draft) -> None:
    data = draft.get("ConfigMap", "imagerag-cache")["data"]
    data["valkey.conf"] = data["valkey.conf"].replace("allkeys-", "volatile-")


@breaks("pictures_are_shared", "overlays/cpu")
def _claim_of_one_node(draft: Draft) -> None:
    draft.spec("PersistentVolumeClaim", "imagerag-data")["accessModes"] = ["ReadWriteOnce"]


@breaks("callers_bring_their_keys")
def _retriever_without_a_key(draft: Draft) -> None:
    for volume in draft.pod("Deployment", "retriever")["volumes"]:
        sources = volume.get("projected", {}).get("sources", [])
        sources[:] = [each for each in sources if each["secret"]["name"] != "imagerag-qdrant"]


@breaks("callers_bring_their_keys")
def _beat_has_the_key_of_qdrant(draft: Draft) -> None:
    reference = {"secretKeyRef": {"name": "imagerag-qdrant", "key": "QDRANT_API_KEY"}}
    draft.container("Deployment", "beat")["env"].append({"name": "QDRANT_API_KEY", "valueFrom": reference})


@breaks("monitors_lead_to_ports")
def _scrapes_an_unknown_port(draft: Draft) -> None:
    draft.spec("PodMonitor", "imagerag")["podMetricsEndpoints"][0]["port"] = "metric"


@breaks("everything_is_scraped")
def _beat_is_not_scraped(draft: Draft) -> None:
    draft.spec("PodMonitor", "imagerag")["selector"]["matchExpressions"][0]["values"].remove("beat")


@breaks("triggers_lead_to_services")
def _address_without_namespace(draft: Draft) -> None:
    for trigger in draft.spec("ScaledObject", "worker-bulk")["triggers"]:
        if "address" in trigger["metadata"]:
            trigger["metadata"]["address"] = "broker:6379"


@breaks("triggers_lead_to_services")
def _queue_of_other_workers(draft: Draft) -> None:
    for trigger in draft.spec("ScaledObject", "worker-bulk")["triggers"]:
        if "listName" in trigger["metadata"]:
            trigger["metadata"]["listName"] = "interactive"


@breaks("queues_have_workers", "overlays/cpu")
def _nobody_takes_interactive_work(draft: Draft) -> None:
    draft.set_variable("Deployment", "worker-interactive", "IMAGERAG_WORKERS_QUEUES", "bulk")
