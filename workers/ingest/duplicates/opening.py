"""Puts the gate together."""

from __future__ import annotations

from services.common.index.index import Index
from services.common.jobs.ledger import JobLedger
from services.common.media.images import ImageLimits
from services.common.media.store import MediaStore
from services.common.objects import ObjectStore
from workers.duplicate_settings import DuplicateSettings
from workers.ingest.duplicates.arrivals import ArrivalLog
from workers.ingest.duplicates.choice import NearLimits
from workers.ingest.duplicates.firsts import Firsts
from workers.ingest.duplicates.gate import DuplicateGate
from workers.ingest.duplicates.lines import LedgerLines
from workers.ingest.duplicates.stored_looks import StoredLooks
from workers.ingest.duplicates.waiting import Waiting
from workers.ingest.writing import ItemWriter


def open_gate(
    settings: DuplicateSettings,
    writing: ItemWriter,
    index: Index,
    objects: ObjectStore,
    ledger: JobLedger,
    pictures: ImageLimits,
) -> DuplicateGate:
    """The way into the store past the search for duplicates.

    Args:
        settings: What looks the same.
        writing: The way into the store.
        index: Open.
        objects: Where job ledgers and pictures are kept.
        ledger: What was accepted and what became of it.
        pictures: What pictures are accepted.
    """
    limits = NearLimits(settings.near_duplicate_bits, settings.near_duplicate_similarity)
    firsts = Firsts(index.twins, index, StoredLooks(MediaStore(objects), pictures))
    waiting = Waiting(ArrivalLog(objects), LedgerLines(ledger), limits)
    return DuplicateGate(writing, firsts, waiting, limits)
