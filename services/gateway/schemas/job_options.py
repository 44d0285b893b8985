"""What is to be done with a job's items beyond storing them, in JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from services.common.jobs.records import DuplicatePolicy, JobOptions
from services.gateway.schemas.base import RequestModel, ResponseModel

_ColumnName = Annotated[str, Field(min_length=1, max_length=512)]
_COLUMNS = 64


class JobOptionsRequest(RequestModel):
    """What else is to be done with the items; everything is off unless it is asked for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"columns": {"title": "product_name"}, "ocr": True, "duplicates": "link"}]}
    )

    columns: dict[_ColumnName, _ColumnName] = Field(default_factory=dict, max_length=_COLUMNS)
    """Of a table: its column by the field that it fills, e.g. `{"title": "product_name"}`."""
    ocr: bool = False
    """Read the text inside pictures."""
    captions: bool = False
    """Have a vision model describe pictures."""
    tags: bool = False
    """Have a model name what is seen, in single words."""
    duplicates: DuplicatePolicy = "keep"
    """A picture with the same bytes as another item's: `keep` it, `link` it to the first, or `skip` it."""
    near_duplicates: DuplicatePolicy = "keep"
    """The same for a picture that looks like another item's."""

    def options(self) -> JobOptions:
        """As the ledger keeps them."""
        return JobOptions(**dict(self))


class JobOptionsModel(ResponseModel):
    """What else is done with a job's items."""

    columns: dict[str, str]
    ocr: bool
    captions: bool
    tags: bool
    duplicates: DuplicatePolicy
    near_duplicates: DuplicatePolicy


def job_options_model(options: JobOptions) -> JobOptionsModel:
    """The JSON form of `options`."""
    return JobOptionsModel(
        columns=dict(options.columns),
        ocr=options.ocr,
        captions=options.captions,
        tags=options.tags,
        duplicates=options.duplicates,
        near_duplicates=options.near_duplicates,
    )
