"""Uploaded files go once no job needs them any more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.common.errors import NotFoundError
from services.common.objects import ObjectStore
from services.common.uploads import layout
from services.common.uploads.layout import Names
from services.common.uploads.records import Upload
from services.common.uploads.store import UPLOAD, UploadStore

IsRead = Callable[[str, str], bool | None]
"""Whether a job (tenant, id) has read its files, or never will; None: there is no such job."""


@dataclass(frozen=True)
class _Sets:
    """The sets of one tenant.

    Attributes:
        needed: Files that a job is still to read.
        over: Files that a job has read, by job.
    """

    needed: set[str] = field(default_factory=set)
    over: dict[str, set[str]] = field(default_factory=dict)


class UploadSweep:
    """Removes files that their jobs have read, and those that no job named in time. All calls block.

    It may be cut short anywhere, run twice at once, and run while files and jobs come in: what a job was accepted
    with stays. For that a file is forgotten first, then the sets are looked at once more, and only then its bytes
    go; whoever makes a job writes its set first and then looks whether its files are known.

    Args:
        objects: Where the uploads are kept.
        is_read: See `IsRead`.
        keep: Files that no job has named go after this time.
        grace: So long a file stays in any case after it was sent or asked for: who asked may name it in a job.
    """

    def __init__(self, objects: ObjectStore, is_read: IsRead, keep: timedelta, grace: timedelta) -> None:
        self._objects, self._is_read, self._keep, self._grace = objects, is_read, keep, grace
        self._store = UploadStore(objects)

    def run(self, now: datetime) -> int:
        """Look at everything.

        Returns:
            Files that were removed.
        """
        return sum(self._sweep(tenant, now) for tenant in self._objects.list(layout.ROOT))

    def _sweep(self, tenant: str, now: datetime) -> int:
        sets = self._sets(tenant, now)
        released = {digest for digests in sets.over.values() for digest in digests}
        going = {
            digest: upload
            for digest, upload in self._known(tenant, sets.needed).items()
            if now - upload.received_at > (self._grace if digest in released else self._keep)
        }
        for digest in going:
            self._objects.delete(Names(tenant).known(digest))
        removed = self._remove(tenant, going, self._sets(tenant, now).needed)
        left = set(self._digests(tenant)) - sets.needed
        for job_id, digests in sets.over.items():
            # A set that is over goes with the last of its files: until then it tells that they were read.
            if not digests & left:
                self._objects.delete(Names(tenant).set_of(job_id))
        self._remove_unknown(tenant, now)
        return removed

    def _remove(self, tenant: str, going: Mapping[str, Upload], needed: set[str]) -> int:
        """Remove the bytes, but of what a job has come to need since."""
        for digest, upload in going.items():
            if digest in needed:
                self._objects.create(Names(tenant).known(digest), UPLOAD.dump_json(upload))
            else:
                self._objects.delete_folder(upload.place)
        return len(going.keys() - needed)

    def _sets(self, tenant: str, now: datetime) -> _Sets:
        found = _Sets()
        for name in self._objects.list(f"{layout.tenant_folder(tenant)}/{layout.SETS}"):
            job_id = name.removesuffix(".jsonl")
            try:
                written_at, entries = self._store.read_set(tenant, job_id)
            except NotFoundError:
                continue
            digests = {digest for entry in entries for digest in entry.uploads()}
            is_read = self._is_read(tenant, job_id)
            if is_read or (is_read is None and now - written_at > self._keep):
                found.over[job_id] = digests
            else:
                found.needed.update(digests)
        return found

    def _digests(self, tenant: str) -> list[str]:
        """Of all files that are known."""
        names = self._objects.list(f"{layout.tenant_folder(tenant)}/{layout.KNOWN}")
        return [name.removesuffix(".json") for name in names]

    def _known(self, tenant: str, besides: Collection[str] = ()) -> dict[str, Upload]:
        """What is known of files, by digest; of those in `besides` nothing is asked."""
        found = {}
        for digest in self._digests(tenant):
            if digest in besides:
                continue
            try:
                found[digest] = self._store.find(tenant, digest)
            except NotFoundError:
                continue
        return found

    def _remove_unknown(self, tenant: str, now: datetime) -> None:
        """Remove what was left by uploads that were cut short."""
        folder = f"{layout.tenant_folder(tenant)}/{layout.DATA}"
        old = [name for name in self._objects.list(folder) if now - layout.began_at(name) > self._keep]
        known = {upload.place for upload in self._known(tenant).values()} if old else set()
        for name in old:
            if f"{folder}/{name}" not in known:
                self._objects.delete_folder(f"{folder}/{name}")
