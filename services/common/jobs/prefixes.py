"""Which URLs of object storage may be read on a caller's word. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from services.common.errors import ForbiddenError, InvalidRequestError

SETTING = "IMAGERAG_SOURCE_PREFIXES"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+(/.*)?")
_STORAGES = frozenset(
    {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "tos", "hf", "hdfs", "webhdfs", "dbfs"}
)
"""Schemes of fsspec that lead to a storage; others lead to this machine, its network, or into a file."""


def is_url(path: str) -> bool:
    """Whether a source is named by a URL of another place than this machine's files."""
    return "://" in path and not path.startswith("file://")


def parse_prefixes(text: str) -> tuple[str, ...]:
    """URLs of a setting: separated by commas, or a JSON list; without the slash at their end.

    Raises:
        ValueError: One is not the URL of a bucket or of something in it.
    """
    inner = text.strip().removeprefix("[").removesuffix("]")
    prefixes = tuple(part.strip().strip("\"'").rstrip("/") for part in inner.split(",") if part.strip())
    for prefix in prefixes:
        if not _is_plain(prefix) or urlsplit(prefix).scheme not in _STORAGES:
            raise ValueError(f"{prefix!r} is not the URL of a bucket, such as s3://bucket/photos")
    return prefixes


def allowed_url(url: str, prefixes: Sequence[str]) -> str:
    """`url` without the slash at its end, if it lies below an allowed one.

    Args:
        url: From a caller.
        prefixes: From `parse_prefixes`.

    Raises:
        ForbiddenError: It lies elsewhere, or none is allowed.
        InvalidRequestError: Not the plain URL of a folder in object storage.
    """
    if not prefixes:
        raise ForbiddenError(
            f"Reading object storage is switched off. Set {SETTING} to the URLs that may be read, such as "
            "s3://bucket/photos."
        )
    plain = url.rstrip("/")
    if not _is_plain(plain):
        raise InvalidRequestError(f"{url[:200]!r} is not the plain URL of a folder, such as s3://bucket/photos.")
    if any(plain == prefix or plain.startswith(f"{prefix}/") for prefix in prefixes):
        return plain
    raise ForbiddenError(f"{url[:200]!r} is not below one of the URLs that {SETTING} allows.")


def _is_plain(url: str) -> bool:
    """Nothing in it that fsspec, or a storage, would read as something else than a path."""
    if not _URL.fullmatch(url) or "::" in url or any(sign in url for sign in "@?#\\%*[]\0"):
        return False
    return not any(part in {"", ".", ".."} for part in url.split("://", 1)[1].split("/"))
