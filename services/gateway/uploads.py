"""Turns what a client sends for a job into manifest lines; a part that cannot be used is rejected alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile

from services.common.errors import ImageragError, InvalidRequestError
from services.common.jobs.records import ManifestLine
from services.gateway.bodies import read_upload
from services.gateway.ingestion import Ingestion, missing_picture, named
from services.gateway.schemas.jobs import JobItem, Rejected

_NAME_CHARS = 512
_UNDESCRIBED = JobItem()


@dataclass
class Intake:
    """What was taken and what was not.

    Attributes:
        lines: For the manifest.
        rejected: Name and reason.
    """

    lines: list[ManifestLine] = field(default_factory=list)
    rejected: list[tuple[str, ImageragError]] = field(default_factory=list)

    def take(self, line: ManifestLine) -> None:
        """Add a line under a name."""
        self.lines.append(named(line, len(self.lines) + 1))


async def take_uploads(
    ingestion: Ingestion,
    tenant: str,
    uploads: Sequence[UploadFile | str],
    described: Mapping[str, JobItem],
    picture_limit_bytes: int,
) -> Intake:
    """Keep the pictures of a form, one after the other: memory holds one of them at a time.

    Args:
        ingestion: Keeps them.
        tenant: Whose they are.
        uploads: The parts as sent.
        described: What the client says about them, by file name.
        picture_limit_bytes: Largest picture.
    """
    intake = Intake()
    for upload in uploads:
        if isinstance(upload, str):
            raise InvalidRequestError("Every part 'files' must be a file.")
        name = (upload.filename or "")[:_NAME_CHARS]
        try:
            kept = await ingestion.keep(tenant, await read_upload(upload, picture_limit_bytes))
        except ImageragError as error:
            intake.rejected.append((name, error))
        else:
            intake.take(described.get(name, _UNDESCRIBED).to_line(name, kept.sha256))
    return intake


async def take_items(ingestion: Ingestion, tenant: str, items: Sequence[JobItem]) -> Intake:
    """Check that every named picture was put before, and that the others have words."""
    intake = Intake()
    for number, item in enumerate(items, start=1):
        line = item.to_line(item.name, item.sha256)
        if item.sha256 and not await ingestion.has_picture(tenant, item.sha256):
            intake.rejected.append((named(line, number).name, missing_picture(item.sha256)))
        elif not (item.sha256 or item.text.strip() or item.title.strip()):
            reason = InvalidRequestError("It has neither a picture nor words.")
            intake.rejected.append((named(line, number).name, reason))
        else:
            intake.take(line)
    return intake


def rejections(intake: Intake) -> list[Rejected]:
    """The JSON form of what was not taken."""
    return [Rejected(name=name, code=error.code, message=error.message) for name, error in intake.rejected]
