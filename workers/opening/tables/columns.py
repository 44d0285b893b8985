"""Which column of a table fills which field of an item. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.common.errors import InvalidRequestError

METADATA = "metadata"
NO_COLUMN = "-"
"""Said instead of a column's name: no column fills the field."""
_SHOWN_COLUMNS = 40

PICTURE_FIELDS = ("image", "path", "url", "sha256")
WORD_FIELDS = ("title", "text")
PLACE_FIELDS = ("page", "timestamp_s", "position")
TEXT_FIELDS = (
    *("path", "url", "sha256", "key", "key_column", "title", "text", "name", "source_uri", "document_id"),
)
FIELDS = (*TEXT_FIELDS, "image", "tags", METADATA, *PLACE_FIELDS)

_USUAL: dict[str, tuple[str, ...]] = {
    "image": ("image", "img", "picture", "photo", "image_bytes", "jpg", "jpeg", "png", "webp"),
    "path": (
        *("path", "file", "file_name", "filename", "file_path", "filepath", "image_path", "img_path"),
        *("picture_path", "image", "img", "picture", "photo", "图片", "图片路径", "文件", "文件名"),
    ),
    "url": ("url", "image_url", "img_url", "picture_url", "image_link", "图片链接", "图片网址"),
    "sha256": ("sha256",),
    "key": ("key", "sku"),
    "key_column": ("key_column", "id", "item_id", "product_id"),
    "title": ("title", "name", "标题", "名称", "商品名称"),
    "text": ("text", "caption", "description", "描述", "说明", "简介"),
    "name": ("name",),
    "tags": ("tags", "keywords", "标签", "关键词"),
    METADATA: (METADATA,),
    "source_uri": ("source_uri", "source_url", "page_url", "link", "链接"),
    "document_id": ("document_id",),
    "page": ("page",),
    "timestamp_s": ("timestamp_s",),
    "position": ("position",),
}
"""Names that speak for themselves, the surest first; upper and lower case, spaces and hyphens do not matter.

An `id` alone is no key: two tables that both count from 1 would overwrite each other's items.
"""
_ALSO_METADATA = "key_column"


@dataclass(frozen=True)
class Columns:
    """What becomes of the columns of one table.

    Attributes:
        by_field: The column that fills a field; fields that none fills are absent.
        metadata: The names in the metadata of the other columns, by column.
    """

    by_field: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


def choose(columns: Sequence[str], asked: Mapping[str, str], pictures: frozenset[str] = frozenset()) -> Columns:
    """Find the column of each field: as asked, else by its usual names. The others become metadata.

    Args:
        columns: Of the table, in order; nameless ones are left out.
        asked: Column by field; `metadata.NAME` names a place in the metadata, the column "-" none.
        pictures: Columns that hold pictures themselves.

    Raises:
        InvalidRequestError: A field or column is unknown or stands twice, or none names pictures or words.
    """
    named = [column for column in columns if column.strip()]
    _check(named, asked)
    by_field = {place: column for place, column in asked.items() if place in FIELDS and column != NO_COLUMN}
    taken = set(asked.values())
    for place, names in _USUAL.items():
        if place not in asked and (column := _usual(place, names, named, taken, pictures)):
            by_field[place] = column
            taken.add(column)
    if "url" not in asked and any(place in by_field for place in ("image", "path", "sha256")):
        _take_for_source(by_field)
    if not any(place in by_field for place in (*PICTURE_FIELDS, *WORD_FIELDS)):
        raise InvalidRequestError(
            f"No column names a picture or holds words. The table has: {_shown(named)}. "
            'Say which one fills what, for example {"columns": {"path": "...", "title": "..."}}.'
        )
    return Columns(by_field, _metadata(named, asked, by_field))


def _take_for_source(by_field: dict[str, str]) -> None:
    """Where pictures are named in another way, an address says where they came from."""
    column = by_field.pop("url", None)
    if column is not None:
        by_field.setdefault("source_uri", column)


def _check(columns: Sequence[str], asked: Mapping[str, str]) -> None:
    doubled = sorted({column for column in columns if columns.count(column) > 1})
    if doubled:
        raise InvalidRequestError(f"The column {doubled[0]!r} stands there twice. Rename one of them.")
    for place, column in asked.items():
        if place not in FIELDS and not place.startswith(f"{METADATA}."):
            raise InvalidRequestError(
                f"There is no field {place!r}. Fields are {', '.join(FIELDS)} and {METADATA}.NAME."
            )
        if column != NO_COLUMN and column not in columns:
            raise InvalidRequestError(f"There is no column {column!r}. The table has: {_shown(columns)}.")


def _usual(
    place: str, names: Sequence[str], columns: Sequence[str], taken: set[str], pictures: frozenset[str]
) -> str | None:
    """The free column whose name is the surest for a field."""
    fitting = [column for column in columns if column not in taken and (column in pictures) == (place == "image")]
    by_name = {normalised(column): column for column in reversed(fitting)}
    return next((by_name[name] for name in names if name in by_name), None)


def _metadata(columns: Sequence[str], asked: Mapping[str, str], by_field: Mapping[str, str]) -> dict[str, str]:
    used = {column for place, column in by_field.items() if not _is_told_twice(place, column, asked)}
    rest = {column: column.strip() for column in columns if column not in used}
    renamed = {
        column: place.removeprefix(f"{METADATA}.")
        for place, column in asked.items()
        if place.startswith(f"{METADATA}.") and column != NO_COLUMN
    }
    return rest | renamed


def _is_told_twice(place: str, column: str, asked: Mapping[str, str]) -> bool:
    """Whether a column fills a field and is shown besides: an id that tells items apart is seen nowhere else."""
    return place == _ALSO_METADATA and place not in asked and normalised(column) != place


def normalised(column: str) -> str:
    """A column's name without what people write in different ways."""
    return re.sub(r"[\s\-]+", "_", column.strip().lower())


def _shown(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - _SHOWN_COLUMNS} more" if len(columns) > _SHOWN_COLUMNS else ""
    return ", ".join(repr(column[:80]) for column in columns[:_SHOWN_COLUMNS]) + more
