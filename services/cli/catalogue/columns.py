"""The columns of an exported file, and from items to rows and back. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from services.cli.catalogue.header import Header

Json = Mapping[str, Any]
_WORDS = pa.list_(pa.string())
_VECTOR_SUFFIX = "_vector"
_WIRE = np.dtype("<f4")


@dataclass(frozen=True)
class _Column:
    """One column.

    Attributes:
        path: Where its value stands in an item of the REST interface.
    """

    name: str
    kind: pa.DataType
    path: tuple[str, ...]


def _plain(name: str, kind: pa.DataType, *path: str) -> _Column:
    return _Column(name, kind, path or (name,))


_COLUMNS: tuple[_Column, ...] = (
    _plain("id", pa.string()),
    _plain("key", pa.string()),
    _plain("kind", pa.string()),
    _plain("title", pa.string()),
    _plain("text", pa.string()),
    _plain("ocr_text", pa.string()),
    _plain("tags", _WORDS),
    _plain("labels", _WORDS),
    _plain("source_uri", pa.string()),
    _plain("document_id", pa.string()),
    _plain("page", pa.int64(), "position", "page"),
    _plain("timestamp_s", pa.float64(), "position", "timestamp_s"),
    _plain("box", pa.list_(pa.float64()), "position", "box"),
    _plain("sha256", pa.string(), "media", "sha256"),
    _plain("mime", pa.string(), "media", "mime"),
    _plain("width", pa.int64(), "media", "width"),
    _plain("height", pa.int64(), "media", "height"),
    _plain("perceptual_hash", pa.string()),
    _plain("metadata", pa.string()),
    _plain("caption_brief", pa.string(), "caption", "brief"),
    _plain("caption_detailed", pa.string(), "caption", "detailed"),
    _plain("caption_keywords", _WORDS, "caption", "keywords"),
    _plain("caption_text_content", pa.string(), "caption", "text_content"),
    _plain("caption_data_points", _WORDS, "caption", "data_points"),
    _plain("caption_model", pa.string(), "caption", "model"),
    _plain("duplicate_of", pa.string(), "duplicate_of", "id"),
    _plain("duplicate_kind", pa.string(), "duplicate_of", "kind"),
    _plain("duplicate_similarity", pa.float64(), "duplicate_of", "similarity"),
    _plain("incomplete", _WORDS),
    _plain("revision", pa.int64()),
    _plain("ingested_at", pa.timestamp("us", "UTC")),
    _plain("job_id", pa.string()),
    _plain("line", pa.int64()),
)
_NEEDED_OF_PARTS = {"media": "sha256", "duplicate_of": "id"}
"""Where this is empty the item has no such part."""
_BM25_COLUMNS = {"bm25_indices": pa.list_(pa.uint32()), "bm25_values": pa.list_(pa.float32())}


def schema_of(header: Header) -> pa.Schema:
    """The columns of a file with this head."""
    fields = [pa.field(column.name, column.kind) for column in _COLUMNS]
    if header.with_vectors:
        dims = header.dims().items()
        fields += [pa.field(f"{name}{_VECTOR_SUFFIX}", pa.list_(pa.float32(), dim)) for name, dim in dims]
        fields += [pa.field(name, kind) for name, kind in _BM25_COLUMNS.items()]
    return pa.schema(fields, metadata=header.to_metadata())


def to_batch(items: Sequence[Json], schema: pa.Schema) -> pa.RecordBatch:
    """The rows of items as the REST interface gives them."""
    arrays = [pa.array([_cell(item, field) for item in items], type=field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _cell(item: Json, field: pa.Field) -> Any:
    name = str(field.name)
    if name.endswith(_VECTOR_SUFFIX):
        packed = item["vectors"][name.removesuffix(_VECTOR_SUFFIX)]
        return np.frombuffer(base64.b64decode(packed), _WIRE) if packed else None
    if name in _BM25_COLUMNS:
        words = item["vectors"]["bm25"]
        return words[name.removeprefix("bm25_")] if words else None
    value = _at(item, _BY_NAME[name].path)
    return _WRITTEN[name](value) if name in _WRITTEN and value is not None else value


_BY_NAME = {column.name: column for column in _COLUMNS}
_WRITTEN: dict[str, Callable[[Any], Any]] = {
    "metadata": lambda value: json.dumps(value, ensure_ascii=False),
    "ingested_at": datetime.fromisoformat,
}


def _at(item: Json, path: tuple[str, ...]) -> Any:
    for name in path:
        if item is None:
            return None
        item = item.get(name)  # type: ignore[assignment]
    return item


def from_batch(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The items of rows, as the REST interface takes them; columns that nobody here knows are left out."""
    names = set(batch.schema.names)
    known = batch.select([column.name for column in _COLUMNS if column.name in names])
    vectors = [_vectors(batch, row) for row in range(batch.num_rows)]
    for row, found in zip(known.to_pylist(), vectors, strict=True):
        yield {**_item(row), "vectors": found}


def _item(row: Json) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for name, value in row.items():
        if value is None:
            continue
        place = item
        *above, last = _BY_NAME[name].path
        for part in above:
            place = place.setdefault(part, {})
        place[last] = _READ[name](value) if name in _READ else value
    for part, needed in _NEEDED_OF_PARTS.items():
        if not item.get(part, {}).get(needed):
            item.pop(part, None)
    return item


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


_READ: dict[str, Callable[[Any], Any]] = {"metadata": json.loads, "ingested_at": _moment}


def _vectors(batch: pa.RecordBatch, row: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in batch.schema.names:
        if name.endswith(_VECTOR_SUFFIX):
            values = batch.column(name)[row].values
            if values is not None:
                packed = np.asarray(values.to_numpy(zero_copy_only=False), _WIRE).tobytes()
                found[name.removesuffix(_VECTOR_SUFFIX)] = base64.b64encode(packed).decode()
    indices, values = (_listed(batch, name, row) for name in _BM25_COLUMNS)
    return {**found, "bm25": {"indices": indices, "values": values}} if indices else found


def _listed(batch: pa.RecordBatch, name: str, row: int) -> list[Any]:
    return (batch.column(name)[row].as_py() or []) if name in batch.schema.names else []
