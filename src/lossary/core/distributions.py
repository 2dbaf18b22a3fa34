"""Discrete distributions as arguments: from probabilities or logits to (prob, log_prob) with the classes last."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lossary.core.arrays import (
    Array,
    arange,
    cast,
    cast_index,
    compute_dtype,
    is_array,
    is_concrete,
    is_jax,
    is_torch,
    kind,
    library,
    namespace,
    result_dtype,
)
from lossary.core.contract import as_plain, describe
from lossary.core.elementary import log_softmax


@dataclass(frozen=True)
class Logits:
    """Marks unnormalised log-probabilities: the distribution softmax(values).

    -inf is a class of probability 0. Prefer it to `softmax` where a model gives logits: a probability that
    underflows to 0 makes a cross-entropy infinite, its logit does not.
    """

    values: Array


Distribution = Array | Logits


class Rows(NamedTuple):
    """Distributions along the last axis."""

    prob: Array
    log_prob: Array


def as_array(x: Any) -> Array:
    """Lists as arrays; what is sparse stays, for the check to name."""
    return x if is_array(x) or hasattr(type(x), "todense") else np.asarray(x)


def as_rows(function: str, axis: int, **given: Distribution) -> tuple[list[Rows], Any]:
    """Each distribution as rows of the dtype to compute in, and the dtype of the answer."""
    raw = {name: as_array(d.values if isinstance(d, Logits) else d) for name, d in given.items()}
    arrays, answer = as_floats(function, raw)
    rows = []
    for (name, distribution), x in zip(given.items(), arrays, strict=True):
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(
                f"{function}: {name} has shape {tuple(x.shape)}; it has no axis {axis} to hold the classes"
            )
        values = classes_last(x, axis)
        if isinstance(distribution, Logits):
            _check_logits(function, name, values)
            log_prob = _log_softmax(values)
            rows.append(Rows(namespace(x).exp(log_prob), log_prob))
        else:
            tolerance = _tolerance(raw[name])
            check_range(function, name, x, tolerance)
            _check_sums(function, name, values, tolerance)
            rows.append(Rows(values, log(values)))
    _check_shapes(function, {name: tuple(r.prob.shape) for name, r in zip(given, rows, strict=True)})
    return rows, answer


def as_events(function: str, p: Any) -> tuple[Array, Any]:
    """Probabilities of events, which need not add up to 1, and the dtype of the answer."""
    raw = as_array(p)
    (x,), answer = as_floats(function, {"p": raw})
    check_range(function, "p", x, _tolerance(raw))
    return x, answer


def as_floats(function: str, given: dict[str, Array]) -> tuple[list[Array], Any]:
    """The arrays in the dtype to compute in, and the dtype of the answer. Integers (one-hot rows) are converted."""
    check_kinds(function, given)
    floats = [x for x in given.values() if kind(x) == "float"]
    first = next(iter(given.values()))
    if floats:
        answer = result_dtype(floats)
    else:
        answer = namespace(first).__array_namespace_info__().default_dtypes()["real floating"]
    dtype = compute_dtype(first, answer)
    return [cast(x, dtype) for x in given.values()], answer


def check_kinds(function: str, given: dict[str, Array]) -> None:
    """Raise where the arrays are of several libraries, or hold no real numbers."""
    (first_name, first), *_ = given.items()
    for name, x in given.items():
        if not is_array(x) or kind(x) not in ("float", "integer"):
            raise TypeError(f"{function}: {name} is {describe(x)}; it must be of a floating dtype{as_plain(name, x)}")
        if library(x) != library(first):
            raise TypeError(
                f"{function}: {name} is a {library(x)} array and {first_name} a {library(first)} array; "
                f"all arrays must come from one library. Convert {name} first"
            )


def _log_softmax(x: Array) -> Array:
    if is_torch(x) or is_jax(x):
        return log_softmax(x, -1)
    with np.errstate(invalid="ignore"):  # of inf - inf, whose answer is not taken
        return log_softmax(x, -1)


def classes_last(x: Array, axis: int) -> Array:
    order = [i for i in range(x.ndim) if i != axis % x.ndim]
    # permute_dims and not moveaxis, which torch cannot vmap.
    return namespace(x).permute_dims(x, (*order, axis % x.ndim))


def classes_at(axis: int, x: Array) -> Array:
    """The inverse of `classes_last`."""
    order = list(range(x.ndim - 1))
    order.insert(axis % x.ndim, x.ndim - 1)
    return namespace(x).permute_dims(x, tuple(order))


def log(p: Array) -> Array:
    """log p; -inf with derivative 0 at 0."""
    xp = namespace(p)
    return xp.where(p == 0, -xp.inf, xp.log(xp.where(p == 0, 1.0, p)))


def one_hot(function: str, name: str, indices: Array, like: Array, axis: int) -> Array:
    """Class indices as distributions of the shape of `like`."""
    classes = like.shape[axis]
    if is_concrete(indices):
        values = _readable(indices)
        outside = _first((values < 0) | (values >= classes))
        if outside is not None:
            raise IndexError(
                f"{function}: {name} holds {values[outside]} at {list(outside)}; the classes are 0 to {classes - 1}"
            )
    indices = cast_index(indices, indices)
    rows = namespace(like).expand_dims(indices, axis=-1) == arange(classes, like=indices)
    return classes_at(axis, cast(rows, like.dtype))


def check_range(function: str, name: str, p: Array, tolerance: float) -> None:
    if not is_concrete(p):
        return
    values = _readable(p)
    # Past 1 by what rounding adds: a softmax may give 1 + eps.
    outside = _first((values < 0) | (values > 1 + tolerance))
    if outside is not None:
        raise ValueError(
            f"{function}: {name} holds {values[outside]:g} at {list(outside)}; probabilities lie in [0, 1]. "
            f"Logits? Pass Logits({name})"
        )


def _check_sums(function: str, name: str, p: Array, tolerance: float) -> None:
    if not is_concrete(p):
        return
    sums = _readable(p).sum(axis=-1)
    row = _first(abs(sums - 1) > tolerance)
    if row is not None:
        raise ValueError(
            f"{function}: {_row(name, row)} adds up to {sums[row]:g}; the probabilities of the {p.shape[-1]} "
            f"classes must add up to 1. Divide by the sum, choose another axis, or pass Logits({name})"
        )


def _check_logits(function: str, name: str, x: Array) -> None:
    if not is_concrete(x):
        return
    row = _first((_readable(x) == -np.inf).all(axis=-1))
    if row is not None:
        raise ValueError(
            f"{function}: {_row(name, row)} holds nothing but -inf, which is no distribution; "
            "-inf for some classes is allowed"
        )


def _check_shapes(function: str, shapes: dict[str, tuple[int, ...]]) -> None:
    distinct = set(shapes.values())
    if len(distinct) == 1:
        return
    try:
        fits = len({s[-1] for s in distinct}) == 1 and np.broadcast_shapes(*distinct) in distinct
    except ValueError:
        fits = False
    if not fits:
        listed = " and ".join(f"{name} has {shape}" for name, shape in shapes.items())
        raise ValueError(
            f"{function}: with the classes last, {listed}; the number of classes must be equal, "
            "and the other axes of one must broadcast to those of the other"
        )


def _row(name: str, index: tuple[int, ...]) -> str:
    return f"row {list(index)} of {name}" if index else name


def _tolerance(p: Array) -> float:
    # sqrt(eps) parts rounding from a forgotten softmax; 1e-5 admits fp32 probabilities that are kept in fp64.
    return max(1e-5, math.sqrt(float(namespace(p).finfo(p.dtype).eps))) if kind(p) == "float" else 0.0


def _readable(x: Array) -> np.ndarray:
    # NumPy reads: under jax.jit an operation of JAX on a constant has no value yet.
    return np.asarray(x.detach() if is_torch(x) else x)


def _first(wrong: np.ndarray) -> tuple[int, ...] | None:
    """The index of the first True."""
    return tuple(int(i) for i in np.argwhere(wrong)[0]) if wrong.any() else None
