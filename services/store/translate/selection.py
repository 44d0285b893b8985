"""What a read brings back: payload, vectors, order, search parameters."""

from __future__ import annotations

from datetime import date

import qdrant_edge as edge
from qdrant_client.http import models as m

from services.store.translate.filters import engine_filter
from services.store.translate.limits import check_range
from services.store.translate.vectors import VectorFields, check_names


def with_payload(source: m.WithPayloadInterface | None, default: bool) -> edge.WithPayloadType:
    """Which parts of the payload; `default` where nothing is said."""
    match source:
        case None:
            return default
        case m.PayloadSelectorInclude():
            return edge.PayloadSelector.Include(source.include)
        case m.PayloadSelectorExclude():
            return edge.PayloadSelector.Exclude(source.exclude)
    return source


def with_vector(source: m.WithVector | None, fields: VectorFields) -> edge.WithVectorType:
    """Which vectors; none where nothing is said.

    Raises:
        InvalidVectorError: A name that the collection does not have.
    """
    if source is None:
        return False
    return source if isinstance(source, bool) else check_names(source, fields)


def order_by(source: m.OrderByInterface) -> edge.OrderBy:
    """Order by a payload field; needs a range index on it."""
    if isinstance(source, str):
        return edge.OrderBy(source)
    direction = {None: None, m.Direction.ASC: edge.Direction.Asc, m.Direction.DESC: edge.Direction.Desc}
    start = source.start_from
    start_from = start.isoformat() if isinstance(start, date) else start
    return edge.OrderBy(source.key, direction[source.direction], start_from)


def search_params(source: m.SearchParams | None) -> edge.SearchParams | None:
    """`hnsw_ef`, exactness, quantisation, ACORN, and the corpus of the IDF modifier."""
    if source is None:
        return None
    return edge.SearchParams(
        hnsw_ef=None if source.hnsw_ef is None else check_range(source.hnsw_ef, "params.hnsw_ef"),
        exact=bool(source.exact),
        quantization=_quantization(source.quantization),
        indexed_only=bool(source.indexed_only),
        acorn=_acorn(source.acorn),
        idf=_idf(source.idf),
    )


def _quantization(source: m.QuantizationSearchParams | None) -> edge.QuantizationSearchParams | None:
    if source is None:
        return None
    return edge.QuantizationSearchParams(
        ignore=bool(source.ignore), rescore=source.rescore, oversampling=source.oversampling
    )


def _acorn(source: m.AcornSearchParams | None) -> edge.AcornSearchParams | None:
    if source is None:
        return None
    return edge.AcornSearchParams(enable=bool(source.enable), max_selectivity=source.max_selectivity)


def _idf(source: m.IdfParams | None) -> edge.IdfParams | None:
    if source is None:
        return None
    if isinstance(source, m.IdfCorpusParams):
        return edge.IdfParams(corpus=engine_filter(source.corpus))
    return edge.IdfParams()
