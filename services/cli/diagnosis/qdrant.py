"""Asks Qdrant itself: version, nodes, the collection in use and the copies of its shards."""

from __future__ import annotations

import ssl
from collections import Counter
from typing import Any

import httpx

from services.cli.diagnosis.findings import Finding, Level
from services.cli.snapshots.settings import SnapshotSettings
from services.common.settings import SettingsError, load_settings

_SUBJECT = "qdrant"
_COLOURS = {"green": Level.OK, "yellow": Level.OK, "grey": Level.NOTE, "red": Level.FAILED}
"""Yellow: an index is being built; grey: one waits to be built, after a restart."""


def ask_qdrant(running_store: str | None) -> list[Finding]:
    """Ask the Qdrant that the settings name, else the store of the running cluster, else nobody.

    Args:
        running_store: `host:port` of that store.
    """
    try:
        settings = load_settings(SnapshotSettings)
    except SettingsError as error:
        return [Finding(_SUBJECT, Level.FAILED, str(error), "Correct the variable.")]
    url = settings.qdrant_url or (f"http://{running_store}" if running_store else None)
    if url is None:
        return []
    key, authority = settings.qdrant_api_key, settings.qdrant_ca_path
    with httpx.Client(
        base_url=url,
        headers={"api-key": key.get_secret_value()} if key else {},
        verify=ssl.create_default_context(cafile=str(authority)) if authority else True,
        timeout=10,
        trust_env=False,
    ) as client:
        return qdrant_findings(client, settings.alias)


def qdrant_findings(client: httpx.Client, alias: str) -> list[Finding]:
    """What Qdrant says about itself and about the collection behind an alias.

    Args:
        client: With Qdrant's address and key.
        alias: Leads to the collection in use.
    """
    try:
        version = _get(client, "/")["version"]
        cluster = _get(client, "/cluster")["result"]
        collection = _found(client, f"/collections/{alias}")
        shards = _found(client, f"/collections/{alias}/cluster")
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        fix = "Is it running, and does QDRANT_URL lead to it? With a key: is QDRANT_API_KEY the same as its own?"
        return [Finding(_SUBJECT, Level.FAILED, f"{client.base_url} does not answer ({_brief(error)})", fix)]
    findings = [Finding(_SUBJECT, Level.OK, f"version {version}"), cluster_finding(cluster)]
    if collection is None or shards is None:
        return [*findings, Finding("collection", Level.NOTE, f"{alias!r} leads to none yet", "Ingest something.")]
    return [*findings, collection_finding(collection), replicas_finding(collection, shards)]


def cluster_finding(cluster: dict[str, Any]) -> Finding:
    """Of how many nodes Qdrant is, and whether they agree."""
    if cluster.get("status") != "enabled":
        return Finding("qdrant nodes", Level.OK, "one, without copies")
    peers = len(cluster.get("peers") or {})
    failures = cluster.get("message_send_failures") or {}
    if failures:
        fix = "See that all nodes run and reach each other on port 6335."
        return Finding("qdrant nodes", Level.FAILED, f"{peers}, of which {len(failures)} do not answer", fix)
    return Finding("qdrant nodes", Level.OK, str(peers))


def collection_finding(collection: dict[str, Any]) -> Finding:
    """How the collection is."""
    status = str(collection.get("status"))
    level = _COLOURS.get(status, Level.FAILED)
    fix = "" if level is Level.OK else "Qdrant's log has the reason."
    return Finding("collection", level, f"{status}, about {collection.get('points_count')} points", fix)


def replicas_finding(collection: dict[str, Any], shards: dict[str, Any]) -> Finding:
    """Whether each shard has as many complete copies as it should."""
    params = collection["config"]["params"]
    wanted = int(params.get("replication_factor") or 1)
    copies = [*shards.get("local_shards", []), *shards.get("remote_shards", [])]
    active = Counter(copy["shard_id"] for copy in copies if copy["state"] == "Active")
    short = [shard for shard in range(int(shards["shard_count"])) if active[shard] < wanted]
    gone = [shard for shard in short if active[shard] == 0]
    detail = f"{shards['shard_count']} with {wanted} copies each"
    if gone:
        fix = "Search lacks their items. Bring the nodes back, or restore a snapshot."
        return Finding("shards", Level.FAILED, f"{detail}; no copy of {gone}", fix)
    if short:
        fix = "A node is away, or copies are being made; losing another node may lose items."
        return Finding("shards", Level.NOTE, f"{detail}; fewer of {short}", fix)
    return Finding("shards", Level.OK, detail)


def _get(client: httpx.Client, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(path).raise_for_status().json()
    return answer


def _found(client: httpx.Client, path: str) -> dict[str, Any] | None:
    response = client.get(path)
    if response.status_code == 404:
        return None
    found: dict[str, Any] = response.raise_for_status().json()["result"]
    return found


def _brief(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    return type(error).__name__
