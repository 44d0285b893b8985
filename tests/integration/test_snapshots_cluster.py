"""Snapshots of a cluster: every shard once, from any node that has it whole; back into any layout."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from services.cli.errors import CliError
from services.cli.snapshots.service import SnapshotService
from services.cli.snapshots.vault import Vault
from services.common.errors import ConflictError, FingerprintMismatchError, ImageragError
from services.common.index.contract import EmbeddingContract
from services.common.index.index import Index
from services.common.index.layout import Layout
from services.common.index.nodes import Node
from services.common.index.recovery import Catalogue
from tests.fixtures.qdrant_cluster import FakeCluster, serve_cluster

CONTRACT = EmbeddingContract(joint="tiny@1", dim=4)
LAYOUT = Layout(shards=6, replicas=2, write_consistency=1)
POINTS = 600
NOWHERE = "http://127.0.0.1:1"


class Bench:
    """A cluster and the service on it."""

    def __init__(self, cluster: FakeCluster, vault: Path, stack: ExitStack) -> None:
        self.cluster, self.said = cluster, list[str]()
        self._vault = Vault(str(vault))
        self._catalogue = stack.enter_context(Catalogue(cluster.urls[0], api_key=None, ca_path=None))

    def service(self, *urls: str) -> SnapshotService:
        """On these nodes, or on all."""
        open_node = partial(Node, api_key=None, ca_path=None, timeout_s=10)
        return SnapshotService(
            self._catalogue, urls or self.cluster.urls, open_node, self._vault, self.said.append
        )

    async def fill(self) -> str:
        """Make the collection as the workers do, and put points into it."""
        async with Index(self.cluster.urls[0], layout=LAYOUT) as index:
            name = (await index.ensure(CONTRACT)).name
        shards = self.cluster.collections[name].shards
        for number in range(POINTS):
            shards[number % len(shards)].ids.add(number)
        return name


@pytest.fixture
def benches(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    with ExitStack() as stack:

        def make(peers: int, rotation: int = 0) -> Bench:
            cluster = stack.enter_context(serve_cluster(FakeCluster(peers, rotation)))
            return Bench(cluster, tmp_path / "vault", stack)

        yield make


@pytest.mark.parametrize(("peers", "rotation"), [(3, 0), (3, 1), (5, 2), (2, 1), (1, 0)])
async def test_every_shard_comes_back_into_another_layout(
    benches: Callable[..., Bench], peers: int, rotation: int
) -> None:
    lost, new = benches(3), benches(peers, rotation)
    name = await lost.fill()
    manifest = lost.service().create("imagerag", keep=0)
    assert [shard.shard for shard in manifest.shards] == list(range(6))
    assert len({shard.peer_id for shard in manifest.shards}) == 3, "the load is spread"
    assert lost.cluster.snapshots == {}, "nothing stays on the nodes"
    points = new.service().restore(manifest, switch_alias=False, settle_s=5)
    assert points == POINTS
    assert new.cluster.ids("imagerag") == set(range(POINTS)) == new.cluster.ids(name)
    restored, before = new.cluster.collections[name], lost.cluster.collections[name]
    assert restored.config == before.config
    assert restored.indexes.keys() == before.indexes.keys()
    assert restored.indexes["tenant"]["params"]["is_tenant"] is True


async def test_a_node_that_is_away_does_not_matter_while_its_shards_have_another_replica(
    benches: Callable[..., Bench],
) -> None:
    bench = benches(3)
    await bench.fill()
    manifest = bench.service(*bench.cluster.urls[:2], NOWHERE).create("imagerag", keep=0)
    assert len(manifest.shards) == 6
    assert any(NOWHERE in line for line in bench.said)


async def test_a_shard_without_an_active_replica_is_named_and_nothing_is_kept(
    benches: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = benches(3)
    name = await bench.fill()
    bench.cluster.collections[name].shards[4].replicas = {1: "Dead", 2: "Partial"}
    with pytest.raises(CliError, match="Shard 4"):
        bench.service().create("imagerag", keep=0)
    with pytest.raises(CliError, match="Shard"):
        bench.service(bench.cluster.urls[0]).create("imagerag", keep=0)
    assert Vault(str(tmp_path / "vault")).names() == []
    assert not list((tmp_path / "vault").glob("*"))


async def test_a_file_that_was_changed_is_refused_before_anything_is_touched(
    benches: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = benches(2)
    await bench.fill()
    manifest = bench.service().create("imagerag", keep=0)
    bench.service().verify(manifest)
    file = tmp_path / "vault" / manifest.name / manifest.shards[3].file
    file.write_bytes(file.read_bytes()[:-1] + b"0")
    with pytest.raises(CliError, match=r"shard-3.*damaged"):
        bench.service().verify(manifest)
    with pytest.raises(ImageragError, match="checksum mismatch"):
        bench.service().restore(manifest, switch_alias=False, settle_s=1)
    file.unlink()
    with pytest.raises(CliError, match="nothing"):
        bench.service().verify(manifest)


async def test_another_models_collection_is_not_replaced(benches: Callable[..., Bench]) -> None:
    lost, new = benches(2), benches(2)
    name = await lost.fill()
    manifest = lost.service().create("imagerag", keep=0)
    new.cluster.create(name, {"shard_number": 6, "metadata": EmbeddingContract("other@1", 4).to_metadata()})
    with pytest.raises(FingerprintMismatchError):
        new.service().restore(manifest, switch_alias=False, settle_s=1)
    new.cluster.create(name, {"shard_number": 4, "metadata": CONTRACT.to_metadata()})
    with pytest.raises(ConflictError, match="4 shards"):
        new.service().restore(manifest, switch_alias=False, settle_s=1)


async def test_an_alias_in_use_elsewhere_is_switched_only_when_asked_to(benches: Callable[..., Bench]) -> None:
    lost, new = benches(2), benches(2)
    name = await lost.fill()
    manifest = lost.service().create("imagerag", keep=0)
    new.cluster.create("imagerag-other", {"metadata": EmbeddingContract("other@1", 4).to_metadata()})
    new.cluster.aliases["imagerag"] = "imagerag-other"
    with pytest.raises(CliError, match="leads to"):
        new.service().restore(manifest, switch_alias=False, settle_s=1)
    assert name not in new.cluster.collections, "it is looked at first"
    new.service().restore(manifest, switch_alias=True, settle_s=1)
    assert new.cluster.aliases["imagerag"] == name


async def test_points_that_do_not_come_are_an_error(benches: Callable[..., Bench]) -> None:
    lost, new = benches(2), benches(2)
    await lost.fill()
    manifest = lost.service().create("imagerag", keep=0)
    short = type(manifest)(**(vars(manifest) | {"points_before": POINTS + 1}))
    with pytest.raises(CliError, match=f"{POINTS} points"):
        new.service().restore(short, switch_alias=False, settle_s=0.1)
    assert "imagerag" not in new.cluster.aliases


def test_nothing_stored_is_no_snapshot(benches: Callable[..., Bench]) -> None:
    with pytest.raises(CliError, match="no collection"):
        benches(1).service().create("imagerag", keep=0)


async def test_the_newest_stay_and_what_a_crash_left_goes(benches: Callable[..., Bench], tmp_path: Path) -> None:
    bench, vault = benches(1), Vault(str(tmp_path / "vault"))
    await bench.fill()
    made = []
    half = tmp_path / "vault" / "imagerag-20200101T000000Z"
    fresh = tmp_path / "vault" / "imagerag-20990101T000000Z"
    for folder in (half, fresh):
        folder.mkdir(parents=True)
        (folder / "shard-0.snapshot").write_bytes(b"left by a crash, or being written")
    for _ in range(3):
        made.append(bench.service().create("imagerag", keep=2).name)
        await asyncio.sleep(1.0)  # names tell seconds
    assert vault.names() == made[-2:]
    assert not half.exists()
    assert fresh.exists()
    with pytest.raises(CliError, match="no snapshot"):
        vault.manifest(made[0])
    with pytest.raises(CliError, match="no name"):
        vault.manifest("../imagerag-20200101T000000Z")
