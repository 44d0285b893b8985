"""What strangers send to the door: too much, too slowly, too odd, with a key or none; and a stop under load."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from services.common.api_keys import ApiKey, hash_of, new_key
from services.gateway.keys import find_key
from tests.fixtures.brokers import free_port
from tests.fixtures.gateway_process import GatewayProcess
from tests.fixtures.open_loop import percentile

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory and time from /proc"),
]
MIB = 1024 * 1024
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
JSON = {"content-type": "application/json"}
FORM_HEAD = b'--x\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\n'


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    settings = {
        "IMAGERAG_GATEWAY_UPLOAD_LIMIT_BYTES": str(16 * MIB),
        "IMAGERAG_GATEWAY_ITEM_LIST_LIMIT_BYTES": str(4 * MIB),
        "IMAGERAG_GATEWAY_PICTURE_LIMIT_BYTES": str(4 * MIB),
    }
    with GatewayProcess(tmp_path / "data", settings) as process:
        yield process


def memory_mib(pid: int, what: str = "VmRSS") -> float:
    """Memory of a process; `VmHWM` is its highest so far."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split(f"{what}:")[1].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, in its own code and the kernel's."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def client_of(gateway: GatewayProcess) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=60)


async def pieces(size_bytes: int, head: bytes = b"") -> AsyncIterator[bytes]:
    """A body without a declared length."""
    yield head
    piece = b"0" * (256 * 1024)
    for _ in range(size_bytes // len(piece)):
        yield piece


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
async def test_h1_ten_times_the_limit(gateway: GatewayProcess, declared: bool) -> None:
    """Every kind of body at ten times its limit, four at once."""
    bodies = (
        ("POST", "/v1/search", "application/json", b"", 10 * MIB),
        ("POST", "/v1/jobs", "application/json", b"", 40 * MIB),
        ("PUT", "/v1/media", "image/png", b"", 40 * MIB),
        ("POST", "/v1/jobs", "multipart/form-data; boundary=x", FORM_HEAD, 160 * MIB),
    )
    before = memory_mib(gateway.pid)

    async def send(client: httpx.AsyncClient, body: tuple[str, str, str, bytes, int]) -> int:
        method, path, kind, head, size = body
        headers = {"content-type": kind} | ({"content-length": str(size + len(head))} if declared else {})
        answer = await client.request(method, path, content=pieces(size, head), headers=headers)
        assert answer.json()["code"] == "payload_too_large"
        return answer.status_code

    async with client_of(gateway) as client:
        for body in bodies:
            statuses = await asyncio.gather(*(send(client, body) for _ in range(4)))
            assert set(statuses) == {413}
        assert (await client.get("/healthz")).status_code == 200
    grown = memory_mib(gateway.pid, "VmHWM") - before
    print(f"\nH1 {'declared' if declared else 'chunked'}: 16 bodies, all 413, memory +{grown:.0f} MiB at most")
    # Undeclared: four bodies are read side by side until they are too large; a form lies on disk.
    assert grown < (40 if declared else 80)


async def test_h2_slow_connections_are_closed_and_others_unharmed(gateway: GatewayProcess) -> None:
    """250 that dribble headers and 250 that dribble bodies, with the settings as they come."""
    host, port = gateway.url.removeprefix("http://").split(":")
    head = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"
    body = b"POST /v1/search HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9000\r\n\r\n{"
    began = time.monotonic()

    async def dribble(first: bytes, more: bytes) -> float:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(first)
        reading = asyncio.create_task(reader.read())
        with contextlib.suppress(ConnectionError):
            while not reading.done():
                writer.write(more)
                await writer.drain()
                await asyncio.wait({reading}, timeout=1.0)
        closed_after_s = time.monotonic() - began
        await asyncio.gather(reading, return_exceptions=True)
        writer.close()
        return closed_after_s

    slow = [
        asyncio.create_task(dribble(first, more))
        for _ in range(250)
        for first, more in ((head, b"x: y\r\n"), (body, b" "))
    ]
    took_ms: list[float] = []
    async with client_of(gateway) as client:
        while not all(task.done() for task in slow) and time.monotonic() - began < 30:
            started = time.perf_counter()
            assert (await client.post("/v1/search", json={"text": "x"})).status_code == 200
            took_ms.append((time.perf_counter() - started) * 1000)
            await asyncio.sleep(0.05)
    closed = [task.result() for task in slow if task.done()]
    print(
        f"\nH2: {len(closed)} of 500 closed, the last after {max(closed):.1f} s; {len(took_ms)} searches, "
        f"p50/p95/max {percentile(took_ms, 0.5):.0f}/{percentile(took_ms, 0.95):.0f}/{max(took_ms):.0f} ms"
    )
    assert len(closed) == 500
    assert max(closed) < 15
    assert percentile(took_ms, 0.95) < 500


HOSTILE_JSON = {
    "open lists": b"[" * (MIB - 100),
    "deep objects": b'{"a":' * 150_000 + b"1" + b"}" * 150_000,
    "nan": b'{"text": "x", "rrf_k": NaN}',
    "infinity": b'{"text": "x", "rrf_k": 1e999}',
    "limit of a billion": b'{"text": "x", "limit": 1000000000}',
    "limit beyond 64 bits": b'{"text": "x", "limit": ' + b"9" * 4000 + b"}",
    "a million filter terms": json.dumps({"text": "x", "filter": {f"f{n}": n for n in range(10**6)}}).encode(),
    "filter terms that just fit": json.dumps(
        {"text": "x", "filter": {f"f{n}": n for n in range(60_000)}}
    ).encode(),
    "choices that just fit": json.dumps({"text": "x", "filter": {"tags": {"any": ["a"] * 200_000}}}).encode(),
    "many legs": json.dumps({"text": "x", "legs": {f"leg{n}": 1 for n in range(60_000)}}).encode(),
    "many unknown members": json.dumps({f"m{n}": n for n in range(60_000)}).encode(),
    "job items with unknown members": json.dumps({"items": [{f"m{n}": 1 for n in range(300)}] * 1000}).encode(),
    "job items of wrong types": json.dumps(
        {"items": [dict.fromkeys(("key", "title", "text"), 1)] * 9999}
    ).encode(),
    "job items without end": json.dumps({"items": [{"text": "x"}] * 100_000}).encode(),
    "a long text": json.dumps({"text": "x" * 1_000_000}).encode(),
    "not utf-8": b'{"text": "\xff\xfe"}',
    "a lone surrogate": b'{"text": "\\ud800"}',
}


def test_h3_odd_json_is_refused_cheaply(gateway: GatewayProcess) -> None:
    print()
    rounds = 10
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=30) as client:
        client.post("/v1/search", json={"text": "x"})
        for name, body in HOSTILE_JSON.items():
            spent_s = cpu_s(gateway.pid)
            path = "/v1/jobs" if name.startswith("job") else "/v1/search"
            answers = [client.post(path, content=body, headers=JSON) for _ in range(rounds)]
            spent_ms = (cpu_s(gateway.pid) - spent_s) / rounds * 1000
            statuses = {answer.status_code for answer in answers}
            print(f"H3 {name}: {len(body):,} bytes, {statuses}, {spent_ms:.0f} ms of processor time")
            assert statuses <= {413, 422}, name
            assert spent_ms < 100, name
            assert len(answers[0].content) < 20_000


