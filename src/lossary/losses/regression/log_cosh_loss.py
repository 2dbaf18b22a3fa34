from typing import Annotated

from lossary.core.arrays import Array, namespace
from lossary.core.contract import real
from lossary.core.elementary import softplus
from lossary.core.record import Example, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="regression",
    title="Log-cosh loss: squared for small errors, linear for large ones, smooth between",
    formula=r"\ell_i = \log \cosh (x_i - y_i)",
    unreduced="*s",
    sources=(Source("Green, Bayesian Reconstructions from Emission Tomography Data, 1990", "section II"),),
    properties=("convex", "nonnegative", "zero_at_target", "symmetric"),
    examples=(
        Example({"input": [0.0], "target": [0.0]}, 0.0, "log cosh 0"),
        Example({"input": [1.0], "target": [0.0]}, 0.4337808304830271, "log((e + 1/e) / 2)"),
    ),
    pitfalls=("It has no scale of its own: divide the errors by one.",),
    kernel=Elementwise("LogCosh"),
)
def log_cosh_loss(
    input: Annotated[Array, real("*s")],
    target: Annotated[Array, real("*s", broadcasts=True)],
    reduction: str = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: str = "auto",
) -> Array:
    """The logarithm of the hyperbolic cosine of the error.

    Use it where Huber's loss is too sharp at its threshold. It has two derivatives everywhere. Its gradient is tanh.

    Parameters
    ----------
    input : floating array of any shape
        Predictions.
    target : array that broadcasts to the shape of `input`
        True values.
    reduction : "mean", "sum" or "none"
    sample_weight, normalizer, impl
        As for every loss (docs/conventions.md).

    Edge cases
    ----------
    An infinite error is an infinite loss.

    Differs from torch
    ------------------
    torch has none: only what docs/conventions.md says of every loss.

    Raises
    ------
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(log_cosh_loss(np.array([0.0]), np.array([0.0])))
    0.0
    """
    xp = namespace(input)
    size = xp.abs(input - target)
    small = size < 1
    near = xp.where(small, size, 0.0)
    return xp.where(
        small, xp.log1p(xp.expm1(near) ** 2 / (2 * xp.exp(near))), size + softplus(-2 * size) - 0.6931471805599453
    )
