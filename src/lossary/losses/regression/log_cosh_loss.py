import math
from typing import Annotated

import numpy as np

from lossary.core.arrays import A, Array, Impl, Reduction, namespace
from lossary.core.contract import real, weights
from lossary.core.elementary import scaled
from lossary.core.minimisers import balance
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.core.reduce import Unreduced
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="regression",
    title="Log-cosh loss: squared for small errors, linear for large ones, smooth between",
    formula=r"\ell_i = \log \cosh (x_i - y_i)",
    symbols={"x": "input", "y": "target"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = \tanh(x_i - y_i)",
    derivation=r"The derivative of $\log u$ is $\frac{1}{u}$ and that of $\cosh$ is $\sinh$: together "
    r"$\frac{\sinh e}{\cosh e} = \tanh e$ of the error $e = x_i - y_i$. It is near $e$ for small errors, as of half "
    r"the square, and near $1$ or $-1$ for large ones, as of the absolute error. The second derivative, "
    r"$1 - \tanh^2 e$, has no step.",
    unreduced="*s",
    sources=(
        Source(
            "Saleh, Saleh, Statistical Properties of the log-cosh Loss Function Used in Machine Learning, 2022",
            url="arxiv.org/abs/2208.04564",
        ),
    ),
    properties=(
        "convex",
        "nonnegative",
        "zero_at_target",
        "symmetric",
        "translation_invariant",
        "permutation_invariant",
    ),
    elsewhere=(
        Elsewhere("optax", "optax.log_cosh", "unreduced"),
        Elsewhere("keras", "keras.losses.LogCosh", "its mean is over the last axis, then over the batch"),
        Elsewhere("lossary", "huber_loss", "near delta=1: the same at small errors, log 2 - 1/2 = 0.19 more at large"),
    ),
    examples=(
        Example({"input": [1.0], "target": [0.0]}, 0.4337808304830271, "log((e + 1/e) / 2)"),
        Example({"input": [0.0, 100.0], "target": [0.0, 0.0]}, 49.65342640972003, "(0 + 100 - log 2) / 2"),
        Example(
            {"input": [0.6931471805599453, 0.0], "target": [0.0, 0.0], "weight": [3.0, 1.0]},
            0.16735766348565732,
            "3 · log((2 + ½) / 2) / (3 + 1)",
        ),
    ),
    use_when=(
        "Targets have outliers, and the optimiser uses second derivatives: boosted trees, Newton's method.",
        "A robust loss without a threshold to tune is wanted, for targets whose ordinary error is about 1.",
    ),
    not_when=(
        "The errors are of another size than 1 and targets must keep their unit: huber_loss, whose delta says where.",
        "Every error counts by its square: mse_loss. Only the median is wanted: l1_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0, 0.0], "target": [-1.0, 1.0]},
            0.4337808304830271,
            "0 predicted of standardised targets: log cosh 1",
        ),
        "0, where each prediction is its target.",
    ),
    minimiser=Minimiser(
        "Where the hyperbolic tangents of the errors cancel: near the mean of targets that lie closer together than 1, "
        "near the median of those that lie far apart.",
        lambda target: balance(np.tanh, target),
    ),
    aliases=("LogCosh", "log_cosh", "log-cosh", "log cosh", "对数双曲余弦损失", "Log-Cosh 损失"),
    pitfalls=(
        "It turns from squared to linear at an error of about 1, in the unit of the target: divide input and target by "
        "the size of an ordinary error, or it is l1_loss or half of mse_loss in disguise.",
        "Written as log(cosh(x)) it overflows at errors of 89 in fp32, and is 0 below 2e-4.",
    ),
    plot=Plot(-3.0, 3.0, {"target": 0.0}, axis="x - y"),
    kernel=Elementwise("LogCosh", weighs_mean=True),
)
def log_cosh_loss(
    input: Annotated[A, real("*s")],
    target: Annotated[A, real("*s", broadcasts=True)],
    reduction: Reduction = "mean",
    weight: Annotated[Array | None, weights("*s")] = None,
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """The logarithm of the hyperbolic cosine of the error.

    Use it for regression with outliers as `huber_loss`, where the second derivative should have no step: it is half the
    squared error near the target, and the absolute error less log 2 far from it. Its gradient is tanh(x - y).

    Parameters
    ----------
    input : floating array of any shape
        Predictions.
    target : array that broadcasts to the shape of `input`
        True values.
    weight : array of the shape of `input`, optional
        Weight of each element; the mean divides by its sum.
    reduction : "mean", "sum" or "none"
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    An infinite error is an infinite loss whose gradient is ±1; inf against inf of the same sign is NaN. An empty mean
    is 0.

    Differs from torch
    ------------------
    torch has no log-cosh loss (#190037). From those of other libraries it differs so:

    - an error of 1e-4 in fp32: 5e-9; Keras, optax: 0

    Raises
    ------
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(log_cosh_loss(np.array([0.0, 100.0]), np.array([0.0, 0.0]), reduction="sum") + np.log(2))
    100.0
    """
    xp = namespace(input)
    error = input - target
    size = xp.where(error < 0, -error, error)  # not |error|, whose derivatives at 0 would all be 0
    small = size < 1
    # cosh e = 1 + (1 - e^-e)^2 / (2 e^-e). The bits of torch's sinh depend on where in the batch an element lies.
    m = xp.expm1(xp.where(small, -size, 0.0))
    far = size + xp.log1p(xp.exp(-2 * size)) - math.log(2)
    return Unreduced(scaled(xp.where(small, xp.log1p(m * m / (2 + 2 * m)), far), weight), denominator=weight)  # pyright: ignore[reportReturnType]
