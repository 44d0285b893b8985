from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.common.settings import SettingsError, load_settings
from workers.queueing import InteractiveFirst, celery_settings
from workers.settings import WorkersSettings


def test_shared_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "redis://broker:6379/1")
    monkeypatch.setenv("IMAGERAG_SOURCE_ROOTS", '["/photos", "/scans"]')
    monkeypatch.setenv("IMAGERAG_WORKERS_CONCURRENCY", "7")
    settings = load_settings(WorkersSettings)
    assert settings.broker_url == "redis://broker:6379/1"
    assert settings.source_roots == (Path("/photos"), Path("/scans"))
    assert settings.concurrency == 7


def test_a_message_outlasts_a_caption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGERAG_WORKERS_CAPTION_BASE_URL", "http://127.0.0.1:8000/v1")
    monkeypatch.setenv("IMAGERAG_WORKERS_CAPTION_MODEL", "m")
    assert load_settings(WorkersSettings).caption_total_s == 60
    monkeypatch.setenv("IMAGERAG_WORKERS_CAPTION_TOTAL_S", "240")
    with pytest.raises(SettingsError, match="CAPTION_TOTAL_S must be below IMAGERAG_WORKERS_BATCH_LIMIT_S"):
        load_settings(WorkersSettings)


@pytest.mark.parametrize(
    ("given", "sizes"), [(None, (256, 512)), ("256", (256,)), ("512, 256", (256, 512)), ("1024,1024", (1024,))]
)
def test_thumbnails_of_several_sizes(
    monkeypatch: pytest.MonkeyPatch, given: str | None, sizes: tuple[int, ...]
) -> None:
    if given is not None:
        monkeypatch.setenv("IMAGERAG_WORKERS_THUMBNAIL_PX", given)
    assert load_settings(WorkersSettings).thumbnail_px == sizes


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BROKER_URL", "amqp://broker"),
        ("IMAGERAG_SOURCE_ROOTS", "photos"),
        ("IMAGERAG_WORKERS_QUEUES", "bulk,urgent"),
        ("IMAGERAG_WORKERS_QUEUES", ","),
        ("IMAGERAG_WORKERS_THUMBNAIL_PX", "300"),
        ("IMAGERAG_WORKERS_THUMBNAIL_PX", "256,300"),
        ("IMAGERAG_WORKERS_THUMBNAIL_PX", ""),
        ("IMAGERAG_WORKERS_NICE", "-1"),
        ("IMAGERAG_WORKERS_VISIBILITY_TIMEOUT_S", "240"),
        ("IMAGERAG_WORKERS_MAX_ATTEMPTS", "1"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        load_settings(WorkersSettings)


def test_the_visibility_timeout_is_the_same_wherever_celery_looks_for_it() -> None:
    chosen = celery_settings(WorkersSettings(visibility_timeout_s=1234))
    assert chosen["visibility_timeout"] == 1234
    assert chosen["broker_transport_options"]["visibility_timeout"] == 1234
    assert chosen["result_backend_transport_options"]["visibility_timeout"] == 1234
    assert chosen["task_time_limit"] < 1234


@pytest.mark.parametrize("names", [["bulk", "interactive"], ["interactive", "bulk"], ["bulk"]])
def test_interactive_messages_are_looked_for_first(names: list[str]) -> None:
    cycle: Any = InteractiveFirst()  # type: ignore[no-untyped-call]  # kombu's constructor has no types
    cycle.update(set(names))
    assert cycle.consume(9) == sorted(names, reverse=True)
    cycle.rotate("interactive")
    assert cycle.consume(9) == sorted(names, reverse=True)
