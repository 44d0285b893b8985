"""What the benchmarks share: one cluster as `imagerag up` starts it, its addresses, the same model without it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bare import BareModel
from services.cli.cluster.state import ClusterState
from services.cli.rest.client import RestClient
from services.common.clients.encoder import EncoderClient, EncoderDescription
from services.encoder.backends.devices import Placement

_PATIENCE_S = 30.0
_ENCODER_DEADLINE_S = 120.0
Advance = Callable[[], None]


@dataclass(frozen=True)
class Site:
    """A running cluster.

    Attributes:
        gateway: Its REST interface.
        encoder: Its encoder over gRPC.
        described: What that encoder serves.
        store_url: Qdrant's REST interface.
        bare: The encoder's model in this process.
        threads: Of the encoder's model.
        cpus: Of this machine.
        work: Folder for what the benchmarks write; thrown away.
    """

    gateway: RestClient
    encoder: EncoderClient
    described: EncoderDescription
    store_url: str
    bare: BareModel
    threads: int
    cpus: int
    work: Path


@asynccontextmanager
async def open_site(
    state: ClusterState, model: Path, placement: Placement, cpus: int, work: Path
) -> AsyncIterator[Site]:
    """Connect to a cluster.

    Args:
        state: Of the cluster.
        model: Folder of the model it runs.
        placement: How the encoder runs it.
        cpus: Of this machine.
        work: An empty folder.
    """
    with RestClient(state.url, patience_s=_PATIENCE_S) as gateway:
        async with EncoderClient(state.addresses["encoder"], deadline_s=_ENCODER_DEADLINE_S) as encoder:
            yield Site(
                gateway=gateway,
                encoder=encoder,
                described=await encoder.describe(),
                store_url=f"http://{state.addresses['store']}",
                bare=BareModel(model, placement.device, placement.precision),
                threads=placement.threads,
                cpus=cpus,
                work=work,
            )
