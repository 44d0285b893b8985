"""What a job is to read: files that lie on the server, object storage, or URLs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from services.common.jobs.records import JobSource
from services.gateway.schemas.base import RequestModel

MAX_URLS = 10_000
"""Most URLs of one request; a longer list is a file on the server, or an uploaded table with a column `url`."""
ReadSourceType = Literal["archive", "auto", "document", "folder", "manifest", "prefix", "urls", "video"]
WebUrl = Annotated[str, Field(max_length=4096, pattern=r"^\s*[Hh][Tt][Tt][Pp][Ss]?://[^\r\n]+$")]


class SourceModel(RequestModel):
    """Files that lie on the server, under one of IMAGERAG_SOURCE_ROOTS; or what workers can reach."""

    type: ReadSourceType
    path: str = Field(default="", max_length=4096)
    """Path on the server, or URL. Of `urls`: one URL, or a text file on the server with a URL a line."""
    urls: list[WebUrl] | None = Field(default=None, min_length=1, max_length=MAX_URLS, fail_fast=True)
    """Of `urls`, in place of a path."""

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if self.urls is not None and self.type != "urls":
            raise PydanticCustomError("unexpected", "only a source of the type 'urls' takes a list of URLs")
        if bool(self.path) == bool(self.urls):
            wanted = "either 'path' or 'urls'" if self.type == "urls" else "'path'"
            raise PydanticCustomError("missing", "send {wanted}", {"wanted": wanted})
        return self

    def source(self) -> JobSource:
        """As the ledger has it; a list of URLs goes beside it."""
        return JobSource(self.type, self.path)
