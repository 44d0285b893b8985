"""`models.PayloadFieldSchema` to the engine's payload index parameters."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge
from qdrant_client.http import models as m

from services.common.errors import InvalidRequestError, UnimplementedError

_PARAMS: dict[str, type[Any]] = {
    "keyword": edge.KeywordIndexParams,
    "integer": edge.IntegerIndexParams,
    "float": edge.FloatIndexParams,
    "geo": edge.GeoIndexParams,
    "text": edge.TextIndexParams,
    "bool": edge.BoolIndexParams,
    "datetime": edge.DatetimeIndexParams,
    "uuid": edge.UuidIndexParams,
}
_TOKENIZERS = {
    m.TokenizerType.PREFIX: edge.TokenizerType.Prefix,
    m.TokenizerType.WHITESPACE: edge.TokenizerType.Whitespace,
    m.TokenizerType.WORD: edge.TokenizerType.Word,
    m.TokenizerType.MULTILINGUAL: edge.TokenizerType.Multilingual,
}
_SAME_NAME = {
    "is_tenant", "prefix", "lookup", "range", "is_principal", "on_disk", "enable_hnsw", "nested",
    "min_token_len", "max_token_len", "lowercase", "ascii_folding", "phrase_matching",
}  # fmt: skip
_NOT_OFFERED = ("stopwords", "stemmer", "scoring")


def engine_index(schema: m.PayloadFieldSchema | None) -> edge.PayloadSchemaParams:
    """Translate an index on a payload field.

    Args:
        schema: A type, or a type with its options.

    Raises:
        InvalidRequestError: No schema.
        UnimplementedError: An option that this store does not pass on.
    """
    if schema is None:
        raise InvalidRequestError("field_schema is required to index a field")
    if isinstance(schema, m.PayloadSchemaType):
        params: edge.PayloadSchemaParams = _PARAMS[schema.value]()
        return params
    for name in _NOT_OFFERED:
        if getattr(schema, name, None):
            raise UnimplementedError(f"The text index option {name!r} is not offered by this store")
    options: dict[str, object] = schema.model_dump(include=_SAME_NAME, exclude_none=True)
    if isinstance(schema, m.TextIndexParams) and schema.tokenizer is not None:
        options["tokenizer"] = _TOKENIZERS[schema.tokenizer]
    described: edge.PayloadSchemaParams = _PARAMS[schema.type.value](**options)
    return described
