"""Configurations of collections, payload indexes and quantisation."""

from __future__ import annotations

import pytest
import qdrant_edge as edge
from qdrant_client.http import models as m

from services.common.errors import InvalidRequestError, UnimplementedError
from services.store.translate.indexes import engine_index
from services.store.translate.limits import OutOfRangeError
from services.store.translate.quantization import engine_quantization
from services.store.translate.schema import described_config, engine_config, vector_fields
from services.store.translate.vectors import VectorField

DENSE = m.VectorParams(size=4, distance=m.Distance.COSINE)
ROWS = m.VectorParams(
    size=2,
    distance=m.Distance.DOT,
    multivector_config=m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM),
)


def test_fields_by_name() -> None:
    spec = m.CreateCollection(
        vectors={"image": DENSE, "rows": ROWS}, sparse_vectors={"bm25": m.SparseVectorParams()}
    )
    assert vector_fields(spec) == {
        "image": VectorField("image", 4),
        "rows": VectorField("rows", 2, multi=True),
        "bm25": VectorField("bm25", None),
    }
    assert vector_fields(m.CreateCollection(vectors=DENSE)) == {"": VectorField("", 4)}
    assert vector_fields(m.CreateCollection()) == {}


def test_the_log_is_always_on() -> None:
    config = engine_config(
        m.CreateCollection(
            vectors={"image": DENSE},
            sparse_vectors={"bm25": m.SparseVectorParams(modifier=m.Modifier.IDF)},
            hnsw_config=m.HnswConfigDiff(m=7),
            on_disk_payload=True,
        )
    )
    assert config.wal_enabled
    assert config.vectors["image"].size == 4
    assert config.vectors["image"].distance == edge.Distance.Cosine
    assert config.sparse_vectors["bm25"].modifier == edge.Modifier.Idf
    assert config.hnsw_config is not None
    assert (config.hnsw_config.m, config.hnsw_config.ef_construct) == (7, 100)


def test_a_collection_may_have_no_vectors() -> None:
    assert len(engine_config(m.CreateCollection()).sparse_vectors) == 1


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (m.CreateCollection(vectors=DENSE.model_copy(update={"size": 0})), OutOfRangeError),
        (m.CreateCollection(vectors=DENSE.model_copy(update={"size": 70_000})), InvalidRequestError),
        (
            m.CreateCollection(vectors={"a": DENSE}, sparse_vectors={"a": m.SparseVectorParams()}),
            InvalidRequestError,
        ),
        (m.CreateCollection(sharding_method=m.ShardingMethod.CUSTOM), UnimplementedError),
        (m.CreateCollection(strict_mode_config=m.StrictModeConfig(enabled=True)), UnimplementedError),
        (
            m.CreateCollection(vectors=DENSE.model_copy(update={"datatype": m.Datatype.TURBO4})),
            UnimplementedError,
        ),
    ],
)
def test_wrong_configurations_are_refused(spec: m.CreateCollection, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        engine_config(spec)


def test_a_described_configuration_is_one_that_the_client_reads() -> None:
    spec = m.CreateCollection(
        vectors={"image": DENSE},
        shard_number=1,
        optimizers_config=m.OptimizersConfigDiff(indexing_threshold=5),
        quantization_config=m.BinaryQuantization(binary=m.BinaryQuantizationConfig()),
    )
    config = m.CollectionConfig.model_validate(described_config(spec, {"a": 1}))
    assert config.params.vectors == {"image": DENSE}
    assert config.optimizer_config.indexing_threshold == 5
    assert config.hnsw_config.m == 16
    assert config.metadata == {"a": 1}
    assert "metadata" not in described_config(spec, None)


@pytest.mark.parametrize("kind", list(m.PayloadSchemaType))
def test_every_kind_of_index_is_offered(kind: m.PayloadSchemaType) -> None:
    assert engine_index(kind) is not None


def test_options_of_an_index_are_passed_on() -> None:
    keyword = engine_index(m.KeywordIndexParams(type=m.KeywordIndexType.KEYWORD, is_tenant=True, on_disk=True))
    assert isinstance(keyword, edge.KeywordIndexParams)
    assert (keyword.is_tenant, keyword.on_disk) == (True, True)
    text = engine_index(
        m.TextIndexParams(
            type=m.TextIndexType.TEXT,
            tokenizer=m.TokenizerType.MULTILINGUAL,
            min_token_len=2,
            phrase_matching=True,
        )
    )
    assert isinstance(text, edge.TextIndexParams)
    assert (text.tokenizer, text.min_token_len) == (edge.TokenizerType.Multilingual, 2)
    assert text.phrase_matching


def test_an_index_needs_a_kind_and_offered_options() -> None:
    with pytest.raises(InvalidRequestError, match="field_schema"):
        engine_index(None)
    with pytest.raises(UnimplementedError, match="stopwords"):
        engine_index(m.TextIndexParams(type=m.TextIndexType.TEXT, stopwords=m.Language.ENGLISH))


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (
            m.ScalarQuantization(scalar=m.ScalarQuantizationConfig(type=m.ScalarType.INT8, quantile=0.99)),
            edge.ScalarQuantizationConfig,
        ),
        (
            m.ProductQuantization(product=m.ProductQuantizationConfig(compression=m.CompressionRatio.X16)),
            edge.ProductQuantizationConfig,
        ),
        (
            m.BinaryQuantization(
                binary=m.BinaryQuantizationConfig(encoding=m.BinaryQuantizationEncoding.TWO_BITS)
            ),
            edge.BinaryQuantizationConfig,
        ),
        (None, type(None)),
    ],
)
def test_quantisation_is_translated(source: m.QuantizationConfig | None, kind: type) -> None:
    assert isinstance(engine_quantization(source), kind)


def test_another_quantisation_is_not_offered() -> None:
    with pytest.raises(UnimplementedError, match="TurboQuantization"):
        engine_quantization(m.TurboQuantization(turbo=m.TurboQuantQuantizationConfig()))
