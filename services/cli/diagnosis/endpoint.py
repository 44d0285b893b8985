"""Asks the language model's endpoint whether it answers and has the model."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import httpx

from services.cli.diagnosis.findings import Finding, Level
from services.cli.settings import ModelEndpoint

SUBJECT = "language model"
TIMEOUT_S = 5.0
_NAMED = 8
"""Models of a hosted endpoint run into hundreds."""


def endpoint_findings(settings: ModelEndpoint) -> list[Finding]:
    """Whether the endpoint answers and has the model; nothing, if no language model is set.

    What the endpoint writes is shown only as names of models.
    """
    if settings.backend != "openai":
        return []
    if not settings.openai_base_url or not settings.openai_model:
        needed = "IMAGERAG_GENERATOR_OPENAI_BASE_URL and IMAGERAG_GENERATOR_OPENAI_MODEL"
        return [Finding(SUBJECT, Level.FAILED, "no endpoint or no model is named", f"Set {needed}.")]
    try:
        answer = _ask(settings)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        where = f"{settings.openai_base_url} does not answer ({type(error).__name__})"
        return [Finding(SUBJECT, Level.FAILED, where, "Start the model's server, or correct the address.")]
    return [_of_answer(settings, answer)]


def _ask(settings: ModelEndpoint) -> httpx.Response:
    key = settings.openai_api_key.get_secret_value()
    certificates = settings.openai_ca_path
    with httpx.Client(
        headers={"authorization": f"Bearer {key}"} if key else {},
        verify=ssl.create_default_context(cafile=certificates) if certificates else True,
        proxy=settings.openai_proxy_url or None,
        timeout=TIMEOUT_S,
        trust_env=False,
    ) as client:
        return client.get(f"{settings.openai_base_url.rstrip('/')}/models")


def _of_answer(settings: ModelEndpoint, answer: httpx.Response) -> Finding:
    where = settings.openai_base_url
    if answer.status_code in (401, 403):
        return Finding(
            SUBJECT,
            Level.FAILED,
            f"{where} refuses the key",
            "Set IMAGERAG_GENERATOR_OPENAI_API_KEY to a valid one.",
        )
    models = _names(answer)
    if models is None:
        said = f"{where} answers, but does not list its models (status {answer.status_code})"
        return Finding(SUBJECT, Level.NOTE, said, "Ask a question to see whether it has the model.")
    if settings.openai_model in models:
        return Finding(SUBJECT, Level.OK, f"{where} answers and has {settings.openai_model}")
    fix = f"Set IMAGERAG_GENERATOR_OPENAI_MODEL to one of: {_listed(models)}."
    return Finding(SUBJECT, Level.FAILED, f"{where} answers, but has no {settings.openai_model}", fix)


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
