from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.errors import CliError
from services.cli.snapshots.addresses import node_urls
from services.cli.snapshots.manifest import Manifest, ShardFile, alias_of, moment_of, new_name, superseded
from services.cli.snapshots.planning import holdings, sources, targets
from services.common.index.nodes import NodeShards

SHARDS = 6
MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ALIASES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)


@st.composite
def clusters(draw: st.DrawFn) -> list[NodeShards]:
    """Nodes with shards that are complete here and incomplete there."""
    nodes = []
    for peer in range(draw(st.integers(1, 5))):
        states = {shard: draw(st.sampled_from(["none", "active", "other"])) for shard in range(SHARDS)}
        active = {shard: 10 for shard, state in states.items() if state == "active"}
        others = frozenset(shard for shard, state in states.items() if state == "other")
        nodes.append(NodeShards(f"http://node{peer}", peer, SHARDS, active, others))
    return nodes


@given(clusters())
def test_each_shard_is_read_from_a_node_that_has_it_whole(nodes: list[NodeShards]) -> None:
    whole = set().union(*(node.active for node in nodes))
    if whole != set(range(SHARDS)):
        with pytest.raises(CliError, match="has no replica"):
            sources(nodes)
        return
    chosen = sources(nodes)
    assert list(chosen) == list(range(SHARDS))
    assert all(shard in node.active for shard, node in chosen.items())


@given(clusters())
def test_each_shard_goes_to_a_node_that_has_a_replica(nodes: list[NodeShards]) -> None:
    there = sorted(set().union(*map(holdings, nodes)))
    chosen = targets(nodes, there)
    assert list(chosen) == there
    assert all(shard in holdings(node) for shard, node in chosen.items())


@given(st.integers(1, 4), st.integers(1, 12))
def test_the_load_is_even_where_every_node_has_everything(peers: int, shards: int) -> None:
    everything = dict.fromkeys(range(shards), 1)
    nodes = [NodeShards(f"http://node{peer}", peer, shards, everything) for peer in range(peers)]
    loads = [sum(node.peer_id == peer for node in sources(nodes).values()) for peer in range(peers)]
    assert max(loads) - min(loads) <= 1


@given(ALIASES, MOMENTS)
def test_names_tell_alias_and_time(alias: str, moment: datetime) -> None:
    name = new_name(alias, moment)
    assert alias_of(name) == alias
    assert moment_of(name) == moment.replace(microsecond=0)


@given(st.lists(MOMENTS, max_size=10, unique_by=lambda moment: moment.replace(microsecond=0)), st.integers(1, 12))
def test_the_newest_of_an_alias_stay(moments: list[datetime], keep: int) -> None:
    names = [new_name("shop", moment) for moment in moments]
    strangers = [new_name("shop-2", moment) for moment in moments] + ["shop", "other.txt"]
    gone = superseded([*strangers, *names], "shop", keep)
    assert len(gone) == max(0, len(names) - keep)
    kept = set(names) - set(gone)
    assert set(gone) <= set(names)
    assert not gone or not kept or max(gone) < min(kept)


def test_a_manifest_is_read_back() -> None:
    shard = ShardFile(0, "shard-0.snapshot", 10, "00", 3, "http://a", 1)
    manifest = Manifest("a-20260101T000000Z", "2026", "a", "a-1", {"joint": "x"}, 3, 4, "1.20.0", {}, {}, (shard,))
    assert Manifest.from_document(manifest.to_document()) == manifest


@pytest.mark.parametrize("document", [None, [], {}, {"format": 9}, {"format": 1, "name": "a"}])
def test_a_damaged_manifest_is_refused(document: object) -> None:
    with pytest.raises(CliError):
        Manifest.from_document(document)


def addresses_of(found: dict[str, list[str]]) -> list[str]:
    """Looks up names in a table."""

    def look_up(host: str, _port: int) -> list[str]:
        if host not in found:
            raise OSError("no such name")
        return found[host]

    return node_urls(["http://headless:6333", "http://10.0.0.9:6333/"], look_up)


def test_a_headless_name_means_all_its_addresses() -> None:
    found = addresses_of({"headless": ["10.0.0.1", "10.0.0.2", "fd00::1"]})
    assert found == [
        "http://10.0.0.1:6333",
        "http://10.0.0.2:6333",
        "http://[fd00::1]:6333",
        "http://10.0.0.9:6333",
    ]


def test_a_name_with_one_address_stays_a_name() -> None:
    assert addresses_of({"headless": ["10.0.0.1"]})[0] == "http://headless:6333"


def test_an_https_name_stays_a_name_for_its_certificate() -> None:
    assert node_urls(["https://qdrant-0:6333"], lambda *_: ["10.0.0.1", "10.0.0.2"]) == ["https://qdrant-0:6333"]


@pytest.mark.parametrize("url", ["qdrant:6333", "ftp://a", "http://", "http://unknown:6333"])
def test_what_is_no_node_is_refused(url: str) -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(CliError):
        node_urls([url], unknown)
