"""`models.CreateCollection` to the engine's configuration."""

from __future__ import annotations

from collections.abc import Mapping

import qdrant_edge as edge
import structlog
from qdrant_client.http import models as m

from services.common.errors import InvalidRequestError, UnimplementedError
from services.store.translate.limits import check_range
from services.store.translate.quantization import engine_quantization
from services.store.translate.vectors import VectorField

log = structlog.get_logger(__name__)

HNSW_DEFAULTS = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000}
"""As the real server has them; `full_scan_threshold` in kilobytes of vectors."""
SEARCH_THREADS = 1
"""One search at a time runs anyway; more threads cost more in hand-over than they bring at this size."""
PLACEHOLDER = "__no_vectors__"
_DISTANCES = {
    m.Distance.COSINE: edge.Distance.Cosine,
    m.Distance.EUCLID: edge.Distance.Euclid,
    m.Distance.DOT: edge.Distance.Dot,
    m.Distance.MANHATTAN: edge.Distance.Manhattan,
}
_DATATYPES = {
    m.Datatype.FLOAT32: edge.VectorStorageDatatype.Float32,
    m.Datatype.FLOAT16: edge.VectorStorageDatatype.Float16,
    m.Datatype.UINT8: edge.VectorStorageDatatype.Uint8,
}
_MEMORY = {
    m.Memory.COLD: edge.Memory.Cold,
    m.Memory.CACHED: edge.Memory.Cached,
    m.Memory.PINNED: edge.Memory.Pinned,
}


def vector_fields(spec: m.CreateCollection) -> dict[str, VectorField]:
    """The collection's vectors by name; the unnamed one is ""."""
    fields = {
        name: VectorField(name, params.size, params.multivector_config is not None)
        for name, params in dense_params(spec).items()
    }
    return fields | {name: VectorField(name, None) for name in spec.sparse_vectors or {}}


def dense_params(spec: m.CreateCollection) -> dict[str, m.VectorParams]:
    """The dense vectors' parameters by name."""
    if spec.vectors is None:
        return {}
    if isinstance(spec.vectors, m.VectorParams):
        return {"": spec.vectors}
    return dict(spec.vectors)


def engine_config(spec: m.CreateCollection) -> edge.EdgeConfig:
    """Translate a collection's configuration; the write-ahead log is always on.

    Raises:
        UnimplementedError: It asks for what one shard on one machine cannot give.
        InvalidRequestError: A size of no use, or one name for two vectors.
    """
    _refuse_cluster_features(spec)
    dense, sparse = dense_params(spec), dict(spec.sparse_vectors or {})
    if shared := dense.keys() & sparse.keys():
        raise InvalidRequestError(f"Vector name {min(shared)!r} is used for a dense and a sparse vector")
    engine_sparse = {name: _sparse_params(params) for name, params in sparse.items()}
    if not dense and not sparse:
        engine_sparse = {PLACEHOLDER: edge.EdgeSparseVectorParams()}  # the engine wants one at least
    return edge.EdgeConfig(
        vectors={name: _dense_params(name, params) for name, params in dense.items()} or None,
        sparse_vectors=engine_sparse or None,
        on_disk_payload=spec.on_disk_payload,
        payload_memory=_memory(spec.payload.memory) if spec.payload else None,
        hnsw_config=_hnsw(spec.hnsw_config),
        quantization_config=engine_quantization(spec.quantization_config),
        optimizers=_optimizers(spec.optimizers_config),
        max_search_threads=SEARCH_THREADS,
        wal_enabled=True,
    )


def _refuse_cluster_features(spec: m.CreateCollection) -> None:
    if spec.sharding_method == m.ShardingMethod.CUSTOM:
        raise UnimplementedError("Custom sharding is not offered by this store")
    asked = {spec.shard_number, spec.replication_factor, spec.write_consistency_factor}
    if asked - {None, 1}:
        log.warning("one_shard_only", shards=spec.shard_number, replicas=spec.replication_factor)
    if spec.strict_mode_config is not None and spec.strict_mode_config.enabled:
        raise UnimplementedError("Strict mode is not offered by this store")


