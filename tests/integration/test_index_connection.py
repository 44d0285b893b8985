"""The connection to Qdrant when a node goes away under it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from services.common.errors import UnavailableError
from services.common.index.connection import connect, store_errors

ANSWER = json.dumps({"result": {"exists": True}, "status": "ok", "time": 0.0}).encode()

HEAD = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(ANSWER)}\r\n\r\n".encode()


@asynccontextmanager
async def node(answers: Callable[[int], str]) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that answers, cuts or leaves waiting its n-th connection; gives its address and those seen."""
    seen: list[int] = []
    released = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(len(seen) + 1)
        await reader.readuntil(b"\r\n\r\n")
        match answers(seen[-1]):
            case "answer":
                head = (
                    f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(ANSWER)}\r\n\r\n"
                )
                writer.write(head.encode() + ANSWER)
                await writer.drain()
            case "wait":
                await released.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}", seen
        finally:
            released.set()


async def exists(url: str) -> bool:
    client = connect(url, timeout_s=1)
    try:
        with store_errors():
            return bool(await client.collection_exists("a"))
    finally:
        await client.close()


async def test_a_connection_that_breaks_is_tried_once_more() -> None:
    async with node(lambda number: "cut" if number == 1 else "answer") as (url, seen):
        assert await exists(url)
        assert len(seen) == 2


async def test_and_only_once() -> None:
    async with node(lambda _: "cut") as (url, seen):
        with pytest.raises(UnavailableError):
            await exists(url)
        assert len(seen) == 2


async def test_a_timeout_is_not_tried_again() -> None:
    async with node(lambda _: "wait") as (url, seen):
        with pytest.raises(UnavailableError):
            await exists(url)
        assert len(seen) == 1
