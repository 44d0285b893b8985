"""`models.QueryRequest` to the engine's query, with its prefetches."""

from __future__ import annotations

from typing import Protocol, cast
from uuid import UUID

import qdrant_edge as edge
from qdrant_client.http import models as m

from services.common.errors import InvalidRequestError, UnimplementedError
from services.store.translate.averages import recommended_vector
from services.store.translate.filters import as_list, engine_filter
from services.store.translate.formulas import engine_expression
from services.store.translate.ids import PointId, point_id
from services.store.translate.limits import PREFETCH_DEPTH, check_range
from services.store.translate.selection import order_by, search_params, with_payload, with_vector
from services.store.translate.vectors import EngineVector, VectorFields, engine_vector, field_named

DEFAULT_LIMIT = 10
"""Hits where the request names no limit, as the real server has it."""
RRF_K = 2
"""The real server's default k of reciprocal rank fusion."""
AnyRequest = m.QueryRequest | m.QueryGroupsRequest
Scoring = AnyRequest | m.Prefetch


class VectorLookup(Protocol):
    """Where the vector of an existing point comes from."""

    def __call__(self, identifier: PointId, using: str | None, elsewhere: m.LookupLocation | None) -> EngineVector:
        """The vector `using` of a point, of this collection or of the one named in `elsewhere`.

        Raises:
            NotFoundError: No such point, or it has no such vector.
        """


class QueryTranslator:
    """Translates the queries of one collection.

    Args:
        fields: The collection's vectors.
        lookup: Resolves point ids given in the place of vectors.
    """

    def __init__(self, fields: VectorFields, lookup: VectorLookup) -> None:
        self._fields = fields
        self._lookup = lookup

    def query(self, source: m.QueryRequest) -> edge.QueryRequest:
        """Translate a query.

        Raises:
            InvalidRequestError: A vector, a filter or a number is wrong.
            NotFoundError: A point named as example is not there.
            UnimplementedError: A text or picture that the server should embed.
        """
        limit = check_range(DEFAULT_LIMIT if source.limit is None else source.limit, "limit", minimum=1)
        offset = check_range(source.offset or 0, "offset")
        # A random sample has no order that an offset could skip in.
        skip = 0 if isinstance(source.query, m.SampleQuery) else offset
        payload = with_payload(source.with_payload, default=False)
        return self._request(source, limit, skip, payload, with_vector(source.with_vector, self._fields))

    def grouped(self, source: m.QueryGroupsRequest, limit: int) -> edge.QueryRequest:
        """The query below a grouping: `limit` hits with the field to group by, and no more."""
        return self._request(source, limit, 0, edge.PayloadSelector.Include([source.group_by]), False)

    def _request(
        self,
        source: AnyRequest,
        limit: int,
        offset: int,
        payload: edge.WithPayloadType,
        vectors: edge.WithVectorType,
    ) -> edge.QueryRequest:
        used: set[PointId] = set()
        query = self._query(source, limit, used)
        return edge.QueryRequest(
            limit=limit,
            offset=offset,
            query=query,
            prefetches=[self._prefetch(inner, PREFETCH_DEPTH) for inner in as_list(source.prefetch)],
            with_vector=vectors,
            with_payload=payload,
            filter=engine_filter(source.filter, exclude=used),
            score_threshold=source.score_threshold,
            params=search_params(source.params),
        )

    def _prefetch(self, source: m.Prefetch, levels: int) -> edge.Prefetch:
        if levels == 0:
            raise InvalidRequestError(f"Prefetches are nested deeper than {PREFETCH_DEPTH} levels")
        limit = check_range(DEFAULT_LIMIT if source.limit is None else source.limit, "prefetch.limit", minimum=1)
        used: set[PointId] = set()
        query = self._query(source, limit, used)
        return edge.Prefetch(
            limit=limit,
            query=query,
            prefetches=[self._prefetch(inner, levels - 1) for inner in as_list(source.prefetch)],
            params=search_params(source.params),
            filter=engine_filter(source.filter, exclude=used),
            score_threshold=source.score_threshold,
        )

    def _query(self, source: Scoring, limit: int, used: set[PointId]) -> edge.ScoringQueryType | None:
        """`used` collects the ids given as examples: a point is no answer to itself."""
        query = source.query
        if query is None:
            return None
        match query:
            case m.OrderByQuery():
                return order_by(query.order_by)
            case m.FusionQuery():
                return _fusion(query)
            case m.RrfQuery():
                return _weighted_fusion(query.rrf)
            case m.FormulaQuery():
                return edge.Formula(engine_expression(query.formula), defaults=query.defaults or {})
            case m.SampleQuery():
                return edge.Sample.Random
            case m.TextQuery():
                raise UnimplementedError("Text scoring is not offered by this store")
        return _VectorQuery(source, self._fields, self._lookup, used).translate(limit)


