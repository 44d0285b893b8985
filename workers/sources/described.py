"""What strangers say about a picture, checked before it becomes a line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from services.common.domain import Position
from services.common.errors import InvalidRequestError
from services.common.jobs.records import ManifestLine

METADATA_LIMIT_BYTES = 64 * 1024


class Described(BaseModel):
    """The fields of a line that may be given beside a picture; the bounds are those of the gateway."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: str = Field(default="", max_length=512)
    key_column: str = Field(default="", max_length=512)
    title: str = Field(default="", max_length=1000)
    text: str = Field(default="", max_length=100_000)
    tags: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default_factory=list, max_length=100)
    metadata: dict[str, Any] = Field(default_factory=dict)
    source_uri: str = Field(default="", max_length=2000)
    document_id: str = Field(default="", max_length=512)
    position: Position | None = None

    @field_validator("position")
    @classmethod
    def _possible(cls, given: Position | None) -> Position | None:
        if given and given.page is not None and not 1 <= given.page < 2**31:
            raise PydanticCustomError("position", "pages are counted from 1")
        if given and given.timestamp_s is not None and not 0 <= given.timestamp_s < math.inf:
            raise PydanticCustomError("position", "timestamp_s counts seconds from the start")
        return given

    def line(self, name: str, sha256: str, source_uri: str) -> ManifestLine:
        """The line of a picture, or of the words alone.

        Args:
            name: What a person knows it by.
            sha256: Of the picture in the media store; empty: there is none.
            source_uri: Where it was found, unless it says so itself.
        """
        return ManifestLine(
            name,
            key=self.key,
            key_column=self.key_column,
            sha256=sha256,
            title=self.title,
            text=self.text,
            tags=tuple(self.tags),
            metadata=self.metadata,
            source_uri=self.source_uri or source_uri,
            document_id=self.document_id,
            position=self.position,
        )


def checked(fields: Mapping[str, Any]) -> Described:
    """Check what is said about something.

    Args:
        fields: By name; JSON.

    Raises:
        InvalidRequestError: One of them is of a wrong type or too long; the message names it.
    """
    # Through JSON: only that way half a surrogate pair deep inside the metadata is noticed.
    try:
        text = json.dumps(dict(fields), allow_nan=False)
        described = Described.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "It"
        raise InvalidRequestError(f"{where}: {first['msg']}.") from None
    except ValueError:
        raise InvalidRequestError("One of the numbers is none.") from None
    if len(json.dumps(described.metadata, ensure_ascii=False).encode()) > METADATA_LIMIT_BYTES:
        raise InvalidRequestError(f"metadata: more than {METADATA_LIMIT_BYTES:,} bytes of JSON.")
    return described
