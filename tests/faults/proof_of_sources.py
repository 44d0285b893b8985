"""`python -m tests.faults.proof_of_sources`: large sources into a fresh cluster by one command each, each proven.

It starts `imagerag up` with the starter model over a temporary folder, runs `imagerag ingest` for each source with
its progress shown, then `imagerag jobs verify` for every job that came of it, and prints a table. Minutes. Status
1: something is not proven.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fixtures.cluster import ClusterProcess
from tests.fixtures.proof_sources import BigSource, big_sources


@dataclass(frozen=True)
class Row:
    """What became of one source.

    Attributes:
        accepted: Items of its jobs.
        lost: Items without an end, or not where they should be.
        seconds: From the command to its end.
        proven: By `imagerag jobs verify`, and not fewer items than it must give.
    """

    source: str
    accepted: int
    stored: int
    merged: int
    skipped: int
    failed: int
    lost: int
    seconds: float
    proven: bool

    def cells(self) -> list[str]:
        """For the table."""
        counts = (self.accepted, self.stored, self.merged, self.skipped, self.failed, self.lost)
        rate = f"{self.stored / self.seconds:.1f}"
        return [self.source, *map(str, counts), f"{self.seconds:.0f}", rate, "yes" if self.proven else "NO"]


HEADS = ["source", "accepted", "stored", "merged", "skipped", "failed", "lost", "s", "stored/s", "proven"]


def run(cluster: ClusterProcess, source: BigSource, folder: Path) -> Row:
    """Take one source in and have it proven."""
    path = source.make(folder)
    print(f"\n$ imagerag ingest --server-side {path} {' '.join(source.options)}", file=sys.stderr, flush=True)
    before = {job["id"] for job in _jobs(cluster)}
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "services.cli", "ingest", "--server-side", str(path), *source.options],
        env=cluster.environment(),
        stdout=sys.stderr,
        check=False,  # a failed item shows in the exit code, and in the table
    )
    seconds = time.monotonic() - started
    proofs = [_proof(cluster, job["id"]) for job in _jobs(cluster) if job["id"] not in before]
    return _row(source, proofs, seconds)


def _jobs(cluster: ClusterProcess) -> list[dict[str, Any]]:
    return list(cluster.json_of("jobs", "list", "--limit", "200")["jobs"])


def _proof(cluster: ClusterProcess, job_id: str) -> dict[str, Any]:
    """What `jobs verify` says; its status is 1 where it does not hold."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "jobs", "verify", job_id, "--json"],
        env=cluster.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    found = dict(json.loads(done.stdout))
    assert (done.returncode == 0) == found["proven"]
    return found


def _row(source: BigSource, proofs: Sequence[dict[str, Any]], seconds: float) -> Row:
    def total(name: str) -> int:
        return sum(int(proof[name]) for proof in proofs)

    faults = sum(sum(proof["faults"].values()) for proof in proofs)
    kept = total("stored") + total("merged")
    whole = bool(proofs) and all(proof["proven"] for proof in proofs) and kept >= source.least
    return Row(
        source.name,
        accepted=total("total"),
        stored=total("stored"),
        merged=total("merged"),
        skipped=total("skipped"),
        failed=total("failed"),
        lost=total("pending") + faults,
        seconds=seconds,
        proven=whole,
    )


def table(rows: Sequence[Row]) -> str:
    """In columns; the first is flush left."""
    cells = [HEADS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *others in cells:
        numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *numbers]))
    return "\n".join(lines)


def main(wanted: Sequence[str]) -> int:
    """Run all sources whose name holds one of the words; no words: all."""
    sources = [each for each in big_sources() if not wanted or any(word in each.name for word in wanted)]
    with tempfile.TemporaryDirectory(prefix="imagerag-proof-") as made:
        folder = Path(made) / "sources"
        folder.mkdir()
        settings = {"IMAGERAG_SOURCE_ROOTS": str(folder)}
        with ClusterProcess(Path(made) / "cluster", settings=settings) as cluster:
            rows = [run(cluster, source, folder) for source in sources]
    print(f"\n{table(rows)}")
    return 0 if all(row.proven for row in rows) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.faults.proof_of_sources", description=__doc__)
    parser.add_argument("source", nargs="*", help="a word of the names of the sources that are wanted")
    sys.exit(main(parser.parse_args().source))
