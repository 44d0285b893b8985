"""What a manifest says about one item, checked, and made a line of a job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from services.common.errors import InvalidRequestError, NotFoundError
from services.common.jobs.records import ManifestLine
from services.common.jobs.roots import allowed, source_path
from workers.fetching.web_url import is_web_url
from workers.sources.described import METADATA_LIMIT_BYTES, Described
from workers.sources.source import SourceTools

_WEB = ("http://", "https://")
_NAME_CHARS = 512
NOTHING = "Neither a picture nor words: there is nothing to find the item by."
NO_COLUMNS: Mapping[str, str] = {}


class ManifestEntry(Described):
    """One line of a manifest, or one row of a table."""

    path: str = Field(default="", max_length=4096)
    url: str = Field(default="", max_length=4096)
    sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    name: str = Field(default="", max_length=4096)

    @property
    def web_url(self) -> str:
        """Where its picture lies on the web; empty if it is not to be had there."""
        if self.sha256 or (self.path and not self.path.startswith(_WEB)):
            return ""
        return self.url or self.path


def read_entry(text: bytes | str, columns: Mapping[str, str] = NO_COLUMNS) -> ManifestEntry:
    """Check one entry.

    Args:
        text: JSON.
        columns: The column that fills a field, to name it where something is wrong.

    Raises:
        InvalidRequestError: Names the column or field that does not fit.
    """
    try:
        entry = ManifestEntry.model_validate_json(text)
    except ValidationError as error:
        raise InvalidRequestError(_explained(error, columns)) from None
    if len(json.dumps(entry.metadata, ensure_ascii=False).encode()) > METADATA_LIMIT_BYTES:
        raise InvalidRequestError(f"metadata: more than {METADATA_LIMIT_BYTES:,} bytes of JSON.")
    return entry


def renamed(given: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """A JSON object with the names of our fields; what fills none goes to the metadata.

    Args:
        given: A line of a manifest with names of its own.
        columns: Its name by field, as in `JobOptions`.
    """
    rest = dict(given)
    own = rest.pop("metadata", {})
    fields: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for field, name in columns.items():
        if name in rest:
            place, key = (metadata, field.removeprefix("metadata.")) if "." in field else (fields, field)
            place[key] = rest.pop(name)
    known = {name: rest.pop(name) for name in list(rest) if name in ManifestEntry.model_fields}
    if not isinstance(own, Mapping):
        return {**known, **fields, "metadata": own}
    return {**known, **fields, "metadata": {**rest, **own, **metadata}}


@dataclass(frozen=True)
class LineMaker:
    """Makes lines of entries.

    Attributes:
        folder: Of the manifest; relative paths begin there. None: it came without one.
        tools: See `SourceTools`.
    """

    folder: Path | None
    tools: SourceTools

    def line(self, entry: ManifestEntry, fallback: str, picture: bytes = b"") -> ManifestLine:
        """The line of an entry.

        Args:
            entry: What is said.
            fallback: What a person knows it by if it has no name, path or title.
            picture: Its picture, if that came with it.

        Raises:
            ImageragError: There is no such picture, or it is not accepted.
        """
        shown = (entry.name or entry.path or entry.url or entry.title.strip() or fallback)[:_NAME_CHARS]
        if picture:
            return entry.line(shown, self.tools.keep(picture), "")
        if entry.sha256:
            return entry.line(shown, self._kept(entry.sha256), "")
        if url := entry.web_url:
            return entry.line(shown, self.tools.pictures_of_the_web().keep_from(url), url)
        if entry.path:
            target = self._target(entry.path)
            return replace(entry.line(shown, "", target.as_uri()), path=str(target))
        if not (entry.text.strip() or entry.title.strip()):
            raise InvalidRequestError(NOTHING)
        return entry.line(shown, "", "")

    def refused(self, name: str, entry: ManifestEntry | None) -> ManifestLine:
        """The line of an entry that `line` refuses: its name alone, or all of it if its URL can be tried again.

        Args:
            name: What a person knows it by.
            entry: What is said; None: that cannot be read.
        """
        url = entry.web_url if entry else ""
        if not entry or not is_web_url(url):
            return ManifestLine(name)
        return replace(entry.line(name, "", url), url=url)

    def _target(self, path: str) -> Path:
        named = Path(source_path(path))
        if self.folder is None and not named.is_absolute():
            raise InvalidRequestError(
                f"{path[:200]!r}: an uploaded table knows no folder. Name pictures by absolute paths "
                "of the server or by their SHA-256, or hold them in the table (Parquet)."
            )
        return allowed(str((self.folder or Path()) / named), self.tools.roots)

    def _kept(self, sha256: str) -> str:
        if not self.tools.media.exists(self.tools.tenant, sha256):
            raise NotFoundError(f"There is no picture with the SHA-256 {sha256}. Put it with PUT /v1/media first.")
        return sha256


def _explained(error: ValidationError, columns: Mapping[str, str]) -> str:
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    if place and place[0] in columns:
        place[0] = f"column {columns[place[0]]!r}"
    return f"{'.'.join(place)}: {first['msg']}." if place else f"{first['msg']}."
