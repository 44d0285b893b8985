"""Collections, aliases and payload indexes."""

from __future__ import annotations

from pydantic import TypeAdapter
from qdrant_client.http import models as m

from services.store.routes.call import Call, Endpoint, update_result
from services.store.service import StoreService

_CREATE = TypeAdapter(m.CreateCollection)
_UPDATE = TypeAdapter(m.UpdateCollection)
_ALIASES = TypeAdapter(m.ChangeAliasesOperation)
_INDEX = TypeAdapter(m.CreateFieldIndex)


class CollectionRoutes:
    """Translates calls about collections.

    Args:
        service: Carries them out.
    """

    def __init__(self, service: StoreService) -> None:
        self._service = service

    def endpoints(self) -> list[Endpoint]:
        """The table of paths."""
        collection = "/collections/{name}"
        return [
            Endpoint("GET", "/collections", self._list),
            Endpoint("GET", "/aliases", self._list_aliases),
            Endpoint("POST", "/collections/aliases", self._change_aliases),
            Endpoint("GET", collection, self._info),
            Endpoint("PUT", collection, self._create),
            Endpoint("PATCH", collection, self._update),
            Endpoint("DELETE", collection, self._delete),
            Endpoint("GET", f"{collection}/exists", self._exists),
            Endpoint("GET", f"{collection}/cluster", self._shards),
            Endpoint("GET", "/cluster", self._cluster),
            Endpoint("GET", f"{collection}/aliases", self._aliases_of),
            Endpoint("PUT", f"{collection}/index", self._create_index),
            Endpoint("DELETE", f"{collection}/index/{{field:path}}", self._delete_index),
        ]

    def _list(self, _call: Call) -> object:
        return self._service.list_collections()

    def _list_aliases(self, _call: Call) -> object:
        return self._service.list_aliases()

    def _change_aliases(self, call: Call) -> object:
        return self._service.change_aliases(call.body(_ALIASES))

    def _info(self, call: Call) -> object:
        return self._service.collection_info(call.collection)

    def _create(self, call: Call) -> object:
        return self._service.create_collection(call.collection, call.body(_CREATE))

    def _update(self, call: Call) -> object:
        return self._service.update_collection(call.collection, call.body(_UPDATE))

    def _delete(self, call: Call) -> object:
        return self._service.delete_collection(call.collection)

    def _exists(self, call: Call) -> object:
        return self._service.collection_exists(call.collection)

    def _shards(self, call: Call) -> object:
        return self._service.shards(call.collection)

    def _cluster(self, _call: Call) -> object:
        return {"status": "disabled"}

    def _aliases_of(self, call: Call) -> object:
        return self._service.list_aliases(call.collection)

    def _create_index(self, call: Call) -> object:
        return update_result(self._service.create_index(call.collection, call.body(_INDEX)), call.wait)

    def _delete_index(self, call: Call) -> object:
        return update_result(self._service.delete_index(call.collection, call.path["field"]), call.wait)
