"""The use case of proof: everything that a job accepted is accounted for, and stands where it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from services.common.clients.retriever import RetrieverClient
from services.common.errors import NotFoundError
from services.common.jobs import layout
from services.common.jobs.ledger import JobLedger
from services.common.jobs.proof import CheckedPart, Proof, check_part
from services.common.jobs.records import Job, LineOutcome, ManifestLine
from services.common.media.store import MediaStore
from services.common.standing import MAX_INSPECTED_IDS, Standing

_LOOKS_AT_ONCE = 16
"""In the media store: a bucket answers each in some 20 ms."""


class Verification:
    """Compares the ledger with the store and the pictures, one part of a job after the other.

    Args:
        ledger: What was accepted and what became of it.
        retriever: Knows what stands in the store.
        media: Has the pictures.
    """

    def __init__(self, ledger: JobLedger, retriever: RetrieverClient, media: MediaStore) -> None:
        self._ledger, self._retriever, self._media = ledger, retriever, media

    async def run(self, job: Job) -> AsyncGenerator[Proof, None]:
        """Check every line.

        Yields:
            The same growing proof after each part; after the last one it is complete. Nothing without lines.

        Raises:
            ImageragError: A service did not answer.
        """
        proof = Proof(cancelled=await asyncio.to_thread(self._ledger.is_cancelled, job))
        for part in layout.parts(job.total, job.part_lines):
            check_part(job, await self._gather(job, part), proof)
            yield proof

    async def whole(self, job: Job) -> Proof:
        """The complete proof."""
        proof = Proof()
        async for found in self.run(job):
            proof = found
        return proof

    async def _gather(self, job: Job, part: int) -> CheckedPart:
        lines = layout.lines_of(part, job.total, job.part_lines)
        manifest, outcomes = await asyncio.to_thread(self._read, job, lines)
        standing: dict[str, Standing] = {}
        ids = sorted({found.item_id for found in outcomes.values() if found.item_id})
        for start in range(0, len(ids), MAX_INSPECTED_IDS):
            some = ids[start : start + MAX_INSPECTED_IDS]
            standing |= await self._retriever.inspect_items(job.tenant, some)
        return CheckedPart(lines, manifest, outcomes, standing, await self._kept(job.tenant, standing))

    def _read(self, job: Job, lines: range) -> tuple[list[ManifestLine], Mapping[int, LineOutcome]]:
        outcomes = self._ledger.outcomes(job, lines.start, lines.stop)
        try:
            return self._ledger.lines(job, lines.start, lines.stop), outcomes
        except NotFoundError:
            return [], outcomes

    async def _kept(self, tenant: str, standing: Mapping[str, Standing]) -> frozenset[str]:
        digests = sorted({found.sha256 for found in standing.values() if found.sha256})
        kept: set[str] = set()
        for start in range(0, len(digests), _LOOKS_AT_ONCE):
            some = digests[start : start + _LOOKS_AT_ONCE]
            there = await asyncio.gather(*(asyncio.to_thread(self._media.exists, tenant, each) for each in some))
            kept.update(digest for digest, found in zip(some, there, strict=True) if found)
        return frozenset(kept)
