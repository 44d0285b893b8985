"""What the command line tells a person when something does not work: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EXIT_FAILED = 1
"""The command did not do what was asked."""
EXIT_USAGE = 2
"""The command was not understood."""
EXIT_UNREACHABLE = 3
"""No cluster answers, or it is not ready."""


@dataclass(eq=False)
class CliError(Exception):
    """Ends a command with one sentence and one line of advice.

    Attributes:
        message: What is wrong.
        fix: What to do about it; may be empty.
        code: Stable name for scripts, the gateway's own where it said one.
        exit_code: Status of the process; never zero.
        details: More members of the JSON form.
    """

    message: str
    fix: str = ""
    code: str = "failed"
    exit_code: int = EXIT_FAILED
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"error": {"code": self.code, "message": self.message, "fix": self.fix, **self.details}}


def unreachable(url: str) -> CliError:
    """The error for a cluster that does not answer."""
    return CliError(
        f"No cluster answers at {url}.",
        "Start one with `imagerag up`, or name yours with --url or IMAGERAG_URL.",
        code="unreachable",
        exit_code=EXIT_UNREACHABLE,
    )
