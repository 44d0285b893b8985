"""What became of the lines of one message, so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from services.common.errors import FingerprintMismatchError, ImageragError
from services.common.jobs.records import LineOutcome, Outcome
from workers.ingest.items import NumberedLine

log = structlog.get_logger(__name__)


@dataclass
class Report:
    """Grows while the work goes on; what is in it holds, however the work ends.

    Attributes:
        outcomes: Lines that came to an end.
        errors: Why other lines did not; something they need is down.
    """

    outcomes: list[LineOutcome] = field(default_factory=list)
    errors: list[ImageragError] = field(default_factory=list)

    def note(self, numbered: NumberedLine, error: ImageragError) -> None:
        """A line cannot go in: never, or not now."""
        if is_passing(error):
            self.errors.append(error)
            return
        line = numbered.line
        log.info("line_failed", line=numbered.number, code=error.code)
        self.outcomes.append(
            LineOutcome(numbered.number, Outcome.FAILED, line.name, code=error.code, message=error.message)
        )


def is_passing(error: ImageragError) -> bool:
    """Whether the line may go in later as it is: an outage, or a model that the operator has to put right."""
    return error.retryable or isinstance(error, FingerprintMismatchError)
