"""When a write takes the place of what stands under its id: conditions of an upsert. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from qdrant_client import models

from services.common.domain import IndexedItem
from services.common.index import schema
from services.common.index.payload import INCOMPLETE, JOB_ID, LINE


def older(revision: int) -> models.Filter:
    """What stands there is an older write."""
    return models.Filter(must=[models.FieldCondition(key=schema.REVISION, range=models.Range(lt=revision))])


def older_or_incomplete(items: Sequence[IndexedItem]) -> models.Filter:
    """It is an older write; or it is this very write of this very line, and an enrichment had failed then.

    So a line may be done again to complete its item, under the revision that it has, and whatever came after it
    stays. A complete item is never replaced by its own line: a repeat in which an enrichment fails has no effect.

    Args:
        items: Of one revision and one job.
    """
    revision = items[0].item.revision
    same_write: list[models.Condition] = [
        models.FieldCondition(key=schema.REVISION, range=models.Range(gte=revision, lte=revision)),
        models.FieldCondition(key=JOB_ID, match=models.MatchValue(value=items[0].job_id)),
        models.FieldCondition(key=LINE, match=models.MatchAny(any=[indexed.line for indexed in items])),
    ]
    incomplete = models.IsEmptyCondition(is_empty=models.PayloadField(key=INCOMPLETE))
    again = models.Filter(must=same_write, must_not=[incomplete])
    return models.Filter(should=[older(revision), again])
