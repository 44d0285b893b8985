"""What passes from the sandbox to its caller: records with bytes, length-prefixed, on a pipe."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

MAX_RECORD_BYTES = 16 * 1024 * 1024
_HEADER = struct.Struct("<IQ")


@dataclass(frozen=True)
class Part:
    """One thing found inside a container.

    Attributes:
        record: What is known of it; the opener and its caller agree on the names.
        data: Its bytes, if it has any: an encoded picture, as a rule.
    """

    record: dict[str, Any] = field(default_factory=dict)
    data: bytes = b""


def write_part(pipe: BinaryIO, part: Part) -> None:
    """Write one part; blocks while the reader is behind."""
    record = json.dumps(part.record, ensure_ascii=False).encode("utf-8", "backslashreplace")
    pipe.write(_HEADER.pack(len(record), len(part.data)))
    pipe.write(record)
    pipe.write(part.data)
    pipe.flush()


def read_parts(pipe: BinaryIO, max_data_bytes: int) -> Iterator[Part]:
    """Read parts up to the end of the pipe.

    Args:
        pipe: From a process that is not trusted.
        max_data_bytes: Most bytes of one part.

    Raises:
        ValueError: A part is larger, cut short or not one.
    """
    while header := pipe.read(_HEADER.size):
        record_bytes, data_bytes = _HEADER.unpack(_whole(header, _HEADER.size))
        if record_bytes > MAX_RECORD_BYTES or data_bytes > max_data_bytes:
            raise ValueError("a part is larger than it may be")
        record = json.loads(_whole(pipe.read(record_bytes), record_bytes))
        if not isinstance(record, dict):
            raise ValueError("a part's record is not an object")
        yield Part(record, _whole(pipe.read(data_bytes), data_bytes))


def _whole(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise ValueError("the pipe ended inside a part")
    return data
