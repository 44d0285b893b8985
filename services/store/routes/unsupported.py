"""What Qdrant's REST API has and this store has not: 501 with the feature's name."""

from __future__ import annotations

from functools import partial

from services.common.errors import UnimplementedError
from services.store.routes.call import Call, Endpoint

_FEATURES = {
    "Snapshots of all collections together": ["/snapshots", "/snapshots/{rest:path}"],
    "Sharding": ["/collections/{name}/shards", "/collections/{name}/shards/{rest:path}"],
    "Clustering": ["/cluster/{rest:path}"],
    "Distance matrix": ["/collections/{name}/points/search/matrix/{rest:path}"],
    "The search API before points/query": [
        "/collections/{name}/points/search",
        "/collections/{name}/points/search/{rest:path}",
        "/collections/{name}/points/recommend",
        "/collections/{name}/points/recommend/{rest:path}",
        "/collections/{name}/points/discover",
        "/collections/{name}/points/discover/{rest:path}",
    ],
    "Adding and removing vector names": ["/collections/{name}/vectors/{rest:path}"],
    "Optimization reports": ["/collections/{name}/optimizations"],
    "Telemetry": ["/telemetry"],
    "Issues": ["/issues"],
    "Quotas": ["/quotas"],
    "Locks": ["/locks"],
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def unsupported_endpoints() -> list[Endpoint]:
    """Every path of them under every method."""
    return [
        Endpoint(method, path, partial(_refuse, feature))
        for feature, paths in _FEATURES.items()
        for path in paths
        for method in METHODS
    ]


def _refuse(feature: str, _call: Call) -> object:
    raise UnimplementedError(f"{feature} is not offered by this store")
