"""What the OpenAPI document cannot read off the routes: bodies of two kinds, and the one error shape."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.gateway.about import own_version
from services.gateway.schemas.about import ProblemModel
from services.gateway.schemas.answers import AskRequest
from services.gateway.schemas.items import ItemDraft
from services.gateway.schemas.jobs import JobItem, JobRequest
from services.gateway.schemas.search import SearchRequest

_REF = "#/components/schemas/{model}"
_BODIES: tuple[type[BaseModel], ...] = (ItemDraft, SearchRequest, AskRequest, JobRequest, JobItem, ProblemModel)
_PICTURE = {"type": "string", "format": "binary", "description": "JPEG, PNG, WebP, GIF, BMP or TIFF."}
_PROBLEM = {
    "description": "A problem; `code` says which.",
    "content": {"application/problem+json": {"schema": {"$ref": _REF.format(model="ProblemModel")}}},
}


def pictured_body(model: type[BaseModel], part: str) -> dict[str, Any]:
    """A body that is `model` as JSON, or a form of a picture `image` and `model` as the part `part`."""
    reference = {"$ref": _REF.format(model=model.__name__)}
    form = {"type": "object", "properties": {"image": _PICTURE, part: reference}}
    return _body(
        {
            "application/json": {"schema": reference},
            "multipart/form-data": {
                "schema": form,
                "encoding": {part: {"contentType": "application/json"}},
            },
        }
    )


def job_body() -> dict[str, Any]:
    """A job as JSON, or a form of pictures and their descriptions."""
    items = {"type": "array", "items": {"$ref": _REF.format(model="JobItem")}}
    form = {
        "type": "object",
        "properties": {"files": {"type": "array", "items": _PICTURE}, "items": items},
    }
    return _body(
        {
            "application/json": {"schema": {"$ref": _REF.format(model="JobRequest")}},
            "multipart/form-data": {"schema": form, "encoding": {"items": {"contentType": "application/json"}}},
        }
    )


def raw_picture_body() -> dict[str, Any]:
    """The bytes of one picture."""
    return _body({"application/octet-stream": {"schema": _PICTURE}})


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`; made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title="imagerag",
            version=own_version(),
            summary="Pictures, pages and words in; ranked items and cited answers out.",
            routes=app.routes,
        )
        _, definitions = models_json_schema([(model, "validation") for model in _BODIES], ref_template=_REF)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for name, schema in definitions.get("$defs", {}).items():
            schemas.setdefault(name, schema)
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        _name_problems(made)
        app.openapi_schema = made
    return app.openapi_schema


def _name_problems(made: dict[str, Any]) -> None:
    for path in made["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _PROBLEM


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}
