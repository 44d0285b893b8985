"""What was found out about an item at ingest, in JSON."""

from __future__ import annotations

from typing import Literal

from services.common.domain import Caption, DuplicateOf
from services.gateway.schemas.base import ResponseModel


class CaptionModel(ResponseModel):
    """What a vision model wrote about the picture."""

    brief: str
    detailed: str
    keywords: list[str]
    text_content: str
    """What the model read in the picture."""
    data_points: list[str]
    """Figures of a chart or table, each as one line."""
    model: str


class DuplicateOfModel(ResponseModel):
    """The item whose picture was there first."""

    id: str
    kind: Literal["exact", "near"]
    """`exact`: the same bytes. `near`: it looks the same."""
    similarity: float
    """Cosine of the image vectors; 1 for the same bytes."""


def caption_model(caption: Caption) -> CaptionModel:
    """The JSON form of `caption`."""
    return CaptionModel(
        brief=caption.brief,
        detailed=caption.detailed,
        keywords=list(caption.keywords),
        text_content=caption.text_content,
        data_points=list(caption.data_points),
        model=caption.model,
    )


def duplicate_model(duplicate: DuplicateOf) -> DuplicateOfModel:
    """The JSON form of `duplicate`."""
    return DuplicateOfModel(
        id=duplicate.item_id, kind=duplicate.kind.value, similarity=round(duplicate.similarity, 4)
    )