def _dense_params(name: str, params: m.VectorParams) -> edge.EdgeVectorParams:
    size = check_range(params.size, f"vectors.{name}.size" if name else "vectors.size", minimum=1)
    if size > 65_536:
        raise InvalidRequestError(f"Vector {name!r}: at most 65536 dimensions are possible")
    return edge.EdgeVectorParams(
        size=size,
        distance=_DISTANCES[params.distance],
        on_disk=params.on_disk,
        multivector_config=_multivector(params.multivector_config),
        datatype=_datatype(params.datatype),
        quantization_config=engine_quantization(params.quantization_config),
        hnsw_config=_hnsw(params.hnsw_config),
        memory=_memory(params.memory),
    )


def _sparse_params(params: m.SparseVectorParams) -> edge.EdgeSparseVectorParams:
    index = params.index or m.SparseIndexParams()
    return edge.EdgeSparseVectorParams(
        full_scan_threshold=index.full_scan_threshold,
        on_disk=index.on_disk,
        modifier=edge.Modifier.Idf if params.modifier == m.Modifier.IDF else None,
        datatype=_datatype(index.datatype),
        memory=_memory(index.memory),
    )


def _multivector(config: m.MultiVectorConfig | None) -> edge.MultiVectorConfig | None:
    return None if config is None else edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)


def _datatype(datatype: m.Datatype | None) -> edge.VectorStorageDatatype | None:
    if datatype is None:
        return None
    if datatype not in _DATATYPES:
        raise UnimplementedError(f"Vectors of datatype {datatype.value} are not offered by this store")
    return _DATATYPES[datatype]


def _memory(memory: m.Memory | None) -> edge.Memory | None:
    return None if memory is None else _MEMORY[memory]


def _hnsw(config: m.HnswConfigDiff | None) -> edge.HnswIndexConfig | None:
    if config is None:
        return None
    chosen = HNSW_DEFAULTS | config.model_dump(include=set(HNSW_DEFAULTS), exclude_none=True)
    return edge.HnswIndexConfig(
        m=chosen["m"],
        ef_construct=chosen["ef_construct"],
        full_scan_threshold=chosen["full_scan_threshold"],
        max_indexing_threads=config.max_indexing_threads or 0,
        on_disk=config.on_disk,
        payload_m=config.payload_m,
        memory=_memory(config.memory),
    )


def _optimizers(config: m.OptimizersConfigDiff | None) -> edge.EdgeOptimizersConfig | None:
    if config is None:
        return None
    # `prevent_unoptimized` would hide points until they are indexed: what is answered is visible here.
    return edge.EdgeOptimizersConfig(
        deleted_threshold=config.deleted_threshold,
        vacuum_min_vector_number=config.vacuum_min_vector_number,
        default_segment_number=config.default_segment_number,
        max_segment_size=config.max_segment_size,
        indexing_threshold=config.indexing_threshold,
    )


def described_config(spec: m.CreateCollection, metadata: Mapping[str, object] | None) -> dict[str, object]:
    """The `config` part of a collection's info, with the real server's defaults for what was left out."""
    given = spec.model_dump(mode="json", exclude_none=True)
    params = {"shard_number": 1, "replication_factor": 1, "write_consistency_factor": 1, "on_disk_payload": True}
    kept = ("vectors", "sparse_vectors", "on_disk_payload", "payload")  # what was asked of a cluster is not told
    config: dict[str, object] = {
        "params": {"vectors": {}} | params | {name: given[name] for name in kept if name in given},
        "hnsw_config": HNSW_DEFAULTS
        | {"max_indexing_threads": 0, "on_disk": False}
        | given.get("hnsw_config", {}),
        "optimizer_config": {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "flush_interval_sec": 5,
        }
        | given.get("optimizers_config", {}),
        "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0} | given.get("wal_config", {}),
        "quantization_config": given.get("quantization_config"),
    }
    if metadata:
        config["metadata"] = dict(metadata)
    return config
