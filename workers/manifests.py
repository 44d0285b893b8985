"""The public task `imagerag.ingest_manifest`: another system's manifest becomes a job of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from services.common.errors import ImageragError
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import batches
from services.common.jobs.records import Job, JobSource, LineOutcome, ManifestLine, Outcome
from services.common.jobs.sources import SourceLines, manifest_lines
from workers.leases import Leases
from workers.publishing import Publish

log = structlog.get_logger(__name__)


class ManifestIntake:
    """Accepts manifests that lie on the server.

    Args:
        ledger: Where jobs are accepted.
        leases: Keeps a message that was delivered twice from accepting twice at once.
        publish: Sends the job's messages.
        roots: Folders that manifests and pictures may lie in.
    """

    def __init__(self, ledger: JobLedger, leases: Leases, publish: Publish, roots: Sequence[Path]) -> None:
        self._ledger, self._leases, self._publish, self._roots = ledger, leases, publish, roots

    def take(self, job_id: str, tenant: str, manifest_uri: str) -> None:
        """Accept the manifest under the caller's job id; taking it again changes nothing.

        A manifest that cannot be read gives a job of one failed line with the reason; a wrong line of a
        readable one gives a failed line.
        """
        with self._leases.hold(f"manifest:{tenant}.{job_id}") as held:
            if held:
                return
            try:
                job = self._accept(job_id, tenant, manifest_uri)
            except ImageragError as error:
                # Without a valid tenant and job id there is no job to tell the reason.
                log.warning("manifest_dropped", code=error.code, detail=error.message)
                return
            self._publish(batches(job))

    def _accept(self, job_id: str, tenant: str, manifest_uri: str) -> Job:
        source = JobSource("manifest", manifest_uri)
        lines, outcomes = _as_lines(self._read(manifest_uri), manifest_uri)
        return self._ledger.accept(tenant, lines, source, job_id=job_id, outcomes=outcomes)

    def _read(self, manifest_uri: str) -> SourceLines | ImageragError:
        try:
            return manifest_lines(manifest_uri, self._roots)
        except ImageragError as error:
            return error


def _as_lines(
    found: SourceLines | ImageragError, manifest_uri: str
) -> tuple[list[ManifestLine], list[LineOutcome]]:
    """Lines to accept, and the outcomes of those that need no work because they are wrong."""
    if isinstance(found, ImageragError):
        failed = LineOutcome(0, Outcome.FAILED, manifest_uri, code=found.code, message=found.message, attempts=0)
        return [ManifestLine(manifest_uri)], [failed]
    lines, outcomes = list(found.lines), []
    for wrong in found.rejected:
        number = len(lines)
        lines.append(ManifestLine(wrong.name))
        outcomes.append(
            LineOutcome(number, Outcome.FAILED, wrong.name, code=wrong.code, message=wrong.message, attempts=0)
        )
    if not lines:
        message = "The manifest has no lines."
        outcomes.append(LineOutcome(0, Outcome.FAILED, manifest_uri, code="invalid_request", message=message))
        lines.append(ManifestLine(manifest_uri))
    return lines, outcomes
