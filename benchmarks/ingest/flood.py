"""Many small pictures through the real queue with the starter: how much of the cores' time is work on pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ingest.files import WEB, total_bytes, write_pictures
from benchmarks.ingest.jobs import Job, ingest_folder
from benchmarks.ingest.memory import Samples
from benchmarks.ingest.processes import cpu_s_by_part, pool, resident_bytes, used
from benchmarks.ingest.stages import HOW, Seconds, Stages, mean
from benchmarks.measuring import Goal, Ratio
from services.cli.cluster.state import ClusterState
from services.encoder.backends.registry import load_backend
from services.encoder.settings import EncoderSettings

_WARM_UP_ITEMS = 256
_SAMPLE_ITEMS = 256
_GOAL = 0.75
_FLAT = 1.05
Tell = Callable[[str], None]
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Flood:
    """What was measured.

    Attributes:
        items: Pictures.
        size_bytes: Of all of them.
        took_s: From the request to the last one stored.
        stages_s: Processor seconds for a picture, by stage.
        parts_s: Processor seconds of the whole job, by part of the cluster.
        cpus: Cores.
        memory: Of the workers' processes together.
    """

    items: int
    size_bytes: int
    took_s: float
    stages_s: Seconds
    parts_s: Mapping[str, float]
    cpus: int
    memory: Samples

    @property
    def per_s(self) -> float:
        """Pictures a second."""
        return self.items / self.took_s

    @property
    def bound_per_s(self) -> float:
        """Pictures a second that the cores have time for."""
        return self.cpus / sum(self.stages_s.values())

    @property
    def busy_share(self) -> float:
        """Of the cores' time, what the cluster used."""
        return sum(self.parts_s.values()) / (self.took_s * self.cpus)

    def ratios(self) -> list[Ratio]:
        """The goals."""
        flat = (
            "Resident memory of the workers' processes together, MB, median of the last quarter of the job "
            "against the second one; in the first they still load what they need. Flat: at most 1.05."
        )
        return [
            Ratio(
                f"ingest of {self.items:,} JPEGs {WEB} / bound",
                f"One job, a folder, from the request to the last picture stored, read back and noted. {HOW}",
                "img/s",
                "higher",
                (self.per_s,),
                (self.bound_per_s,),
                Goal(_GOAL),
            ),
            Ratio(
                "workers' memory, last quarter / second",
                flat,
                "MB",
                "lower",
                (self.memory.quarter_mb(3),),
                (self.memory.quarter_mb(1),),
                Goal(_FLAT),
            ),
        ]

    def document(self) -> dict[str, Any]:
        """The JSON form of what stands in no ratio."""
        return {
            "items": self.items,
            "size_bytes": self.size_bytes,
            "took_s": self.took_s,
            "busy_share": self.busy_share,
            "stages_ms": {name: 1e3 * seconds for name, seconds in self.stages_s.items()},
            "parts_ms": {part: 1e3 * seconds / self.items for part, seconds in self.parts_s.items()},
            "memory": [[round(each.at_s, 2), each.size_bytes] for each in self.memory.samples],
        }


def measure(state: ClusterState, work: Path, items: int, cpus: int, tell: Tell, advance: Advance) -> Flood:
    """Ingest into a cluster that runs the starter and is otherwise idle.

    Args:
        state: Of the cluster; `work` is one of its source roots.
        work: Folder for the pictures.
        items: How many.
        cpus: Cores of this machine.
        tell: Says what goes on.
        advance: Told how many pictures are done.
    """
    tell(f"Drawing {items:,} pictures ...")
    files = write_pictures(work / "flood", items, WEB)
    write_pictures(work / "warm-up", _WARM_UP_ITEMS, WEB, first=items)
    backend = load_backend(EncoderSettings(model="starter", device="cpu", threads=1))
    store_url = f"http://{state.addresses['store']}"
    stages = Stages(
        files[:_SAMPLE_ITEMS], backend, store_url, lambda: cpu_s_by_part(state.pid)["store"], work / "stages"
    )
    tell("Warming up ...")
    ingest_folder(state.url, work / "warm-up", _WARM_UP_ITEMS)
    tell("Measuring each stage alone ...")
    measured = [stages.measure()]
    tell(f"Ingesting {items:,} pictures ...")
    memory, before = Samples(), cpu_s_by_part(state.pid)

    def seen(job: Job) -> None:
        memory.add(sum(map(resident_bytes, pool(state.pid))))
        advance(int(job["stored"]))

    took_s = ingest_folder(state.url, work / "flood", items, seen)
    parts_s = used(before, cpu_s_by_part(state.pid))
    tell("Measuring each stage alone once more ...")
    measured.append(stages.measure())
    return Flood(items, total_bytes(files), took_s, mean(measured), parts_s, cpus, memory)
