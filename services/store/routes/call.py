"""What a handler gets of a request, and the table that names the handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from services.common.errors import InvalidRequestError

B = TypeVar("B")
_SHOWN_ERRORS = 3


class FormatError(InvalidRequestError):
    """A body that is no JSON, or not of the expected form."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read to its end.

    Attributes:
        path: Values of the path's parameters.
        query: Values of the query string.
        content: The body.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    content: bytes

    @property
    def collection(self) -> str:
        """The collection in the path."""
        return self.path["name"]

    @property
    def wait(self) -> bool:
        """Whether the caller wants to know that the write is done; false if nothing is said, as in Qdrant."""
        return self.query.get("wait", "false").lower() == "true"

    def body(self, adapter: TypeAdapter[B]) -> B:
        """Parse the body with a model of qdrant-client.

        Raises:
            FormatError: It does not fit; the text names the first places where.
        """
        try:
            return adapter.validate_json(self.content)
        except ValidationError as error:
            raise FormatError(f"Format error in JSON body: {_describe(error)}") from None


def _describe(error: ValidationError) -> str:
    # A deep filter with one wrong field brings 200 kB of attempts at every kind of condition.
    parts = error.errors(include_url=False, include_context=False, include_input=False)
    deepest = sorted(parts, key=_depth, reverse=True)[:_SHOWN_ERRORS]
    return "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in deepest)


def _depth(part: Any) -> int:
    return len(part["loc"])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and path with what answers it.

    Attributes:
        method: HTTP method.
        path: With parameters in braces.
        handle: Runs on the engine's thread; what it returns becomes the answer's `result`.
    """

    method: str
    path: str
    handle: Callable[[Call], object]


def update_result(number: int | None, wait: bool) -> dict[str, object]:
    """The answer to a write."""
    return {"operation_id": number, "status": "completed" if wait else "acknowledged"}
