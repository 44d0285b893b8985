"""What was found out about a picture, kept by its bytes and by what found it: asking again costs nothing.

findings/<tenant>/<first two digits>/<sha256>/<name>-<version>.json
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError

from services.common.errors import ImageragError, NotFoundError
from services.common.objects import ObjectStore
from workers.enrich.enrichment import SeenPicture

log = structlog.get_logger(__name__)
T = TypeVar("T")
FOLDER = "findings"
_VERSION_DIGITS = 16
_READS_AT_ONCE = 8


class KeptFindings(Generic[T]):
    """Findings of one kind. Thread-safe.

    Args:
        objects: Where they are kept.
        name: Of the enrichment: `ocr`, `captions`.
        made_by: All that shapes a finding: model, version, prompt. Another one is looked up elsewhere, so that a
            change of the model never serves what the old one found.
        record: What a finding is: a dataclass, or anything pydantic reads and writes.
    """

    def __init__(self, objects: ObjectStore, name: str, made_by: Mapping[str, str], record: type[T]) -> None:
        self._objects = objects
        self._leaf = f"{name}-{version_of(made_by)}.json"
        self._adapter: TypeAdapter[T] = TypeAdapter(record)

    async def find(self, pictures: Sequence[SeenPicture]) -> list[T | None]:
        """What is known of each picture, in order; None: nothing.

        Raises:
            UnavailableError: The storage does not answer.
        """
        free = asyncio.Semaphore(_READS_AT_ONCE)

        async def one(picture: SeenPicture) -> T | None:
            async with free:
                return await asyncio.to_thread(self.read, picture.tenant, picture.sha256)

        return list(await asyncio.gather(*map(one, pictures)))

    async def keep(self, picture: SeenPicture, found: T) -> None:
        """Keep a finding. What cannot be kept is still used, so a failure is only logged."""
        try:
            await asyncio.to_thread(self.write, picture.tenant, picture.sha256, found)
        except ImageragError as error:
            log.warning("finding_not_kept", code=error.code)

    def read(self, tenant: str, sha256: str) -> T | None:
        """As `find`, of one picture. Blocks."""
        try:
            return self._adapter.validate_json(self._objects.get(self._name(tenant, sha256)))
        except NotFoundError:
            return None
        except ValidationError:
            # Of another version of this code: it is found out anew and replaced.
            log.warning("finding_unreadable", finding=self._leaf)
            return None

    def write(self, tenant: str, sha256: str, found: T) -> None:
        """As `keep`. Blocks.

        Raises:
            UnavailableError: The storage does not answer.
        """
        self._objects.put(self._name(tenant, sha256), self._adapter.dump_json(found))

    def _name(self, tenant: str, sha256: str) -> str:
        return f"{FOLDER}/{tenant}/{sha256[:2]}/{sha256}/{self._leaf}"


def version_of(made_by: Mapping[str, str]) -> str:
    """A short name for `made_by`, the same whatever the order of its entries."""
    told = json.dumps(dict(made_by), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()[:_VERSION_DIGITS]
