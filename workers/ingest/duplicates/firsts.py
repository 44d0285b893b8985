"""Asks the store which items were there before, for pictures that are about to be written."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection as Group
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from services.common.domain import DuplicateOf
from services.common.index.catalogue import Collection
from services.common.index.twins import Look, Twin
from services.common.jobs.records import Job
from services.common.media.hash_bands import probes
from workers.ingest.duplicates.choice import (
    NearLimits,
    Wanted,
    exact_first,
    near_candidates,
    near_duplicate_of,
)
from workers.ingest.duplicates.order import Comer
from workers.ingest.duplicates.ports import StoredIndex, TwinIndex
from workers.ingest.duplicates.stored_looks import StoredLooks

_LOOKED_AT = 4
"""Candidates of one picture."""


@dataclass(frozen=True)
class Found:
    """What is known of one picture.

    Attributes:
        own: What stands under its own id.
        first: The item that it is a duplicate of; None: of none that is there.
        written: This very line wrote its item in an earlier try: what was decided then stands.
    """

    own: Twin | None
    first: DuplicateOf | None
    written: bool = False


class Firsts:
    """Looks for what was there before.

    Args:
        twins: Finds items by their pictures.
        stored: Tells what is there by id.
        looks: Compares two pictures closely.
    """

    def __init__(self, twins: TwinIndex, stored: StoredIndex, looks: StoredLooks) -> None:
        self._twins, self._stored, self._looks = twins, stored, looks

    async def find(
        self, job: Job, collection: Collection, comers: Sequence[Comer], wanted: Wanted, limits: NearLimits
    ) -> dict[int, Found]:
        """What is known of each picture, by line.

        Raises:
            ImageragError: The store does not answer.
        """
        await self._twins.prepare(collection)
        ids = [comer.arrival.item_id for comer in comers]
        standing = await self._twins.of_ids(collection, job.tenant, ids)
        firsts = await self._exact(job, collection, comers, wanted)
        others = [comer for comer in comers if comer.arrival.line not in firsts]
        firsts |= await self._near(job, collection, others, wanted, limits)
        return {
            comer.arrival.line: _found(job, comer, standing.get(comer.arrival.item_id), firsts) for comer in comers
        }

    async def _exact(
        self, job: Job, collection: Collection, comers: Sequence[Comer], wanted: Wanted
    ) -> dict[int, DuplicateOf]:
        if wanted.exact == "keep":
            return {}
        digests = sorted({comer.arrival.sha256 for comer in comers})
        by_digest: defaultdict[str, list[Twin]] = defaultdict(list)
        for twin in await self._twins.same(collection, job.tenant, digests):
            by_digest[twin.sha256].append(twin)
        firsts = {
            comer.arrival.line: exact_first(comer.arrival.item_id, by_digest[comer.arrival.sha256])
            for comer in comers
        }
        return {line: first for line, first in firsts.items() if first}

    async def _near(
        self, job: Job, collection: Collection, comers: Sequence[Comer], wanted: Wanted, limits: NearLimits
    ) -> dict[int, DuplicateOf]:
        looks = {comer.arrival.line: look for comer in comers if (look := _look(comer, limits))}
        if wanted.near == "keep" or not looks:
            return {}
        hashes = {comer.arrival.line: comer.arrival.perceptual_hash for comer in comers}
        alike = partial(self._alike, job, collection, limits=limits)
        confirmed = partial(self._confirmed, job, hashes, limits)
        twins = await alike(looks)
        firsts = await confirmed(looks, twins)
        # Copies of one picture may crowd out the item that they are linked to.
        crowded = {line: look for line, look in looks.items() if twins[line] and line not in firsts}
        firsts |= await confirmed(crowded, await alike(crowded, unlinked=True))
        orphaned = {line: look for line, look in crowded.items() if line not in firsts}
        gone = await self._gone(job, collection, [twin for line in orphaned for twin in twins[line]])
        return firsts | await confirmed(orphaned, twins, gone) if gone else firsts

    async def _confirmed(
        self,
        job: Job,
        hashes: Mapping[int, str],
        limits: NearLimits,
        looks: Mapping[int, Look],
        twins: Mapping[int, Sequence[Twin]],
        gone: Group[str] = (),
    ) -> dict[int, DuplicateOf]:
        """The most similar items that also look the same from close by."""
        candidates = {
            line: near_candidates(look.item_id, hashes[line], twins[line], gone, limits)[:_LOOKED_AT]
            for line, look in looks.items()
        }

        def look_closer() -> dict[int, DuplicateOf]:
            found: dict[int, DuplicateOf] = {}
            for line, some in candidates.items():
                same = (twin for twin in some if self._looks.same(job.tenant, looks[line].sha256, twin.sha256))
                if first := next(same, None):
                    found[line] = near_duplicate_of(first)
            return found

        return await asyncio.to_thread(look_closer) if any(candidates.values()) else {}

    async def _alike(
        self,
        job: Job,
        collection: Collection,
        looks: Mapping[int, Look],
        *,
        limits: NearLimits,
        unlinked: bool = False,
    ) -> dict[int, list[Twin]]:
        answers = await self._twins.alike(
            collection, job.tenant, list(looks.values()), limits.least_similarity, unlinked=unlinked
        )
        return dict(zip(looks, answers, strict=True))

    async def _gone(self, job: Job, collection: Collection, twins: Sequence[Twin]) -> frozenset[str]:
        """Of the items that these are linked to, those that are not there any more."""
        targets = sorted({twin.duplicate_of.item_id for twin in twins if twin.duplicate_of})
        if not targets:
            return frozenset()
        stored = await self._stored.stored(collection, job.tenant, targets)
        return frozenset(target for target in targets if target not in stored or stored[target].deleted)


def _found(job: Job, comer: Comer, own: Twin | None, firsts: dict[int, DuplicateOf]) -> Found:
    line = comer.arrival.line
    if own and (own.job_id, own.line) == (job.id, line):
        return Found(own, own.duplicate_of, written=True)
    return Found(own, firsts.get(line))


def _look(comer: Comer, limits: NearLimits) -> Look | None:
    arrival = comer.arrival
    if comer.vector is None or not arrival.perceptual_hash:
        return None
    return Look(arrival.item_id, arrival.sha256, comer.vector, probes(arrival.perceptual_hash, limits.most_bits))
