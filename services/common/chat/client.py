"""A client of an OpenAI-compatible endpoint: nothing from the environment, and a bound on every answer."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

from services.common.chat.transport import BoundedTransport

_NO_KEY = "none"
"""The client insists on one; servers without keys ignore it."""


@dataclass(frozen=True)
class ChatServer:
    """Where an endpoint is.

    Attributes:
        base_url: Up to and with `/v1`.
        api_key: Empty: none is needed.
        ca_path: Certificates to trust instead of the usual ones.
        proxy_url: The environment's proxies are not used: a loopback or cluster address must not go through them.
    """

    base_url: str
    api_key: str = ""
    ca_path: Path | None = None
    proxy_url: str | None = None


@asynccontextmanager
async def open_client(
    server: ChatServer, *, connect_s: float, total_s: float, response_limit_bytes: int
) -> AsyncIterator[AsyncOpenAI]:
    """A client that takes nothing from the environment: no key, no address, no proxy. It tries nothing again.

    Redirects are not followed: the key and the content go to the address of the settings and nowhere else.

    Args:
        server: Whose client.
        connect_s: Longest wait for a connection.
        total_s: Longest wait for anything else.
        response_limit_bytes: Largest response.

    Raises:
        OSError: The certificates cannot be read.
    """
    verify = True if server.ca_path is None else ssl.create_default_context(cafile=str(server.ca_path))
    connections = httpx2.AsyncHTTPTransport(verify=verify, trust_env=False, proxy=server.proxy_url)
    transport = DefaultAsyncHttpxClient(
        transport=BoundedTransport(connections, response_limit_bytes), follow_redirects=False, trust_env=False
    )
    client = AsyncOpenAI(
        api_key=server.api_key or _NO_KEY,
        organization="",
        project="",
        base_url=server.base_url,
        timeout=Timeout(total_s, connect=connect_s),
        max_retries=0,
        http_client=transport,
    )
    # Given as None they would be read from the environment.
    client.organization = client.project = None
    async with client:
        yield client
