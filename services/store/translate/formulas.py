"""`models.Expression` (score formulas) to the engine's expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast, get_args

import qdrant_edge as edge
from qdrant_client.http import models as m

from services.common.errors import InvalidRequestError
from services.store.translate.filters import engine_condition, geo_point
from services.store.translate.limits import FILTER_DEPTH

_ONE_OPERAND: dict[type, tuple[str, Callable[[edge.Expression], edge.Expression]]] = {
    m.NegExpression: ("neg", edge.Expression.Neg),
    m.AbsExpression: ("abs", edge.Expression.Abs),
    m.SqrtExpression: ("sqrt", edge.Expression.Sqrt),
    m.ExpExpression: ("exp", edge.Expression.Exp),
    m.Log10Expression: ("log10", edge.Expression.Log10),
    m.LnExpression: ("ln", edge.Expression.Ln),
    m.AcoshExpression: ("acosh", edge.Expression.Acosh),
}
_MANY_OPERANDS: dict[type, tuple[str, Callable[[list[edge.Expression]], edge.Expression]]] = {
    m.MultExpression: ("mult", edge.Expression.Mult),
    m.SumExpression: ("sum", edge.Expression.Sum),
    m.MaxExpression: ("max", edge.Expression.Max),
    m.MinExpression: ("min", edge.Expression.Min),
}
_DECAYS: dict[type, tuple[str, edge.DecayKind]] = {
    m.LinDecayExpression: ("lin_decay", edge.DecayKind.Lin),
    m.ExpDecayExpression: ("exp_decay", edge.DecayKind.Exp),
    m.GaussDecayExpression: ("gauss_decay", edge.DecayKind.Gauss),
}


def engine_expression(source: m.Expression, levels: int = FILTER_DEPTH) -> edge.Expression:
    """Translate an expression.

    Raises:
        InvalidRequestError: Nested too deep.
    """
    if levels == 0:
        raise InvalidRequestError(f"The formula is nested deeper than {FILTER_DEPTH} levels")
    if isinstance(source, int | float):
        return edge.Expression.Constant(float(source))
    if isinstance(source, str):
        return edge.Expression.Variable(source)
    kind = type(source)
    if kind in _ONE_OPERAND:
        name, build = _ONE_OPERAND[kind]
        return build(engine_expression(getattr(source, name), levels - 1))
    if kind in _MANY_OPERANDS:
        name, combine = _MANY_OPERANDS[kind]
        return combine([engine_expression(part, levels - 1) for part in getattr(source, name)])
    if kind in _DECAYS:
        name, decay = _DECAYS[kind]
        return _decay(decay, getattr(source, name), levels)
    return _other(source, levels)


def _decay(kind: edge.DecayKind, source: m.DecayParamsExpression, levels: int) -> edge.Expression:
    target = None if source.target is None else engine_expression(source.target, levels - 1)
    return edge.Expression.Decay(
        kind, engine_expression(source.x, levels - 1), target, source.midpoint, source.scale
    )


def _other(source: m.Expression, levels: int) -> edge.Expression:
    match source:
        case m.DivExpression(div=div):
            left, right = engine_expression(div.left, levels - 1), engine_expression(div.right, levels - 1)
            return edge.Expression.Div(left, right, div.by_zero_default)
        case m.PowExpression(pow=power):
            base, exponent = (
                engine_expression(power.base, levels - 1),
                engine_expression(power.exponent, levels - 1),
            )
            return edge.Expression.Pow(base, exponent)
        case m.GeoDistance(geo_distance=distance):
            return edge.Expression.GeoDistance(geo_point(distance.origin), distance.to)
        case m.DatetimeExpression():
            return edge.Expression.Datetime(source.datetime)
        case m.DatetimeKeyExpression():
            return edge.Expression.DatetimeKey(source.datetime_key)
    if isinstance(source, get_args(m.Condition)):
        return edge.Expression.Condition(engine_condition(cast(m.Condition, source)))
    raise InvalidRequestError(f"Unknown expression {type(source).__name__}")
