"""Snapshots over HTTP: of a collection, and of its one shard, which is the same."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import NoReturn

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from services.common.errors import ForbiddenError, InvalidRequestError, NotFoundError
from services.store.routes.upload import receive_snapshot
from services.store.routes.wire import observed_route, success
from services.store.snapshots.service import SnapshotService

_ONLY_SHARD = "0"
_PRIORITIES = (None, "snapshot", "replica", "no_sync")


class SnapshotRoutes:
    """Translates calls about snapshots. They do not wait in the engine's queue while files are written.

    Args:
        service: Carries them out.
    """

    def __init__(self, service: SnapshotService) -> None:
        self._service = service

    def routes(self) -> list[Route]:
        """The routes of both kinds."""
        return [
            observed_route(method, f"/collections/{{name}}{of}/snapshots{rest}", handle)
            for of in ("", "/shards/{shard}")
            for method, rest, handle in self._table()
        ]

    def _table(self) -> list[tuple[str, str, Callable[[Request], Awaitable[Response]]]]:
        return [
            ("GET", "", self._list),
            ("POST", "", self._create),
            ("POST", "/upload", self._upload),
            ("PUT", "/recover", self._recover),
            ("GET", "/{snapshot}", self._download),
            ("DELETE", "/{snapshot}", self._remove),
        ]

    async def _list(self, request: Request) -> Response:
        started = time.perf_counter()
        found = await self._service.list(_collection(request))
        return success(found, time.perf_counter() - started)

    async def _create(self, request: Request) -> Response:
        started = time.perf_counter()
        made = await self._service.create(_collection(request))
        return success(made, time.perf_counter() - started)

    async def _remove(self, request: Request) -> Response:
        started = time.perf_counter()
        removed = await self._service.remove(_collection(request), request.path_params["snapshot"])
        return success(removed, time.perf_counter() - started)

    async def _download(self, request: Request) -> Response:
        name = request.path_params["snapshot"]
        path = await self._service.path(_collection(request), name)
        return FileResponse(path, media_type="application/octet-stream", filename=name)

    async def _upload(self, request: Request) -> Response:
        started = time.perf_counter()
        collection = _collection(request)
        if request.query_params.get("priority") not in _PRIORITIES:
            raise InvalidRequestError("priority must be one of snapshot, replica, no_sync")
        announced = request.headers.get("content-length", "")
        self._service.check_room(int(announced) if announced.isdecimal() else 0)
        path = self._service.upload_path()
        try:
            sha256 = await receive_snapshot(request, path, self._service.limit_bytes)
            _check_sum(request.query_params.get("checksum"), sha256)
            restored = await self._service.restore(collection, path)
        finally:
            path.unlink(missing_ok=True)
        return success(restored, time.perf_counter() - started)

    async def _recover(self, _request: Request) -> NoReturn:
        # The server would fetch any address it is given: a way into the network that it stands in.
        raise ForbiddenError("Snapshot recovery from a location is off in this store; upload the snapshot instead")


def _collection(request: Request) -> str:
    if request.path_params.get("shard", _ONLY_SHARD) != _ONLY_SHARD:
        raise NotFoundError(f"Shard {request.path_params['shard']} does not exist; this store has shard 0 alone")
    return str(request.path_params["name"])


def _check_sum(expected: str | None, found: str) -> None:
    if expected is not None and expected.lower() != found:
        raise InvalidRequestError(f"Snapshot checksum mismatch: expected {expected[:80]}, got {found}")
