"""What a use case answers if its message is to come back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Later:
    """The message is to come back.

    Attributes:
        code: Why, for logs and metrics.
        after_s: What whoever is busy or down asked for.
    """

    code: str
    after_s: float | None = None
