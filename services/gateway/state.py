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
from services.gateway.health import Readiness
from services.gateway.ingestion import Ingestion
from services.gateway.keys import Keyring
from services.gateway.page_files import PageFiles
from services.gateway.pictures import Pictures


@dataclass(frozen=True)
class Gateway:
    """The use cases and clients, as `app` composed them."""

    keyring: Keyring
    retriever: RetrieverClient
    lookup: RetrieverClient
    asking: Asking
    ingestion: Ingestion
    ledger: JobLedger
    pictures: Pictures
    readiness: Readiness
    about: About
    page: PageFiles
    image_limits: ImageLimits
    upload_files: int


_bearer = HTTPBearer(auto_error=False, description="An API key. Not needed on a gateway without keys.")


async def gateway_of(request: Request) -> Gateway:
    """The composed gateway."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def tenant_of(
    request: Request, gateway: Annotated[Gateway, Depends(gateway_of)], _key: Annotated[object, Depends(_bearer)]
) -> str:
    """The tenant of the caller's key.

    Raises:
        UnauthenticatedError: No key, or an unknown one.
    """
    return gateway.keyring.tenant_of(request.headers.get("authorization"))


TheGateway = Annotated[Gateway, Depends(gateway_of)]
Tenant = Annotated[str, Depends(tenant_of)]
