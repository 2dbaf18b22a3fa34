"""What an identity is: a statement about losses with two sides that a program can compute."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lossary.core.arrays import Array, is_jax, is_torch, namespace

Relation = Literal["equal", "at_least", "less", "differs"]
Inputs = dict[str, Any]
"""Arguments of both sides by name: NumPy arrays of float64 or int64, and options as numbers."""


@dataclass(frozen=True)
class Domain:
    """Where an identity holds.

    sample: draws inputs, ordinary or extreme. adopt: makes them of a user's predictions and targets, or answers None
    where those do not lie in this domain.
    """

    text: str
    sample: Callable[[np.random.Generator, bool], Inputs]
    adopt: Callable[[np.ndarray, np.ndarray], Inputs | None] = lambda predictions, target: None


@dataclass(frozen=True)
class Identity:
    """A statement that holds at every input of its domain.

    relation: how `left` stands to `right`, element by element: "equal"; "at_least" (left >= right); "less"
    (left < right); "differs" (not equal everywhere).
    losses: the names of the losses that it is about.
    ulps: how far rounding may part the sides, in units of the dtype's epsilon, relative to max(|left|, |right|, unit);
    `reason` says why it needs more than the usual.
    differentiates: whether a side is a derivative; without automatic differentiation it is a difference quotient.
    """

    name: str
    statement: str
    formula: str
    inputs: Domain
    relation: Relation
    left: Callable[..., Array]
    right: Callable[..., Array | float]
    losses: tuple[str, ...] = ()
    unit: float = 1.0
    ulps: float = 16.0
    reason: str = ""
    differentiates: bool = False

    @property
    def domain(self) -> str:
        return self.inputs.text


def gradient(f: Callable[[Array], Array], x: Array) -> Array:
    """The gradient of each row's value, f(x)[i], with respect to that row, x[i].

    By automatic differentiation in torch and JAX, elsewhere by central differences in float64.
    """
    if is_torch(x):
        import torch

        leaf = x.detach().clone().requires_grad_(True)
        return torch.autograd.grad(f(leaf).sum(), leaf)[0]
    if is_jax(x):
        import jax

        return jax.grad(lambda rows: f(rows).sum())(x)
    return _central_differences(f, x)


STEP = 1e-3
DIFFERENCES_ERROR = 1e-7
"""Of the quotient below: 1e-12 of truncation, and eps |f| / STEP of rounding, with |f| up to 1e5."""


def _central_differences(f: Callable[[Array], Array], x: Array) -> Array:
    """The fourth-order rule (Abramowitz and Stegun, 25.3.6): rows do not mix, so one column of all moves at a time."""
    xp = namespace(x)
    x = xp.astype(x, xp.float64)

    def slope(direction: Array) -> Array:
        near = f(x + STEP * direction) - f(x - STEP * direction)
        far = f(x + 2 * STEP * direction) - f(x - 2 * STEP * direction)
        return (8 * near - far) / (12 * STEP)

    if x.ndim == 1:
        return slope(xp.ones_like(x))
    columns = xp.eye(x.shape[1], dtype=xp.float64)
    return xp.stack([slope(columns[i, :]) for i in range(x.shape[1])], axis=-1)
