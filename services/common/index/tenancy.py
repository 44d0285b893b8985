"""Where tenants are kept apart: one function stamps, one restricts. Every point operation goes through one."""

from __future__ import annotations

from collections.abc import Sequence

from qdrant_client import models

from services.common.domain import JsonObject
from services.common.index.schema import DELETED, TENANT
from services.common.tenant import check_tenant


def stamp(tenant: str, payload: JsonObject) -> dict[str, object]:
    """The payload as this tenant's own."""
    return {**payload, TENANT: check_tenant(tenant)}


def scoped(
    tenant: str,
    condition: models.Filter | None = None,
    *,
    ids: Sequence[str] | None = None,
    with_tombstones: bool = False,
) -> models.Filter:
    """A filter that passes nothing of another tenant.

    Args:
        tenant: Whose points.
        condition: A further filter; it can only narrow.
        ids: Only these points.
        with_tombstones: Deleted items too.
    """
    must: list[models.Condition] = [_equals(TENANT, check_tenant(tenant))]
    if ids is not None:
        must.append(models.HasIdCondition(has_id=list(ids)))
    if condition is not None:
        must.append(condition)
    return models.Filter(must=must, must_not=None if with_tombstones else [_equals(DELETED, True)])


def _equals(key: str, value: str | bool) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))
