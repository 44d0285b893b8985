"""What `doctor` says of the language model's endpoint, asked over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.cli.cluster.plan import Site, cluster_parts
from services.cli.diagnosis.endpoint import caption_findings, endpoint_findings
from services.cli.diagnosis.findings import Finding, Level
from services.cli.settings import CaptionEndpoint, ExternalServers, ModelEndpoint
from tests.fixtures.openai_server import MODEL, Script, openai_server

PORTS = ("gateway", "store", "encoder", "retriever", "generator", "broker", "cache")


def endpoint(url: str, model: str = MODEL, key: str = "sk-1") -> ModelEndpoint:
    return ModelEndpoint(
        backend="openai", openai_base_url=url, openai_model=model, openai_api_key=SecretStr(key)
    )  # fmt: skip


async def look(script: Script, model: str = MODEL) -> Finding:
    async with openai_server(script) as server:
        (finding,) = await asyncio.to_thread(endpoint_findings, endpoint(server.url, model))
    return finding


async def test_it_answers_and_has_the_model() -> None:
    finding = await look(Script())
    assert (finding.level, finding.detail.split(" ", 1)[1]) == (Level.OK, f"answers and has {MODEL}")


async def test_it_has_other_models() -> None:
    finding = await look(Script(models=[f"m{number}" for number in range(20)]), "absent")
    assert finding.level is Level.FAILED
    assert finding.fix.endswith("m6, m7 and 12 more.")


async def test_it_lists_no_models() -> None:
    assert (await look(Script(models=None))).level is Level.NOTE


async def test_it_refuses_the_key() -> None:
    finding = await look(Script(models=["x"], key="sk-2"))
    assert (finding.level, "API_KEY" in finding.fix) == (Level.FAILED, True)
    assert "sk-1" not in finding.detail + finding.fix


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "not an address", "http://[", "ftp://a/v1"])
def test_nobody_is_there(url: str) -> None:
    (finding,) = endpoint_findings(endpoint(url))
    assert finding.level is Level.FAILED
    assert "does not answer" in finding.detail


def test_nothing_is_said_without_a_language_model() -> None:
    assert endpoint_findings(ModelEndpoint(backend="extractive")) == []
    assert endpoint_findings(endpoint(""))[0].level is Level.FAILED


async def test_the_model_of_captions_is_looked_for_too() -> None:
    assert caption_findings(CaptionEndpoint()) == []
    async with openai_server(Script()) as server:
        named = CaptionEndpoint(caption_base_url=server.url, caption_model=MODEL)
        absent = CaptionEndpoint(caption_base_url=server.url, caption_model="absent")
        (found,) = await asyncio.to_thread(caption_findings, named)
        (missing,) = await asyncio.to_thread(caption_findings, absent)
    assert (found.subject, found.level) == ("model of captions", Level.OK)
    assert missing.fix == f"Set IMAGERAG_WORKERS_CAPTION_MODEL to one of: {MODEL}."
    (half,) = caption_findings(CaptionEndpoint(caption_model=MODEL))
    assert half.fix == "Set IMAGERAG_WORKERS_CAPTION_BASE_URL and IMAGERAG_WORKERS_CAPTION_MODEL."


def test_up_leaves_the_model_to_the_environment(tmp_path: Path) -> None:
    site = Site(tmp_path, dict.fromkeys(PORTS, 1), "starter", "/valkey", ExternalServers(), cpus=2)
    generator = next(part for part in cluster_parts(site) if part.name == "generator")
    told = {**generator.defaults, **generator.environment}
    assert "IMAGERAG_GENERATOR_PORT" in told
    assert [name for name in told if "OPENAI" in name or name.endswith(("_BACKEND", "_FALLBACK"))] == []
