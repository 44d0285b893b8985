"""What the routes work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.requests import Request

from services.common.clients.retriever import RetrieverClient
from services.common.jobs.ledger import JobLedger
from services.common.media.images import ImageLimits
from services.gateway.about import About
from services.gateway.asking import Asking
from services.gateway.catalogue import Catalogue
from services.gateway.deleting import Deleting
from services.gateway.door import caller_of
from services.gateway.file_uploads import FileUploads
from services.gateway.health import Readiness
from services.gateway.ingestion import Ingestion
from services.gateway.openapi import SECURITY_SCHEME
from services.gateway.page_files import PageFiles
from services.gateway.pictures import Pictures
from services.gateway.verification import Verification


@dataclass(frozen=True)
class Gateway:
    """The use cases and clients, as `app` composed them."""

    retriever: RetrieverClient
    lookup: RetrieverClient
    asking: Asking
    deleting: Deleting
    ingestion: Ingestion
    files: FileUploads
    ledger: JobLedger
    verification: Verification
    pictures: Pictures
    catalogue: Catalogue
    readiness: Readiness
    about: About
    page: PageFiles
    image_limits: ImageLimits
    upload_files: int


# For the document alone: the door has looked at the key before any route runs.
_bearer = HTTPBearer(
    auto_error=False,
    scheme_name=SECURITY_SCHEME,
    description="An API key with one of the operation's `x-scopes`. A gateway without keys needs none.",
)


async def gateway_of(request: Request) -> Gateway:
    """The composed gateway."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def tenant_of(request: Request, _key: Annotated[object, Depends(_bearer)]) -> str:
    """The tenant of the caller whom the door let in."""
    return caller_of(request).tenant


TheGateway = Annotated[Gateway, Depends(gateway_of)]
Tenant = Annotated[str, Depends(tenant_of)]
