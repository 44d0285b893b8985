"""Opens a ZIP or TAR and gives out what is in it, one item after the other. Runs in the sandbox.

Nothing is given out before the whole archive was looked through: what is refused as a whole leaves nothing behind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from services.common.errors import ImageragError, InvalidRequestError, UnsupportedMediaTypeError
from workers.opening.archives.descriptions import Description, describe, joined
from workers.opening.archives.limits import ArchiveLimits
from workers.opening.archives.member import Archive, Member
from workers.opening.archives.samples import Sample, samples
from workers.opening.archives.tables import Reason, Tables, reason
from workers.opening.archives.tar_archive import TarArchive
from workers.opening.archives.tar_headers import is_header
from workers.opening.archives.zip_archive import ZipArchive
from workers.sandbox.parts import Part

MAX_SAID_BYTES = 4 * 1024 * 1024
"""Of all descriptions of one picture together."""
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_COMPRESSED_STARTS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
_OTHER_STARTS = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x28\xb5\x2f\xfd")
_TAR_MARK, _TAR_MARK_OFFSET, _LOOK_BYTES = b"ustar", 257, 512
_NESTED = "An archive inside an archive is not opened. Unpack it, or take it in by a job of its own."
_ORPHAN = "It belongs to none of the pictures beside it. Give it the name of one, up to the suffix."


def open_parts(file: BinaryIO, arguments: Mapping[str, Any]) -> Iterator[Part]:
    """One part for each item.

    Args:
        file: The archive.
        arguments: `limits`, see `ArchiveLimits`, and `start`, the index of the first member of interest.

    Yields:
        The picture's bytes; none of a text or of what is refused. Its record: `index` and `name` of the main
        member; `fields`, what is said about it, and `is_text`, there is no picture; `refused`, why it cannot be
        read; `troubles`, what is wrong beside it. Reasons are objects of `name`, `code` and `message`.

    Raises:
        ImageragError: Nothing of the archive may be used.
    """
    archive = _recognized(file, ArchiveLimits(**arguments["limits"]))
    archive.scan()
    tables = Tables(archive)
    for sample in samples(archive.members):
        if sample.main.index >= int(arguments.get("start", 0)):
            yield _part(archive, sample, tables)


def _recognized(file: BinaryIO, limits: ArchiveLimits) -> Archive:
    file.seek(0)
    head = file.read(_LOOK_BYTES)
    if head.startswith(_ZIP_STARTS):
        return ZipArchive(file, limits)
    if head.startswith(_COMPRESSED_STARTS) or is_header(head):
        return TarArchive(file, limits)
    raise UnsupportedMediaTypeError(
        "This is not an archive that is read here. Pack it as .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz."
    )


def _part(archive: Archive, sample: Sample, tables: Tables) -> Part:
    """What a sample gives; what is wrong with one of its members never hides the others."""
    main = sample.main
    record: dict[str, Any] = {"index": main.index, "name": main.name}
    troubles = tables.troubles_of(main)
    if troubles is not None:
        return Part({**record, "troubles": list(troubles)})
    refusal = main.refusal or (InvalidRequestError(_ORPHAN) if sample.orphan else None)
    if refusal:
        return Part({**record, "refused": reason(main.name, refusal)})
    is_text = main in sample.texts
    try:
        data = b"" if is_text else _read_picture(archive, main)
    except ImageragError as error:
        return Part({**record, "refused": reason(main.name, error)})
    fields, wrong = _described(archive, sample, tables.said_of(main.name))
    return Part({**record, "fields": dict(fields), "is_text": is_text, "troubles": wrong}, data)


def _read_picture(archive: Archive, member: Member) -> bytes:
    data = archive.read(member)
    if is_archive(data[:_LOOK_BYTES]):
        raise UnsupportedMediaTypeError(_NESTED)
    return data


def _described(archive: Archive, sample: Sample, said: Description) -> tuple[Description, list[Reason]]:
    wrong = []
    # JSON first, wherever it stands: what is written out beside it counts more.
    for text in sorted(sample.texts, key=lambda member: not member.name.lower().endswith(".json")):
        try:
            said = joined(said, describe(text.name, archive.read(text)))
        except ImageragError as error:
            wrong.append(reason(text.name, error))
    if len(json.dumps(said)) > MAX_SAID_BYTES:
        much = InvalidRequestError(f"More than {MAX_SAID_BYTES:,} bytes are said about it; they are left out.")
        return {}, [*wrong, reason(sample.main.name, much)]
    return said, wrong


def is_archive(head: bytes) -> bool:
    """Whether a file with these first bytes is an archive of any kind."""
    marks = (*_ZIP_STARTS, *_COMPRESSED_STARTS, *_OTHER_STARTS)
    return head.startswith(marks) or head[_TAR_MARK_OFFSET:].startswith(_TAR_MARK)
