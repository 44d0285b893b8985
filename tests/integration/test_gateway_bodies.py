"""Bodies that are too large, too slow or too odd, over real sockets."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fixtures.gateway import RunningGateway, drawn_picture, running_gateway

LIMIT = 64 * 1024


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    small = {
        "body_limit_bytes": LIMIT,
        "picture_limit_bytes": LIMIT,
        "item_list_limit_bytes": LIMIT,
        "file_limit_bytes": LIMIT,
    }
    async with running_gateway(
        tmp_path / "data", upload_limit_bytes=4 * LIMIT, body_grace_s=1.0, header_s=1.0, **small
    ) as running:
        yield running


async def zeros(size_bytes: int) -> AsyncIterator[bytes]:
    """A body without a declared length."""
    for _ in range(size_bytes // 16_384):
        yield b"0" * 16_384


async def form(size_bytes: int) -> AsyncIterator[bytes]:
    """A form whose file does not end, without a declared length."""
    yield b'--x\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    async for piece in zeros(size_bytes):
        yield piece


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/v1/search", "application/json"),
        ("POST", "/v1/items", "application/json"),
        ("POST", "/v1/jobs", "application/json"),
        ("PUT", "/v1/media", "image/png"),
        ("PUT", "/v1/uploads", "application/zip"),
        ("POST", "/v1/search", "multipart/form-data; boundary=x"),
        ("POST", "/v1/jobs", "multipart/form-data; boundary=x"),
    ],
)
@pytest.mark.parametrize("declared", [True, False])
async def test_ten_times_the_limit(
    gateway: RunningGateway, method: str, path: str, kind: str, declared: bool
) -> None:
    endless = form if kind.startswith("multipart") else zeros
    content = b"0" * (10 * LIMIT) if declared else endless(10 * LIMIT)
    answer = await gateway.client.request(method, path, content=content, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert answer.headers["connection"] == "close"
    assert (await gateway.client.get("/healthz")).status_code == 200


async def test_a_huge_body_costs_no_memory(gateway: RunningGateway) -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = await gateway.client.post(
        "/v1/search", content=zeros(128 * 1024 * 1024), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 40_000


async def test_what_just_fits_is_taken(gateway: RunningGateway) -> None:
    text = "x" * (LIMIT - 100)
    assert (await gateway.client.post("/v1/items", json={"text": text})).status_code == 202
    picture = drawn_picture(1)
    assert len(picture) < LIMIT
    assert (await gateway.client.put("/v1/media", content=picture)).status_code == 201


async def test_one_large_picture_of_a_job_is_rejected_alone(gateway: RunningGateway) -> None:
    files = [("files", ("big.png", b"\x89PNG" + b"0" * LIMIT)), ("files", ("ok.png", drawn_picture(1)))]
    answer = await gateway.client.post("/v1/jobs", files=files)
    assert answer.json()["total"] == 1
    assert [(entry["name"], entry["code"]) for entry in answer.json()["rejected"]] == [
        ("big.png", "payload_too_large")
    ]


async def closed_after_s(url: str, first: bytes, dribble: bytes = b"") -> tuple[float, bytes]:
    """Send `first`, then `dribble` four times a second; how long until the server closes, and what it said."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    started = asyncio.get_running_loop().time()
    writer.write(first)
    reading = asyncio.create_task(reader.read())
    with contextlib.suppress(ConnectionError):
        while not reading.done():
            if dribble:
                writer.write(dribble)
                await writer.drain()
            await asyncio.wait({reading}, timeout=0.25)
    took_s = asyncio.get_running_loop().time() - started
    said = b"" if reading.exception() else reading.result()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return took_s, said


@pytest.mark.parametrize(
    ("first", "dribble"),
    [(b"", b""), (b"GET / HT", b""), (b"GET / HTTP/1.1\r\n", b"x: y\r\n")],
    ids=["silent", "half a line", "endless header"],
)
async def test_a_slow_header_is_given_up(gateway: RunningGateway, first: bytes, dribble: bytes) -> None:
    took_s, _ = await asyncio.wait_for(closed_after_s(gateway.url, first, dribble), 10)
    assert 0.8 < took_s < 4


async def test_a_slow_body_is_given_up(gateway: RunningGateway) -> None:
    head = (
        b"POST /v1/search HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: 9000\r\n\r\n"
    )
    took_s, said = await asyncio.wait_for(closed_after_s(gateway.url, head, b" "), 10)
    assert took_s < 6
    assert b"408" in said.split(b"\r\n")[0]
    assert b"request_timeout" in said


async def test_slow_connections_do_not_hold_up_others(gateway: RunningGateway) -> None:
    slow = [asyncio.create_task(closed_after_s(gateway.url, b"GET / HT")) for _ in range(100)]
    await asyncio.sleep(0.2)
    assert (await asyncio.wait_for(gateway.client.get("/healthz"), 2)).status_code == 200
    await asyncio.wait_for(asyncio.gather(*slow), 10)


async def test_a_kept_connection_serves_on(gateway: RunningGateway) -> None:
    for _ in range(3):
        assert (await gateway.client.get("/healthz")).status_code == 200
        await asyncio.sleep(0.6)


@pytest.mark.parametrize(
    "body",
    [b"[" * 30_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b'{"text": "x", "rrf_k": NaN}', b"\xff\xfe", b"{"],
    ids=["open lists", "deep objects", "nan", "not utf-8", "cut off"],
)
async def test_odd_json_is_refused(gateway: RunningGateway, body: bytes) -> None:
    answer = await gateway.client.post("/v1/search", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_broken_form_is_refused(gateway: RunningGateway) -> None:
    for body in (b"", b"--x\r\nnonsense", b"--x\r\ncontent-disposition: form-data\r\n\r\nx\r\n--x--"):
        headers = {"content-type": "multipart/form-data; boundary=x"}
        answer = await gateway.client.post("/v1/items", content=body, headers=headers)
        assert answer.status_code == 422
    headers = {"content-type": "multipart/form-data"}
    assert (await gateway.client.post("/v1/items", content=b"x", headers=headers)).status_code == 422
