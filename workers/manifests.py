"""The public task `imagerag.ingest_manifest`: another system's manifest becomes a job of ours."""

from __future__ import annotations

import structlog

from services.common.errors import ImageragError
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import first_messages
from services.common.jobs.records import JobSource
from workers.publishing import Publish

log = structlog.get_logger(__name__)


class ManifestIntake:
    """Accepts manifests that lie on the server.

    Args:
        ledger: Where jobs are accepted.
        publish: Sends the job's messages.
    """

    def __init__(self, ledger: JobLedger, publish: Publish) -> None:
        self._ledger, self._publish = ledger, publish

    def take(self, job_id: str, tenant: str, manifest_uri: str) -> None:
        """Accept the manifest under the caller's job id; taking it again changes nothing.

        A manifest that cannot be read gives a job of one failed line with the reason; a wrong line of a
        readable one gives a failed line.
        """
        try:
            job = self._ledger.begin(tenant, JobSource("manifest", manifest_uri), job_id=job_id)
        except ImageragError as error:
            # Without a valid tenant and job id there is no job to tell the reason.
            log.warning("manifest_dropped", code=error.code, detail=error.message)
            return
        if not job.listed:
            self._publish(first_messages(job))
