"""Errors in units in the last place (ulp), beside the mathematics.

Where terms cancel, an ulp of the answer is no measure: inputs that are right to an ulp leave more. There it is an ulp
of the largest of the answer, the inputs of its row, 1, and the conditioning Σ |x · ∂ℓ/∂x| over the inputs x: what a
relative change of all of them changes (Higham, Accuracy and Stability of Numerical Algorithms, 2002, sec. 1.6).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossary.core.arrays import is_torch
from lossary.core.contract import axes, shape_of
from lossary.dispatch.explain import explain
from lossary.testing.case import Case
from lossary.testing.libraries import Torch
from lossary.testing.tolerance import EPSILON, SMALLEST

LARGEST = {"float64": math.inf, "float32": 2.0**128, "float16": 65520.0, "bfloat16": 2.0**128 * (1 - 2.0**-9)}
"""From here on a number rounds to inf; no float of Python reaches it in float64."""
MANY = 8
"""Components that a gradient needs for its largest to be a measure: a single one may cancel."""


@dataclass(frozen=True)
class Truth:
    """What a call should answer, and the sizes whose ulp its errors are counted in."""

    unreduced: np.ndarray
    mean: Any
    size: np.ndarray
    mean_size: float
    gradients: Mapping[str, np.ndarray]


def truth(case: Case, terms_cancel: bool, gradients: bool) -> Truth:
    """The oracle's answers, with all their digits; gradients by differences in fp64, else by the formula in fp64."""
    unreduced = np.asarray(case.oracle(**{**case.rounded, "reduction": "none"}), dtype=object)
    mean = case.oracle(**{**case.rounded, "reduction": "mean"})
    losses = _floats(unreduced)
    size = np.abs(losses)
    if terms_cancel:
        size = np.maximum(size, np.maximum(conditioning(case), case.row_scale))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean_size = float(np.abs(float(mean) * size.sum() / losses.sum())) if losses.size else 0.0
    slopes = {name: _gradient(case, name) for name in case.sample.differentiable} if gradients else {}
    return Truth(unreduced, mean, size, mean_size, slopes)


def _gradient(case: Case, name: str) -> np.ndarray:
    arguments = {**case.rounded, "reduction": "sum"}
    if case.dtype == "float64":
        return case.true_gradient(name, arguments)
    torch = Torch()
    held = {n: torch.array(x, "float64") if isinstance(x, np.ndarray) else x for n, x in arguments.items()}
    return torch.numpy(torch.gradient(lambda x: case.function(**{**held, name: x}), held[name]))


def measured(case: Case, true: Truth, impl: str, gradients: bool) -> dict[str, float]:
    """The largest errors of an implementation: unreduced, of the mean, of the gradients."""
    mean = np.asarray(true.mean, dtype=object)
    found = {
        "unreduced": errors(case.value(reduction="none", impl=impl), true.unreduced, true.size, case.dtype),
        "mean": errors(case.value(reduction="mean", impl=impl), mean, true.mean_size, case.dtype),
    }
    for name, slope in true.gradients.items() if gradients else ():
        if not _differentiates(case, name, impl):
            continue
        got = case.gradient(name, reduction="sum", impl=impl)
        if slope.size >= MANY:
            largest = np.abs(slope[np.isfinite(slope)]).max(initial=0.0)
            found["gradient"] = np.append(found.get("gradient", []), errors(got, slope, largest, case.dtype))
    return {what: float(np.nanmax(np.append(wrong, 0.0))) for what, wrong in found.items()}


def _differentiates(case: Case, name: str, impl: str) -> bool:
    """Whether an implementation has the gradient of an argument: the kernels have none of targets."""
    x = case.arguments[name]
    given = x.detach().clone().requires_grad_() if is_torch(x) else x
    return explain(case.loss.public, **{**case.arguments, name: given}).refusals[impl] is None


def errors(got: np.ndarray, true: np.ndarray, size: np.ndarray | float, dtype: str) -> np.ndarray:
    """|got - true| in ulp of `size`; 0 where both are the same infinity or beyond the dtype's range, NaN of a NaN."""
    rounded = _floats(true)
    with np.errstate(invalid="ignore"):
        beyond = np.where(np.abs(rounded) >= LARGEST[dtype], np.copysign(np.inf, rounded), rounded)
        gap = _floats(np.abs(true - got)) if true.dtype == object else np.abs(true - got)
        scale = ulp(np.maximum(np.abs(rounded), np.where(np.isfinite(size), size, 0.0)), dtype)
        return np.where(np.isinf(beyond), np.where(got == beyond, 0.0, np.inf), gap / scale)


def ulp(x: np.ndarray, dtype: str) -> np.ndarray:
    """The unit in the last place of numbers as large as `x`; at least the smallest number that no device flushes."""
    _, exponent = np.frexp(x)
    return np.maximum(np.ldexp(EPSILON[dtype], exponent - 1), SMALLEST[dtype])


def _floats(x: np.ndarray) -> np.ndarray:
    return np.array([float(v) for v in np.asarray(x).flat]).reshape(np.shape(x))


def conditioning(case: Case) -> np.ndarray:
    """Σ |x · ∂ℓ/∂x| over the finite inputs that each element of the unreduced loss is made of, in fp64, by torch."""
    loss, dims, torch = case.loss, case.sample.dims, Torch()
    rows, total = [name for name, _ in axes(loss.unreduced, dims)], np.zeros(case.unreduced_shape)
    held = {n: torch.array(x, "float64") if isinstance(x, np.ndarray) else x for n, x in case.rounded.items()}
    for name in case.sample.differentiable:
        spec, x = case.sample.specs[name], case.rounded[name]
        if x.dtype.kind != "f" or x.shape != shape_of(spec, dims):
            continue
        f = lambda x, name=name: case.function(**{**held, name: x, "reduction": "sum"})  # noqa: E731
        slope = torch.numpy(torch.gradient(f, held[name]))
        with np.errstate(invalid="ignore", over="ignore"):
            share = np.where(np.isfinite(x) & np.isfinite(slope), np.abs(x * slope), 0.0)
            names = [n for n, _ in axes(spec.shape, dims)]
            share = share.sum(axis=tuple(i for i, n in enumerate(names) if n not in rows))
            kept = [n for n in names if n in rows]
            in_order = share.transpose([kept.index(n) for n in rows if n in kept])
            total = total + in_order.reshape([total.shape[i] if n in kept else 1 for i, n in enumerate(rows)])
    return total
