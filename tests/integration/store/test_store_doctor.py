"""`imagerag doctor` looks at the store as at a Qdrant server."""

from __future__ import annotations

import httpx
from qdrant_client import QdrantClient

from services.cli.diagnosis.findings import Level
from services.cli.diagnosis.qdrant import qdrant_findings
from tests.fixtures.store import StoreProcess


def test_the_store_answers_what_the_doctor_asks(
    store: StoreProcess, client: QdrantClient, collection: str
) -> None:
    assert client.collection_exists(collection)
    with httpx.Client(base_url=store.url) as asking:
        findings = qdrant_findings(asking, collection)
        assert [found.level for found in findings] == [Level.OK] * 4
        assert qdrant_findings(asking, "no-such-alias")[-1].level is Level.NOTE
