"""Turns what a client sends for a job into its entries; a part that cannot be used is rejected alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile

from services.common.errors import ImageragError, InvalidRequestError, NotFoundError
from services.common.jobs.records import ManifestLine
from services.common.media.kinds import kind_of, reason_against
from services.common.media.signatures import HEAD_BYTES
from services.common.uploads.records import UploadedEntry
from services.gateway.bodies import read_upload
from services.gateway.file_uploads import FileUploads
from services.gateway.ingestion import Ingestion, missing_picture, named
from services.gateway.schemas.jobs import JobItem, Rejected

_NAME_CHARS = 512
_CHECKED_AT_ONCE = 8
"""Each asks the storage, which may be far away."""
_UNDESCRIBED = JobItem()


@dataclass
class Intake:
    """What was taken and what was not.

    Attributes:
        entries: For the job.
        rejected: Name and reason.
    """

    entries: list[UploadedEntry] = field(default_factory=list)
    rejected: list[tuple[str, ImageragError]] = field(default_factory=list)

    def take(self, line: ManifestLine, upload: str = "", pictures: str = "") -> None:
        """Add an entry under a name."""
        self.entries.append(UploadedEntry(named(line, len(self.entries) + 1), upload, pictures))


@dataclass(frozen=True)
class FormFiles:
    """Takes the files of a form, one after the other: memory holds one picture at a time.

    Attributes:
        ingestion: Keeps pictures.
        files: Keeps everything else.
        picture_limit_bytes: Largest picture.
    """

    ingestion: Ingestion
    files: FileUploads
    picture_limit_bytes: int

    async def take(
        self, tenant: str, uploads: Sequence[UploadFile | str], described: Mapping[str, JobItem]
    ) -> Intake:
        """Keep the files.

        Args:
            tenant: Whose they are.
            uploads: The parts as sent.
            described: What the client says about them, by file name.
        """
        intake = Intake()
        for upload in uploads:
            if isinstance(upload, str):
                raise InvalidRequestError("Every part 'files' must be a file.")
            name = (upload.filename or "")[:_NAME_CHARS]
            try:
                await self._take(intake, tenant, name, upload, described.get(name, _UNDESCRIBED))
            except ImageragError as error:
                if error.retryable:
                    raise
                intake.rejected.append((name, error))
        return intake

    async def _take(self, intake: Intake, tenant: str, name: str, upload: UploadFile, item: JobItem) -> None:
        head = await upload.read(HEAD_BYTES)
        await upload.seek(0)
        kind = kind_of(name, head)
        if kind == "picture" or not head:
            kept = await self.ingestion.keep(tenant, await read_upload(upload, self.picture_limit_bytes))
            intake.take(item.to_line(name, kept.sha256))
            return
        if reason := reason_against(kind, head):
            raise reason
        line = item.to_file_line(name)
        intake.take(line, (await self.files.keep(tenant, upload.file)).sha256)


async def take_items(ingestion: Ingestion, files: FileUploads, tenant: str, items: Sequence[JobItem]) -> Intake:
    """Check that every named picture or file was put before, and that the others have words."""
    intake = Intake()
    for start in range(0, len(items), _CHECKED_AT_ONCE):
        some = items[start : start + _CHECKED_AT_ONCE]
        reasons = await asyncio.gather(*(_reason_against(ingestion, files, tenant, item) for item in some))
        for number, (item, reason) in enumerate(zip(some, reasons, strict=True), start=start + 1):
            if reason:
                line = named(item.to_line(item.name, item.sha256), number)
                intake.rejected.append((line.name, reason))
            elif item.upload:
                intake.take(item.to_file_line(item.name or item.upload), item.upload, item.pictures)
            else:
                intake.take(item.to_line(item.name, item.sha256))
    return intake


async def _reason_against(
    ingestion: Ingestion, files: FileUploads, tenant: str, item: JobItem
) -> ImageragError | None:
    """Why an item cannot be taken.

    Raises:
        UnavailableError: The storage does not answer.
    """
    if item.upload:
        try:
            item.to_file_line(item.name)
        except InvalidRequestError as error:
            return error
        for digest in filter(None, (item.upload, item.pictures)):
            if not await files.exists(tenant, digest):
                return missing_file(digest)
        return None
    if item.sha256:
        return None if await ingestion.has_picture(tenant, item.sha256) else missing_picture(item.sha256)
    if not (item.text.strip() or item.title.strip()):
        return InvalidRequestError("It has neither a picture nor words.")
    return None


def missing_file(sha256: str) -> NotFoundError:
    """The error for an item whose file was not put before."""
    return NotFoundError(f"There is no uploaded file {sha256[:12]}…: send its bytes to PUT /v1/uploads first.")


def rejections(intake: Intake) -> list[Rejected]:
    """The JSON form of what was not taken."""
    return [Rejected(name=name, code=error.code, message=error.message) for name, error in intake.rejected]
