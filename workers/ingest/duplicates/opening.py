"""Puts the gate together."""

from __future__ import annotations

from services.common.index.index import Index
from services.common.jobs.ledger import JobLedger
from services.common.objects import ObjectStore
from workers.duplicate_settings import DuplicateSettings
from workers.ingest.duplicates.arrivals import ArrivalLog
from workers.ingest.duplicates.choice import NearLimits
from workers.ingest.duplicates.firsts import Firsts
from workers.ingest.duplicates.gate import DuplicateGate
from workers.ingest.duplicates.lines import LedgerLines
from workers.ingest.writing import ItemWriter


def open_gate(
    settings: DuplicateSettings, writing: ItemWriter, index: Index, objects: ObjectStore, ledger: JobLedger
) -> DuplicateGate:
    """The way into the store past the search for duplicates.

    Args:
        settings: What looks the same.
        writing: The way into the store.
        index: Open.
        objects: Where job ledgers are kept.
        ledger: What was accepted and what became of it.
    """
    limits = NearLimits(settings.near_duplicate_bits, settings.near_duplicate_similarity)
    return DuplicateGate(writing, Firsts(index.twins, index), ArrivalLog(objects), LedgerLines(ledger), limits)
