"""Jobs that were closed and must be looked at again: the store was set back to an older state."""

from __future__ import annotations

from datetime import datetime

from services.common.errors import NotFoundError
from services.common.jobs import encoding, layout
from services.common.jobs.layout import JobFolder
from services.common.objects import ObjectStore


def reopen(objects: ObjectStore, since: datetime) -> list[str]:
    """Let the reconciler verify, and complete, every job closed at or after `since`.

    A job closed before was found in the store as a whole then, so a snapshot begun at `since` has all of it. May
    be repeated; a crash leaves some jobs reopened and the others as they were.

    Args:
        objects: Where the ledger is kept.
        since: When the snapshot was begun, with a time zone.

    Returns:
        Ids of the jobs.
    """
    reopened = []
    for tenant in objects.list(layout.JOBS):
        for job_id in objects.list(f"{layout.JOBS}/{tenant}"):
            if _closed_since(objects, JobFolder(tenant, job_id), since):
                # The marker first: a job that has it and is closed is verified and closed once more, no harm done.
                objects.put(layout.open_marker(tenant, job_id), since.isoformat().encode())
                objects.delete(JobFolder(tenant, job_id).closed)
                reopened.append(job_id)
    return reopened


def _closed_since(objects: ObjectStore, folder: JobFolder, since: datetime) -> bool:
    try:
        progress = encoding.PROGRESS.validate_json(objects.get(folder.closed))
    except NotFoundError:
        return False
    return progress.closed_at is not None and progress.closed_at >= since
