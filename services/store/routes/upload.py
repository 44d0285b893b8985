"""Reads the part `snapshot` of a multipart body into a file, piece by piece; memory holds one piece."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from services.common.errors import InvalidRequestError, PayloadTooLargeError

_PART = b"snapshot"
_FRAME_BYTES = 64 * 1024
"""Room for the boundaries and headers around the part."""


async def receive_snapshot(request: Request, target: Path, limit_bytes: int) -> str:
    """Write the uploaded file to `target`.

    Returns:
        Its SHA-256, in hexadecimal.

    Raises:
        InvalidRequestError: The body is no form, is cut off, or has no part `snapshot`.
        PayloadTooLargeError: It is larger than `limit_bytes`.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise InvalidRequestError("A snapshot is uploaded as multipart/form-data with a part `snapshot`")
    with target.open("xb") as file:
        reader = _FormReader(options[b"boundary"], file)
        received = 0
        async for piece in request.stream():
            received += len(piece)
            if received > limit_bytes + _FRAME_BYTES:
                raise PayloadTooLargeError(f"The snapshot is larger than allowed (limit: {limit_bytes} bytes)")
            reader.feed(piece)
        return reader.finish()


class _FormReader:
    """Callbacks of the parser."""

    def __init__(self, boundary: bytes, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._header, self._value = b"", b""
        self._in_part = self._complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
            },
        )

    def feed(self, piece: bytes) -> None:
        """Parse what came."""
        try:
            self._parser.write(piece)
        except MultipartParseError:
            raise InvalidRequestError("The body is no multipart form") from None

    def finish(self) -> str:
        """The SHA-256 of the file."""
        if not self._complete:
            raise InvalidRequestError("The body has no complete part `snapshot`")
        self._file.flush()
        return self._digest.hexdigest()

    def _begin(self) -> None:
        self._in_part, self._header, self._value = False, b"", b""

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._in_part = options.get(b"name") == _PART and not self._complete
        self._header, self._value = b"", b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_part:
            self._digest.update(data[start:end])
            self._file.write(data[start:end])

    def _end(self) -> None:
        self._complete = self._complete or self._in_part
        self._in_part = False
