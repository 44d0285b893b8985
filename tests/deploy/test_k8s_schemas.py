"""Every object fits its schema: Kubernetes' own, strictly, and ours for those of KEDA and Prometheus."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deploy.rendering import EVERYTHING, render
from tests.deploy.rules.manifests import Manifest, subject_of

KUBERNETES_VERSIONS = ("1.30", "1.37")
"""The oldest that docs/kubernetes.md names and the newest that the validator knows."""
_CUSTOM_SCHEMAS = Path(__file__).parent / "custom_objects.yaml"
_OURS = ("keda.sh/", "monitoring.coreos.com/")


def _objects() -> dict[str, Manifest]:
    """All distinct objects of all renderings, once each."""
    return {json.dumps(body, sort_keys=True): body for parts in EVERYTHING for body in render(parts).objects}


@lru_cache
def _custom_schemas() -> dict[str, Any]:
    return dict(yaml.safe_load(_CUSTOM_SCHEMAS.read_text(encoding="utf-8")))


def check_schema(body: Manifest, version: str) -> str:
    """What is wrong with one object; empty if nothing is. An object without a schema is wrong."""
    try:
        if body["apiVersion"].startswith(_OURS):
            jsonschema.validate(body, _custom_schemas()[f"{body['apiVersion']} {body['kind']}"])
        else:
            kubernetes_validate.validate(body, version, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
        path = ".".join(map(str, error.absolute_path))
        return f"{subject_of(body)} {path}: {error.message}"
    except (KeyError, kubernetes_validate.SchemaNotFoundError) as error:
        return f"{subject_of(body)}: no schema ({error})"
    return ""


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_objects_fit_their_schemas(version: str) -> None:
    complaints = [complaint for body in _objects().values() if (complaint := check_schema(body, version))]
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("parts", EVERYTHING, ids="+".join)
def test_names_are_unique(parts: tuple[str, ...]) -> None:
    keys = [(each["apiVersion"].split("/")[0], subject_of(each)) for each in render(parts).objects]
    assert len(keys) == len(set(keys))


def _deployment(**changes: object) -> Manifest:
    labels = {"app": "a"}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a:1.0"}]}},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {**spec, **changes}}


def test_the_check_sees_an_unknown_field() -> None:
    assert check_schema(_deployment(), "1.37") == ""
    assert "replica" in check_schema(_deployment(replica=2), "1.37")


def test_the_check_sees_a_wrong_type() -> None:
    assert "replicas" in check_schema(_deployment(replicas="two"), "1.37")


def test_the_check_sees_an_object_without_schema() -> None:
    assert "no schema" in check_schema({**_deployment(), "apiVersion": "apps/v1beta7"}, "1.37")
    assert "no schema" in check_schema({**_deployment(), "apiVersion": "keda.sh/v1"}, "1.37")


def test_the_check_sees_an_unknown_field_of_a_custom_object() -> None:
    scaled = next(body for body in _objects().values() if body["kind"] == "ScaledObject")
    assert check_schema(scaled, "1.37") == ""
    wrong = {**scaled, "spec": {**scaled["spec"], "minReplicas": 1}}
    assert "minReplicas" in check_schema(wrong, "1.37")
