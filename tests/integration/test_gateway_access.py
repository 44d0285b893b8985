"""Keys, tenants, and who may reach a gateway without keys."""

import hashlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.gateway import RunningGateway, drawn_picture, running_gateway, stored_picture

KEYS = {"shop": "key-of-shop", "rival": "key-of-rival"}
OPEN_PATHS = ("/healthz", "/readyz", "/", "/docs", "/openapi.json", "/page/js/main.js")
KEYED_CALLS = (
    ("GET", "/v1/info"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/facets?field=tags"),
    ("GET", "/v1/items/00000000-0000-0000-0000-000000000000"),
    ("DELETE", "/v1/items/00000000-0000-0000-0000-000000000000"),
    ("POST", "/v1/items"),
    ("POST", "/v1/search"),
    ("POST", "/v1/ask"),
    ("POST", "/v1/jobs"),
    ("PUT", "/v1/media"),
    ("GET", "/metrics"),
)


@pytest.fixture
async def keyed(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    lines = [
        json.dumps({"tenant": tenant, "sha256": hashlib.sha256(key.encode()).hexdigest()})
        for tenant, key in KEYS.items()
    ]
    keys = tmp_path / "keys"
    keys.write_text("\n".join(lines))
    async with running_gateway(tmp_path / "data", keys_path=keys, key_requests_per_s=10_000) as running:
        yield running


@pytest.fixture
async def unkeyed(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path / "data") as running:
        yield running


def as_tenant(tenant: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS[tenant]}"}


@pytest.mark.parametrize(("method", "path"), KEYED_CALLS)
async def test_data_needs_a_key(keyed: RunningGateway, method: str, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic a2V5"}):
        answer = await keyed.client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", OPEN_PATHS)
async def test_the_page_and_health_need_none(keyed: RunningGateway, path: str) -> None:
    assert (await keyed.client.get(path)).status_code == 200


async def test_a_key_names_its_tenant(keyed: RunningGateway) -> None:
    for tenant in KEYS:
        answer = await keyed.client.get("/v1/info", headers=as_tenant(tenant))
        assert answer.json()["tenant"] == tenant


async def test_a_thousand_crossing_requests_leak_nothing(keyed: RunningGateway) -> None:
    item = stored_picture(keyed, "A secret prototype", 3, tenant="shop", tags=("secret",))
    put = await keyed.client.put("/v1/media", content=drawn_picture(4), headers=as_tenant("shop"))
    sha256 = put.json()["sha256"]
    job = await keyed.client.post("/v1/jobs", json={"items": [{"text": "secret"}]}, headers=as_tenant("shop"))
    job_id = job.json()["job_id"]
    rival = as_tenant("rival")
    calls = (
        ("GET", f"/v1/items/{item.id}", None),
        ("DELETE", f"/v1/items/{item.id}", None),
        ("GET", f"/v1/items/{item.id}/image?size=256", None),
        ("GET", f"/v1/items/{item.id}/image", None),
        ("HEAD", f"/v1/media/{sha256}", None),
        ("GET", f"/v1/jobs/{job_id}", None),
        ("GET", f"/v1/jobs/{job_id}/failures", None),
        *(("POST", f"/v1/jobs/{job_id}/{act}", None) for act in ("cancel", "pause", "resume", "retry")),
        *(("GET", f"/v1/jobs/{job_id}/{look}", None) for look in ("events", "verify")),
        ("GET", "/v1/jobs", None),
        ("GET", "/v1/facets?field=tags", None),
        ("POST", "/v1/search", {"text": "secret prototype", "include_irrelevant": True}),
        ("POST", "/v1/search", {"text": "secret", "filter": {"tenant": "shop"}}),
        ("POST", "/v1/ask", {"question": "secret prototype"}),
        ("POST", "/v1/jobs", {"items": [{"sha256": sha256}]}),
    )
    rng = random.Random(7)
    for _ in range(1000):
        method, path, body = rng.choice(calls)
        answer = await keyed.client.request(method, path, json=body, headers=rival)
        assert "prototype" not in answer.text
        assert answer.status_code in {404, 422} or _is_empty(answer)
    assert (await keyed.client.get(f"/v1/items/{item.id}", headers=as_tenant("shop"))).status_code == 200


def _is_empty(answer: httpx.Response) -> bool:
    found = answer.json()
    return not any(found.get(member) for member in ("hits", "values", "jobs", "citations", "job_id"))


async def test_a_replaced_key_works_without_a_restart(keyed: RunningGateway) -> None:
    assert keyed.settings.keys_path is not None
    keyed.settings.keys_path.write_text(
        json.dumps([{"tenant": "shop", "sha256": hashlib.sha256(b"next").hexdigest()}])
    )
    assert (await keyed.client.get("/v1/info", headers={"authorization": "Bearer next"})).status_code == 200
    assert (await keyed.client.get("/v1/info", headers=as_tenant("shop"))).status_code == 401


@pytest.mark.parametrize("path", ["/", "/v1/info", "/metrics"])
async def test_without_keys_another_host_name_is_refused(unkeyed: RunningGateway, path: str) -> None:
    rebound = await unkeyed.client.get(path, headers={"host": "evil.example"})
    assert (rebound.status_code, rebound.json()["code"]) == (403, "forbidden")
    assert (await unkeyed.client.get(path)).status_code == 200


async def test_without_keys_a_strangers_page_changes_nothing(unkeyed: RunningGateway) -> None:
    forged = await unkeyed.client.post(
        "/v1/items",
        files={"image": ("x.png", drawn_picture(1))},
        headers={"origin": "https://evil.example"},
    )
    assert forged.status_code == 403
    own = await unkeyed.client.post("/v1/items", json={"text": "x"}, headers={"origin": unkeyed.url})
    assert own.status_code == 202


async def test_without_keys_a_named_origin_may(tmp_path: Path) -> None:
    named = "http://localhost:5173"
    async with running_gateway(tmp_path / "data", cors_origins=named) as gateway:
        for origin, status in ((named, 202), ("http://localhost:5174", 403)):
            answer = await gateway.client.post("/v1/items", json={"text": "x"}, headers={"origin": origin})
            assert answer.status_code == status
