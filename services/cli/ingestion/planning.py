"""From what a person names on the command line to what is sent, and what the server reads itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from services.cli.errors import CliError
from services.cli.ingestion.entries import Entry, Failure, gather
from services.cli.ingestion.tables import TABLE_SUFFIXES, table_entries

Source = dict[str, Any]
"""As the REST interface names it: `type`, `path`, perhaps `urls`."""
_WEB = ("http://", "https://")
_MOST_URLS = 10_000


@dataclass
class Plan:
    """What is to be done.

    Attributes:
        entries: Sent from here, and made jobs of some hundred each.
        tables: Sent from here, each with its pictures as one job.
        sources: Read by the server.
        failures: What cannot be sent.
    """

    entries: list[Entry] = field(default_factory=list)
    tables: list[list[Entry]] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """There is nothing to do."""
        return not (self.entries or self.tables or self.sources or self.failures)

    def all_entries(self) -> list[Entry]:
        """Everything that is sent from here."""
        return [*self.entries, *(entry for table in self.tables for entry in table)]


@dataclass(frozen=True)
class Asked:
    """How a person wants it.

    Attributes:
        server_side: Paths are the server's.
        with_names: File names become titles of pictures.
        only_pictures: Other files of folders are left out.
        with_columns: Columns of tables are named, so that the workers read every table.
    """

    server_side: bool = False
    with_names: bool = True
    only_pictures: bool = False
    with_columns: bool = False


def plan(things: Sequence[str], urls: Sequence[str], asked: Asked) -> Plan:
    """Sort what was named.

    Args:
        things: Paths, URLs of object storage or of the web.
        urls: More URLs of the web.
        asked: See there.

    Raises:
        CliError: There is no such path.
    """
    found, web = Plan(), list(urls)
    for thing in things:
        if thing.lower().startswith(_WEB):
            web.append(thing)
        elif asked.server_side or _is_remote(thing):
            found.sources.append({"type": "folder" if asked.only_pictures else "auto", "path": thing})
        else:
            _add_local(found, _local_path(thing), asked)
    for start in range(0, len(web), _MOST_URLS):
        found.sources.append({"type": "urls", "urls": web[start : start + _MOST_URLS]})
    return found


def read_url_list(path: Path) -> list[str]:
    """The URLs of a text file, one a line; empty lines and those that begin with `#` are left out.

    Raises:
        CliError: The file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path} cannot be read as a list of URLs: {error}.", "Check the path.") from None
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _add_local(found: Plan, path: Path, asked: Asked) -> None:
    is_table = path.suffix.lower() in TABLE_SUFFIXES or (asked.with_columns and path.suffix.lower() == ".jsonl")
    if is_table and path.is_file():
        found.tables.append(table_entries(path))
        return
    entries, failures = gather(path, with_names=asked.with_names, only_pictures=asked.only_pictures)
    found.entries.extend(entries)
    found.failures.extend(failures)


def _is_remote(thing: str) -> bool:
    return "://" in thing and not thing.startswith("file://")


def _local_path(thing: str) -> Path:
    return Path(unquote(urlsplit(thing).path)) if thing.startswith("file://") else Path(thing).expanduser()
