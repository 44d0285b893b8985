"""Asks the endpoints of models whether they answer and have the model."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from services.cli.diagnosis.findings import Finding, Level
from services.cli.settings import CaptionEndpoint, ModelEndpoint

TIMEOUT_S = 5.0
_NAMED = 8
"""Models of a hosted endpoint run into hundreds."""


@dataclass(frozen=True)
class NamedModel:
    """A model as the settings name it.

    Attributes:
        subject: What it is for.
        prefix: Of the variables that name it: `..._BASE_URL`, `..._MODEL`, `..._API_KEY`.
        key: Empty: none is sent.
    """

    subject: str
    prefix: str
    base_url: str
    model: str
    key: str = ""
    ca_path: str = ""
    proxy_url: str = ""


def endpoint_findings(settings: ModelEndpoint) -> list[Finding]:
    """Whether the endpoint of answers is in order; nothing, if no language model is set."""
    if settings.backend != "openai":
        return []
    named = NamedModel(
        "language model",
        "IMAGERAG_GENERATOR_OPENAI",
        settings.openai_base_url,
        settings.openai_model,
        settings.openai_api_key.get_secret_value(),
        settings.openai_ca_path,
        settings.openai_proxy_url,
    )
    return [_look_at(named)]


def caption_findings(settings: CaptionEndpoint) -> list[Finding]:
    """Whether the endpoint of captions is in order; nothing, if none is set."""
    if not (settings.caption_base_url or settings.caption_model):
        return []
    named = NamedModel(
        "model of captions",
        "IMAGERAG_WORKERS_CAPTION",
        settings.caption_base_url,
        settings.caption_model,
        settings.caption_api_key.get_secret_value(),
        settings.caption_ca_path,
        settings.caption_proxy_url,
    )
    return [_look_at(named)]


def _look_at(named: NamedModel) -> Finding:
    """What the endpoint writes is shown only as names of models."""
    if not named.base_url or not named.model:
        needed = f"{named.prefix}_BASE_URL and {named.prefix}_MODEL"
        return Finding(named.subject, Level.FAILED, "no endpoint or no model is named", f"Set {needed}.")
    try:
        answer = _ask(named)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        where = f"{named.base_url} does not answer ({type(error).__name__})"
        return Finding(named.subject, Level.FAILED, where, "Start the model's server, or correct the address.")
    return _of_answer(named, answer)


def _ask(named: NamedModel) -> httpx.Response:
    with httpx.Client(
        headers={"authorization": f"Bearer {named.key}"} if named.key else {},
        verify=ssl.create_default_context(cafile=named.ca_path) if named.ca_path else True,
        proxy=named.proxy_url or None,
        timeout=TIMEOUT_S,
        trust_env=False,
    ) as client:
        return client.get(f"{named.base_url.rstrip('/')}/models")


def _of_answer(named: NamedModel, answer: httpx.Response) -> Finding:
    where = named.base_url
    if answer.status_code in (401, 403):
        fix = f"Set {named.prefix}_API_KEY to a valid one."
        return Finding(named.subject, Level.FAILED, f"{where} refuses the key", fix)
    models = _names(answer)
    if models is None:
        said = f"{where} answers, but does not list its models (status {answer.status_code})"
        return Finding(named.subject, Level.NOTE, said, "Use it to see whether it has the model.")
    if named.model in models:
        return Finding(named.subject, Level.OK, f"{where} answers and has {named.model}")
    fix = f"Set {named.prefix}_MODEL to one of: {_listed(models)}."
    return Finding(named.subject, Level.FAILED, f"{where} answers, but has no {named.model}", fix)


def _names(answer: httpx.Response) -> list[str] | None:
    if answer.status_code != httpx.codes.OK:
        return None
    try:
        return [str(model["id"]) for model in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return None


def _listed(models: Sequence[str]) -> str:
    shown = ", ".join(models[:_NAMED])
    return f"{shown} and {len(models) - _NAMED} more" if len(models) > _NAMED else shown or "none is there yet"