async def test_h4_a_stop_under_load_is_nothing_a_client_cannot_retry(tmp_path: Path) -> None:
    """50 searches a second over a restart: each is sent again until it is answered, as any client would."""
    settings = {"IMAGERAG_GATEWAY_PORT": str(free_port()), "IMAGERAG_DRAIN_S": "5"}
    gateway = GatewayProcess(tmp_path / "data", settings)
    gateway.behaviour.hang_s = 0.1
    troubles: Counter[str] = Counter()
    waits_s: list[float] = []

    async def search(client: httpx.AsyncClient) -> None:
        began = time.monotonic()
        while True:
            try:
                answer = await client.post("/v1/search", json={"text": "x"})
            except httpx.TransportError as error:
                troubles[type(error).__name__ + (" half way" if "incomplete" in str(error) else "")] += 1
            else:
                if answer.status_code == 200:
                    break
                troubles[str(answer.status_code)] += 1
                assert "retry-after" in answer.headers, answer.text
            assert time.monotonic() - began < 25
            await asyncio.sleep(0.1)
        waits_s.append(time.monotonic() - began)

    with gateway:
        async with client_of(gateway) as client, asyncio.TaskGroup() as running:
            began = time.monotonic()
            restart: asyncio.Future[object] | None = None
            for number in range(400):
                await asyncio.sleep(max(0.0, number / 50 - (time.monotonic() - began)))
                running.create_task(search(client))
                if number == 100:
                    restart = asyncio.get_running_loop().run_in_executor(None, gateway.restart)
            assert restart is not None
            await restart
    print(
        f"\nH4: 400 searches over a restart, all answered; longest {max(waits_s):.1f} s; retried: {dict(troubles)}"
    )
    assert len(waits_s) == 400
    assert troubles, "the stop must have been felt"
    assert not [name for name in troubles if "half way" in name]


def test_h5_how_long_a_look_takes_says_nothing_about_the_keys() -> None:
    """Medians of interleaved batches, by where the key stands, differ by noise alone."""
    secrets = [new_key() for _ in range(50)]
    keys = [ApiKey("shop", hash_of(secret), f"key {number}") for number, secret in enumerate(secrets)]
    near = secrets[0][:-1] + ("A" if secrets[0][-1] != "A" else "B")
    presented = {"first": secrets[0], "last": secrets[-1], "unknown": new_key(), "all but one letter": near}
    batches: dict[str, list[int]] = {name: [] for name in presented}
    rng = random.Random(5)
    for _ in range(400):
        for name in rng.sample(sorted(presented), len(presented)):
            began = time.perf_counter_ns()
            for _ in range(20):
                find_key(keys, presented[name])
            batches[name].append((time.perf_counter_ns() - began) // 20)
    medians = {name: statistics.median(batch) / 1000 for name, batch in batches.items()}
    print("\nH5: median look among 50 keys: " + ", ".join(f"{name} {us:.2f} µs" for name, us in medians.items()))
    assert max(medians.values()) / min(medians.values()) < 1.1