# The stubs do not know that Fusion.Rrf and Fusion.Dbsf are Fusions.
def _fusion(source: m.FusionQuery) -> edge.Fusion:
    if source.fusion == m.Fusion.RRF:
        return cast(edge.Fusion, edge.Fusion.Rrf(k=RRF_K))
    return cast(edge.Fusion, edge.Fusion.Dbsf())


def _weighted_fusion(source: m.Rrf) -> edge.Fusion:
    k = RRF_K if source.k is None else check_range(source.k, "rrf.k", minimum=1)
    return cast(edge.Fusion, edge.Fusion.Rrf(k=k, weights=source.weights))


class _VectorQuery:
    """A query that compares with vectors, given as such or as ids of points."""

    def __init__(self, source: Scoring, fields: VectorFields, lookup: VectorLookup, used: set[PointId]) -> None:
        self._source, self._lookup, self._used = source, lookup, used
        self._field = field_named(source.using, fields)

    def translate(self, limit: int) -> edge.ScoringQueryType:
        query, using = self._source.query, self._field.name
        match query:
            case m.NearestQuery(mmr=None):
                return edge.Query.Nearest(self._vector(query.nearest), using=using)
            case m.NearestQuery(mmr=m.Mmr() as mmr):
                balance = 0.5 if mmr.diversity is None else 1 - mmr.diversity
                candidates = check_range(mmr.candidates_limit or limit, "mmr.candidates_limit", minimum=1)
                return edge.Mmr(self._vector(query.nearest), balance, candidates, using=using)
            case m.RecommendQuery():
                return self._recommend(query.recommend)
            case m.DiscoverQuery():
                pairs = self._pairs(query.discover.context)
                return edge.Query.Discover(
                    edge.DiscoverQuery(self._vector(query.discover.target), pairs), using=using
                )
            case m.ContextQuery():
                return edge.Query.Context(edge.ContextQuery(self._pairs(query.context)), using=using)
            case m.RelevanceFeedbackQuery():
                return self._feedback(query.relevance_feedback)
        return edge.Query.Nearest(self._vector(query), using=using)

    def _recommend(self, source: m.RecommendInput) -> edge.Query:
        positives = [self._vector(example) for example in source.positive or []]
        negatives = [self._vector(example) for example in source.negative or []]
        strategy = source.strategy or m.RecommendStrategy.AVERAGE_VECTOR
        if strategy == m.RecommendStrategy.AVERAGE_VECTOR:
            return edge.Query.Nearest(recommended_vector(positives, negatives), using=self._field.name)
        examples = edge.RecommendQuery(positives, negatives)
        if strategy == m.RecommendStrategy.BEST_SCORE:
            return edge.Query.RecommendBestScore(examples, using=self._field.name)
        return edge.Query.RecommendSumScores(examples, using=self._field.name)

    def _pairs(self, source: m.ContextInput | None) -> list[edge.ContextPair]:
        return [
            edge.ContextPair(self._vector(pair.positive), self._vector(pair.negative)) for pair in as_list(source)
        ]

    def _feedback(self, source: m.RelevanceFeedbackInput) -> edge.Query:
        weights = source.strategy.naive
        items = [edge.FeedbackItem(self._vector(item.example), item.score) for item in source.feedback]
        strategy = edge.NaiveFeedbackStrategy(weights.a, weights.b, weights.c)
        return edge.Query.FeedbackNaive(
            edge.FeedbackNaiveQuery(self._vector(source.target), items, strategy), using=self._field.name
        )

    def _vector(self, source: object) -> EngineVector:
        if not isinstance(source, int | str | UUID):
            return engine_vector(source, self._field)
        identifier = point_id(source)
        elsewhere = self._source.lookup_from
        if elsewhere is None:
            self._used.add(identifier)
        return self._lookup(identifier, self._field.name, elsewhere)
