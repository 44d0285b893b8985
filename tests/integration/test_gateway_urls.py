"""Jobs of URLs over REST: the list is kept with the job before it is accepted, and says what is wrong with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.gateway import RunningGateway, running_gateway

URLS = ["https://example.com/a.jpg", "HTTP://例え.テスト/写真.jpg?x=1#y"]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    roots = tmp_path / "photos"
    roots.mkdir()
    async with running_gateway(tmp_path / "data", source_roots=str(roots)) as running:
        yield running


async def post(gateway: RunningGateway, **source: Any) -> Any:
    return await gateway.client.post("/v1/jobs", json={"source": source})


async def test_a_list_is_kept_with_its_job(gateway: RunningGateway) -> None:
    answer = await post(gateway, type="urls", urls=URLS)
    assert (answer.status_code, answer.json()["listed"]) == (202, False)
    job = gateway.ledger.job("default", answer.json()["job_id"])
    assert job.streamed
    assert gateway.ledger.asked(job).decode().split("\n") == URLS
    shown = (await gateway.client.get(f"/v1/jobs/{job.id}")).json()
    assert shown["source"] == {"type": "urls", "path": ""}


@pytest.mark.parametrize("kind", ["urls", "auto"])
async def test_one_url_is_a_path(gateway: RunningGateway, kind: str) -> None:
    answer = await post(gateway, type=kind, path=URLS[0])
    assert answer.status_code == 202
    job = gateway.ledger.job("default", answer.json()["job_id"])
    assert (job.source.type, job.source.path, gateway.ledger.asked(job)) == (kind, URLS[0], b"")


async def test_a_file_of_urls_must_lie_where_it_may_be_read(gateway: RunningGateway, tmp_path: Path) -> None:
    path = tmp_path / "photos" / "list.txt"
    assert (await post(gateway, type="urls", path=str(path))).status_code == 404
    path.write_text("\n".join(URLS))
    assert (await post(gateway, type="urls", path=str(path))).status_code == 202
    assert (await post(gateway, type="urls", path="/etc/passwd")).status_code == 403


@pytest.mark.parametrize(
    "source",
    [
        {"type": "urls"},
        {"type": "urls", "path": ""},
        {"type": "urls", "urls": []},
        {"type": "urls", "urls": URLS, "path": URLS[0]},
        {"type": "folder", "urls": URLS},
        {"type": "folder", "path": ""},
        {"type": "urls", "urls": ["file:///etc/passwd"]},
        {"type": "urls", "urls": ["example.com/a.jpg"]},
        {"type": "urls", "urls": ["# https://example.com/a.jpg"]},
        {"type": "urls", "urls": ["https://example.com/a.jpg\nhttps://example.com/b.jpg"]},
        {"type": "urls", "urls": ["https://example.com/" + "x" * 4096]},
        {"type": "urls", "urls": ["https://example.com/a.jpg"] * 10_001},
        {"type": "urls", "urls": [7]},
    ],
)
async def test_what_says_nothing_or_too_much_is_refused(gateway: RunningGateway, source: dict[str, Any]) -> None:
    assert (await post(gateway, **source)).status_code == 422
    assert gateway.ledger.jobs("default", 10) == []
