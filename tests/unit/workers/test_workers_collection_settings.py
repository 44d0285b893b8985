"""How a collection is laid out, as the environment says it."""

from __future__ import annotations

import pytest

from services.common.settings import SettingsError, load_settings
from workers.settings import WorkersSettings


def test_shards_replicas_and_consistency_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SHARDS": "6", "REPLICAS": "2", "WRITE_CONSISTENCY": "2"}.items():
        monkeypatch.setenv(f"IMAGERAG_COLLECTION_{name}", value)
    settings = load_settings(WorkersSettings)
    found = settings.collection_shards, settings.collection_replicas, settings.collection_write_consistency
    assert found == (6, 2, 2)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SHARDS": "0"}, "IMAGERAG_COLLECTION_SHARDS"),
        ({"REPLICAS": "2", "WRITE_CONSISTENCY": "3"}, "IMAGERAG_COLLECTION_REPLICAS"),
        ({"WRITE_CONSISTENCY": "2"}, "IMAGERAG_COLLECTION_WRITE_CONSISTENCY"),
    ],
)
def test_what_cannot_be_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"IMAGERAG_COLLECTION_{name}", value)
    with pytest.raises(SettingsError, match=named):
        load_settings(WorkersSettings)
