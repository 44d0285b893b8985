"""The store as the settings describe it."""

from __future__ import annotations

from services.common.index.index import Index
from services.common.index.layout import Layout
from workers.settings import WorkersSettings


def open_index(settings: WorkersSettings) -> Index:
    """Nothing is connected before the first call."""
    key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
    return Index(
        settings.qdrant_url,
        api_key=key,
        timeout_s=settings.store_timeout_s,
        alias=settings.alias,
        ca_path=settings.qdrant_ca_path,
        layout=Layout(
            settings.collection_shards, settings.collection_replicas, settings.collection_write_consistency
        ),
    )
