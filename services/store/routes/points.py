"""Writes of points, one operation a call or several."""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter
from qdrant_client.http import models as m

from services.store.routes.call import Call, Endpoint, update_result
from services.store.service import StoreService

B = TypeVar("B")
_POINTS: TypeAdapter[m.PointInsertOperations] = TypeAdapter(m.PointInsertOperations)
_SELECTOR: TypeAdapter[m.PointsSelector] = TypeAdapter(m.PointsSelector)
_SET_PAYLOAD = TypeAdapter(m.SetPayload)
_DELETE_PAYLOAD = TypeAdapter(m.DeletePayload)
_UPDATE_VECTORS = TypeAdapter(m.UpdateVectors)
_DELETE_VECTORS = TypeAdapter(m.DeleteVectors)
_BATCH = TypeAdapter(m.UpdateOperations)


class PointRoutes:
    """Translates writes. Each body becomes the operation that `points/batch` would hold.

    Args:
        service: Carries them out.
    """

    def __init__(self, service: StoreService) -> None:
        self._service = service

    def endpoints(self) -> list[Endpoint]:
        """The table of paths."""
        points = "/collections/{name}/points"
        return [
            Endpoint("PUT", points, self._upsert),
            Endpoint("POST", f"{points}/delete", self._delete),
            Endpoint("POST", f"{points}/payload", self._set_payload),
            Endpoint("PUT", f"{points}/payload", self._overwrite_payload),
            Endpoint("POST", f"{points}/payload/delete", self._delete_payload),
            Endpoint("POST", f"{points}/payload/clear", self._clear_payload),
            Endpoint("PUT", f"{points}/vectors", self._update_vectors),
            Endpoint("POST", f"{points}/vectors/delete", self._delete_vectors),
            Endpoint("POST", f"{points}/batch", self._batch),
        ]

    def _upsert(self, call: Call) -> object:
        return self._one(call, m.UpsertOperation.model_construct(upsert=call.body(_POINTS)))

    def _delete(self, call: Call) -> object:
        return self._one(call, m.DeleteOperation.model_construct(delete=call.body(_SELECTOR)))

    def _set_payload(self, call: Call) -> object:
        return self._one(call, m.SetPayloadOperation.model_construct(set_payload=call.body(_SET_PAYLOAD)))

    def _overwrite_payload(self, call: Call) -> object:
        body = call.body(_SET_PAYLOAD)
        return self._one(call, m.OverwritePayloadOperation.model_construct(overwrite_payload=body))

    def _delete_payload(self, call: Call) -> object:
        body = call.body(_DELETE_PAYLOAD)
        return self._one(call, m.DeletePayloadOperation.model_construct(delete_payload=body))

    def _clear_payload(self, call: Call) -> object:
        return self._one(call, m.ClearPayloadOperation.model_construct(clear_payload=call.body(_SELECTOR)))

    def _update_vectors(self, call: Call) -> object:
        body = call.body(_UPDATE_VECTORS)
        return self._one(call, m.UpdateVectorsOperation.model_construct(update_vectors=body))

    def _delete_vectors(self, call: Call) -> object:
        body = call.body(_DELETE_VECTORS)
        return self._one(call, m.DeleteVectorsOperation.model_construct(delete_vectors=body))

    def _one(self, call: Call, operation: m.UpdateOperation) -> object:
        return update_result(self._service.write(call.collection, [operation])[0], call.wait)

    def _batch(self, call: Call) -> object:
        numbers = self._service.write(call.collection, call.body(_BATCH).operations)
        return [update_result(number, call.wait) for number in numbers]
