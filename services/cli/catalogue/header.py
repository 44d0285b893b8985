"""What stands in the head of an exported file: what the vectors were made by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from services.cli.errors import CliError

FORMAT = 1
KEY = b"imagerag"
"""Of the metadata of a Parquet file."""


@dataclass(frozen=True)
class Header:
    """The head of an exported file.

    Attributes:
        contract: Fingerprints and dimensions of the vectors, as the gateway tells them.
        with_vectors: They are in the file.
        exported_at: ISO 8601, UTC.
        url: Of the gateway.
        format: Of the file.
    """

    contract: Mapping[str, Any]
    with_vectors: bool
    exported_at: str
    url: str
    format: int = FORMAT

    def to_metadata(self) -> dict[bytes, bytes]:
        """As it stands in the file."""
        return {KEY: json.dumps(asdict(self)).encode()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[bytes, bytes] | None) -> Header:
        """Read it.

        Raises:
            CliError: The file is none of ours, or of another format.
        """
        try:
            document = json.loads((metadata or {})[KEY])
            if document["format"] != FORMAT:
                raise CliError(
                    f"The file has the format {document['format']!r}; this version reads {FORMAT}.",
                    "Use the version of imagerag that wrote it.",
                    code="unknown_format",
                )
            return cls(**document)
        except (KeyError, TypeError, ValueError):
            raise CliError(
                "This is no file of `imagerag catalogue export`: it does not say what its vectors were made by.",
                "Take in a table of your own with `imagerag ingest FILE.parquet`.",
                code="no_catalogue",
            ) from None

    def dims(self) -> dict[str, int]:
        """Length of the dense vectors that a collection of this contract has, by name."""
        joint = int(self.contract["dim"])
        semantic = self.contract.get("semantic")
        own = {"semantic": int(semantic["dim"])} if semantic else {}
        return {"image": joint, "text": joint, **own}
