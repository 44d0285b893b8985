"""What the OpenAPI document cannot read off the routes: bodies of two kinds, and the one error shape."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.gateway.about import own_version
from services.gateway.policy import Policy
from services.gateway.schemas.about import ProblemModel
from services.gateway.schemas.answers import AskRequest
from services.gateway.schemas.catalogue_import import ImportRequest
from services.gateway.schemas.items import ItemDraft
from services.gateway.schemas.job_control import RetryRequest
from services.gateway.schemas.jobs import JobItem, JobRequest
from services.gateway.schemas.search import SearchRequest

SECURITY_SCHEME = "ApiKey"
_REF = "#/components/schemas/{model}"
_BODIES: tuple[type[BaseModel], ...] = (
    ItemDraft,
    SearchRequest,
    AskRequest,
    JobRequest,
    JobItem,
    RetryRequest,
    ImportRequest,
    ProblemModel,
)
_PICTURE = {"type": "string", "format": "binary", "description": "JPEG, PNG, WebP, GIF, BMP or TIFF."}
_FILE = {"type": "string", "format": "binary", "description": "A picture, PDF, text, ZIP, TAR, video or table."}
_PROBLEM_BODY = {"application/problem+json": {"schema": {"$ref": _REF.format(model="ProblemModel")}}}
_SECONDS = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
_PROBLEMS: dict[str, dict[str, Any]] = {
    "401": {"description": "No key, or one that is unknown or expired."},
    "403": {"description": "The key lacks the scope that this needs."},
    "429": {"description": "The key sends too much.", "headers": _SECONDS},
    "503": {"description": "Something does not answer, or all together send too much.", "headers": _SECONDS},
    "default": {"description": "A problem; `code` says which."},
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
    """A job as JSON, or a form of files and their descriptions."""
    items = {"type": "array", "items": {"$ref": _REF.format(model="JobItem")}}
    options = {"$ref": _REF.format(model="JobOptionsRequest")}
    form = {
        "type": "object",
        "properties": {"files": {"type": "array", "items": _FILE}, "items": items, "options": options},
    }
    as_json = {"contentType": "application/json"}
    return _body(
        {
            "application/json": {"schema": {"$ref": _REF.format(model="JobRequest")}},
            "multipart/form-data": {"schema": form, "encoding": {"items": as_json, "options": as_json}},
        }
    )


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """A body that is `model` as JSON."""
    return _body({"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}})


def optional_body(model: type[BaseModel]) -> dict[str, Any]:
    """A body that is `model` as JSON and may be left out."""
    content = {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}
    return {"requestBody": {"required": False, "content": content}}


def raw_picture_body() -> dict[str, Any]:
    """The bytes of one picture."""
    return _body({"application/octet-stream": {"schema": _PICTURE}})


def raw_file_body() -> dict[str, Any]:
    """The bytes of one file of any kind."""
    return _body({"application/octet-stream": {"schema": _FILE}})


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
        _describe_doors(made)
        app.openapi_schema = made
    return app.openapi_schema


def _describe_doors(made: dict[str, Any]) -> None:
    policy = Policy()
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            rule = policy.find(method.upper(), path).rule
            scopes = () if rule is None else rule.scopes
            operation["security"] = [{SECURITY_SCHEME: []}] if scopes else []
            if scopes:
                operation["x-scopes"] = [scope.value for scope in scopes]
            _describe_problems(operation["responses"], keyed=bool(scopes))


def _describe_problems(responses: dict[str, Any], *, keyed: bool) -> None:
    responses.pop("422", None)
    for status, described in _PROBLEMS.items():
        if keyed or status == "default":
            responses.setdefault(status, {**described, "content": _PROBLEM_BODY})


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}
