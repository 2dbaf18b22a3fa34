"""Class indices: which rows count, and what stands at their class."""

from typing import Any, NamedTuple

from lossary.core.arrays import Array, is_array, kind, namespace, size, take_along


def class_axis(x: Array) -> int:
    """Classes lie along dimension 1, or 0 without a batch, as in torch."""
    return min(x.ndim - 1, 1)


def adapt_target(arguments: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """As in torch the class of a row without a batch may have shape (1,)."""
    input, target = arguments["input"], arguments["target"]
    if not is_array(input) or not is_array(target) or kind(target) != "integer":
        return {}
    return {"target": ()} if input.ndim == target.ndim == 1 and size(target) == 1 else {}


class Targets(NamedTuple):
    """Class indices made safe to index with.

    index: the class of each row, 0 where there is none. counted: rows that are not ignored.
    outside: rows whose class does not exist. Where values can be read they raise; elsewhere their loss is NaN.
    """

    index: Array
    counted: Array
    outside: Array


def targets(target: Array, classes: int, ignore_index: int | None = None) -> Targets:
    xp = namespace(target)
    counted = target == target if ignore_index is None else target != ignore_index
    outside = counted & ((target < 0) | (target >= classes))
    return Targets(xp.where(counted & ~outside, target, 0), counted, outside)


def pick(x: Array, index: Array, axis: int) -> Array:
    """x[..., index, ...] along `axis`, one for each row."""
    xp = namespace(x)
    if x.shape[axis] == 0:
        return xp.astype(xp.zeros_like(index), x.dtype)
    return xp.squeeze(take_along(x, xp.expand_dims(index, axis=axis), axis), axis=axis)


def pick_weight(weight: Array, index: Array) -> Array:
    """The weight of each row's class."""
    xp = namespace(weight)
    if weight.shape[0] == 0:
        return xp.astype(xp.zeros_like(index), weight.dtype)
    return xp.reshape(xp.take(weight, xp.reshape(index, (-1,)), axis=0), index.shape)


def along(values: Array, axis: int, ndim: int) -> Array:
    """A vector over classes, shaped to broadcast along `axis` of `ndim`."""
    return namespace(values).reshape(values, tuple(-1 if i == axis else 1 for i in range(ndim)))
