"""Uploaded files in JSON."""

from __future__ import annotations

from services.gateway.schemas.base import ResponseModel


class UploadModel(ResponseModel):
    """A file that was put."""

    sha256: str
    """Of its bytes; a job's item names it as `upload`."""
    size_bytes: int
