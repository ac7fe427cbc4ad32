"""CloudWatch's metric math, as far as the alarms of deploy/aws/ec2.yaml use it."""

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

Value = float | None
"""Of one minute; None where CloudWatch was told nothing."""

_TWO: Final[Mapping[type, Callable[[float, float], float]]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.Gt: operator.gt,
        ast.Lt: operator.lt,
    }
)


def value(expression: str, metrics: Mapping[str, Value]) -> Value:
    """What an expression is in a minute; None where a metric is missing that it does not fill.

    Args:
        expression: Its language is Python's as far as these go: + - * / < > IF() FILL() and names.
        metrics: By their ids.

    Raises:
        ValueError: It has more in it than that.
    """
    return _value(_parsed(expression), metrics)


@functools.cache
def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _value(node: ast.expr, metrics: Mapping[str, Value]) -> Value:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return metrics[name]
        case ast.BinOp(left=left, op=sign, right=right) | ast.Compare(left=left, ops=[sign], comparators=[right]):
            return _of_two(sign, _value(left, metrics), _value(right, metrics))
        case ast.Call(func=ast.Name(id="FILL"), args=[metric, filling]):
            found = _value(metric, metrics)
            return _value(filling, metrics) if found is None else found
        case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
            decided = _value(condition, metrics)
            return None if decided is None else _value(then if decided else otherwise, metrics)
    raise ValueError(f"{ast.unparse(node)} is no metric math that is played here")


def _of_two(sign: ast.AST, left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    if type(sign) not in _TWO:
        raise ValueError(f"{type(sign).__name__} is no sign that is played here")
    return float(_TWO[type(sign)](left, right))
