"""Uploaded files by content, each tenant for itself, and the sets of them that jobs are made of."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter

from services.common.errors import InvalidRequestError, NotFoundError
from services.common.jobs.encoding import decode_lines, encode_lines
from services.common.objects import ObjectStore
from services.common.uploads import layout
from services.common.uploads.layout import Names
from services.common.uploads.records import Upload, UploadedEntry

UPLOAD = TypeAdapter(Upload)
ENTRY = TypeAdapter(UploadedEntry)
_NEWS = timedelta(seconds=30)
"""What was asked for so lately need not be noted again."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class UploadStore:
    """Keeps uploads. All calls block; thread-safe.

    A file is known by the digest of its bytes alone; its name comes with the job.

    Args:
        objects: Where pictures and ledgers are kept.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def receive(self, tenant: str) -> Receiving:
        """Take in a file as it comes."""
        return Receiving(self._objects, tenant)

    def find(self, tenant: str, sha256: str) -> Upload:
        """What is known of a file.

        Raises:
            NotFoundError: The tenant has not uploaded it, or it was removed since.
            InvalidRequestError: Not a SHA-256 in hex.
        """
        try:
            return UPLOAD.validate_json(self._objects.get(Names(tenant).known(_checked(sha256))))
        except NotFoundError:
            raise _no_such_upload(sha256) from None

    def ask(self, tenant: str, sha256: str) -> bool:
        """Whether the tenant has uploaded a file. If so it stays for a while, as if it had been sent just now."""
        try:
            upload = self.find(tenant, sha256)
        except NotFoundError:
            return False
        now = datetime.now(UTC)
        if now - upload.received_at > _NEWS:
            self._objects.put(Names(tenant).known(sha256), UPLOAD.dump_json(replace(upload, received_at=now)))
        return True

    def exists(self, tenant: str, sha256: str) -> bool:
        """Whether the tenant has uploaded a file; it may be removed at any time."""
        return self._objects.exists(Names(tenant).known(_checked(sha256)))

    @contextmanager
    def opened(self, tenant: str, sha256: str) -> Iterator[Path]:
        """A file of this machine with the uploaded bytes, until the block ends; errors as in `find`."""
        upload = self.find(tenant, sha256)
        with self._objects.as_file(layout.bytes_in(upload.place)) as path:
            yield path

    def write_set(self, tenant: str, job_id: str, entries: Sequence[UploadedEntry]) -> None:
        """Write down what a job will be made of, before it is accepted: from then on its files stay.

        Raises:
            NotFoundError: A file is not there; the set is not either.
            InvalidRequestError: Text that is not Unicode.
        """
        name = Names(tenant).set_of(job_id)
        stamp = datetime.now(UTC).isoformat().encode()
        self._objects.put(name, stamp + b"\n" + encode_lines(ENTRY, entries))
        # Only now: a file that is removed at this moment is either seen to be needed, or is gone already.
        try:
            for digest in {digest for entry in entries for digest in entry.uploads()}:
                self.find(tenant, digest)
        except NotFoundError:
            self._objects.delete(name)
            raise

    def entries(self, tenant: str, job_id: str) -> Sequence[UploadedEntry]:
        """What a job is made of, in order.

        Raises:
            NotFoundError: There is no such set: the job was read to its end.
        """
        return self.read_set(tenant, job_id)[1]

    def read_set(self, tenant: str, job_id: str) -> tuple[datetime, Sequence[UploadedEntry]]:
        """When a set was written, and what is in it; errors as in `entries`."""
        stamp, _, lines = self._objects.get(Names(tenant).set_of(job_id)).partition(b"\n")
        return datetime.fromisoformat(stamp.decode()), decode_lines(ENTRY, lines)


class Receiving(AbstractContextManager["Receiving"]):
    """One file on its way in. What is not finished is gone at the end of the block.

    Args:
        objects: Where it is kept.
        tenant: Whose it is.
    """

    def __init__(self, objects: ObjectStore, tenant: str) -> None:
        self._objects, self._tenant = objects, tenant
        self._place = layout.new_place(tenant, datetime.now(UTC))
        self._digest, self._size_bytes, self._finished = hashlib.sha256(), 0, False
        self._stack = ExitStack()
        self._writer = self._stack.enter_context(objects.writing(layout.bytes_in(self._place)))

    def __exit__(self, *_: object) -> None:
        self.discard()

    def write(self, data: bytes) -> None:
        """Take some more.

        Raises:
            UnavailableError: The storage does not answer, or is full.
        """
        self._digest.update(data)
        self._size_bytes += len(data)
        self._writer.write(data)

    def finish(self) -> Upload:
        """Make it known. On return it survives a crash; of the same file twice one is kept.

        Raises:
            InvalidRequestError: It is empty.
            UnavailableError: As in `write`.
        """
        if not self._size_bytes:
            raise InvalidRequestError("The file is empty.")
        self._stack.close()
        self._finished = True
        now = datetime.now(UTC)
        upload = Upload(self._digest.hexdigest(), self._size_bytes, now, self._place)
        name = Names(self._tenant).known(upload.sha256)
        while not self._objects.create(name, UPLOAD.dump_json(upload)):
            try:
                before = UPLOAD.validate_json(self._objects.get(name))
            except NotFoundError:
                continue  # it was removed at this moment
            if before.place != upload.place:
                self._objects.delete_folder(self._place)
                upload = replace(before, received_at=now)
                self._objects.put(name, UPLOAD.dump_json(upload))
            break
        return upload

    def discard(self) -> None:
        """Forget what has come, unless it was finished."""
        if not self._finished:
            with suppress(_BrokenOffError), self._stack.pop_all():
                raise _BrokenOffError
            self._objects.delete_folder(self._place)


class _BrokenOffError(Exception):
    """Tells the writer that the rest will not come."""


def _checked(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise InvalidRequestError(f"{sha256[:80]!r} is not a SHA-256 digest: 64 lower-case hex digits.")
    return sha256


def _no_such_upload(sha256: str) -> NotFoundError:
    return NotFoundError(f"There is no uploaded file {sha256[:12]}…: send its bytes to PUT /v1/uploads first.")
