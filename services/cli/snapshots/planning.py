"""Which node each shard is read from, and to which it is given back. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from services.cli.errors import CliError
from services.common.index.nodes import NodeShards


def sources(nodes: Sequence[NodeShards]) -> dict[int, NodeShards]:
    """Choose for each shard one node with an active replica of it, the load spread evenly.

    Raises:
        CliError: A shard has no active replica on these nodes.
    """
    expected = range(max(node.shard_count for node in nodes))
    return _spread({shard: [node for node in nodes if shard in node.active] for shard in expected}, nodes)


def targets(nodes: Sequence[NodeShards], shards: Collection[int]) -> dict[int, NodeShards]:
    """Choose for each shard of a snapshot one node with a replica of it, in whatever state.

    Raises:
        CliError: A shard has no replica on these nodes.
    """
    return _spread({shard: [node for node in nodes if shard in holdings(node)] for shard in shards}, nodes)


def holdings(node: NodeShards) -> frozenset[int]:
    """The shards that a node has a replica of."""
    return node.others | node.active.keys()


def _spread(holders: Mapping[int, Sequence[NodeShards]], nodes: Sequence[NodeShards]) -> dict[int, NodeShards]:
    load = {node.peer_id: 0 for node in nodes}
    chosen: dict[int, NodeShards] = {}
    # The shards with the fewest choices first: a node that is the only one for them gets no others.
    for shard, candidates in sorted(holders.items(), key=lambda entry: (len(entry[1]), entry[0])):
        if not candidates:
            raise CliError(
                f"Shard {shard} has no replica on the nodes {', '.join(node.url for node in nodes)}.",
                "Name every node of the cluster with --node (a headless Service's name means all its addresses), "
                "and see that none of them is starting or being synchronised.",
                code="shard_missing",
            )
        node = min(candidates, key=lambda candidate: (load[candidate.peer_id], candidate.peer_id))
        load[node.peer_id] += 1
        chosen[shard] = node
    return dict(sorted(chosen.items()))
