"""Health and description in JSON."""

from __future__ import annotations

from typing import Literal

from services.gateway.schemas.base import ResponseModel


class Health(ResponseModel):
    """The process answers."""

    status: Literal["ok"]


class Ready(ResponseModel):
    """Whether every part is there."""

    ready: bool
    missing: list[str]


class Info(ResponseModel):
    """What is running here."""

    version: str
    model: str
    notice: str
    semantic: str
    generator: str
    tenant: str
    ready: bool


class ProblemModel(ResponseModel):
    """Any error (RFC 9457); switch on `code`, show `detail`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    request_id: str
