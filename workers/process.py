"""What one pool process keeps open: an event loop and everything that lives in it. Opened after the fork."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from workers.ingest.batch import BatchService
from workers.listing.service import ListingService
from workers.manifests import ManifestIntake
from workers.reconcile.reconciler import Reconciler
from workers.reconcile.requeueing import Requeueing
from workers.reconcile.sweeping import Sweeping
from workers.reconcile.tidying import Tidying

T = TypeVar("T")


@dataclass(frozen=True)
class Services:
    """The use cases of a worker."""

    batches: BatchService
    manifests: ManifestIntake
    listing: ListingService
    reconciler: Reconciler
    requeueing: Requeueing
    tidying: Tidying
    sweeping: Sweeping


class Process:
    """Opens the services at the first task and closes them with the process.

    gRPC channels and event loops do not survive a fork, so nothing is open in the parent.

    Args:
        open_services: Opens what the services need, in order, and closes it in reverse.
    """

    def __init__(self, open_services: Callable[[], AbstractAsyncContextManager[Services]]) -> None:
        self._open_services = open_services
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._services: Services | None = None

    @property
    def services(self) -> Services:
        """The open services."""
        if self._services is None:
            self._services = self._runner.run(self._stack.enter_async_context(self._open_services()))
        return self._services

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of the services to its end, in this task's own logging context."""
        return self._runner.run(work, context=copy_context())

    def close(self) -> None:
        """Close what was opened."""
        if self._services is not None:
            self._services = None
            self._runner.run(self._stack.aclose())
            self._runner.close()
