"""/healthz, /readyz, /metrics, /v1/info."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.gateway.about import own_version
from services.gateway.schemas.about import Health, Info, Ready
from services.gateway.state import Tenant, TheGateway

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Ready}})
async def readyz(gateway: TheGateway, response: Response) -> Ready:
    """Every part that searching, answering and ingesting need is there; else 503 names what is missing."""
    missing = await gateway.readiness.missing()
    response.status_code = 503 if missing else 200
    return Ready(ready=not missing, missing=missing)


@router.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """Prometheus metrics, for keys with the scope `admin`; a scraper takes IMAGERAG_GATEWAY_METRICS_PORT."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/info")
async def info(gateway: TheGateway, tenant: Tenant) -> Info:
    """What is running here, in words for people."""
    models = await gateway.about.models()
    return Info(
        version=own_version(),
        model=models.model,
        notice=models.notice,
        semantic=models.semantic,
        generator=models.generator,
        tenant=tenant,
        ready=not await gateway.readiness.missing(),
    )
