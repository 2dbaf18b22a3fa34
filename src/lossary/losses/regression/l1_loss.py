from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import real, weights
from lossary.core.elementary import absolute, scaled
from lossary.core.minimisers import median
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.core.reduce import Unreduced
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="regression",
    title="Absolute error (L1, MAE): robust regression to the median",
    formula=r"\ell_i = |x_i - y_i|",
    symbols={"x": "input", "y": "target"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = \mathrm{sign}(x_i - y_i)",
    derivation=r"$|e|$ is $e$ where the error $e = x_i - y_i$ is positive and $-e$ where it is negative: its "
    r"derivative is the sign. At $e = 0$ every slope from $-1$ to $1$ is a subgradient, and $0$ is taken. A target "
    r"pulls by the side that it lies on, not by how far off it is: a fit rests where as many pull up as down.",
    unreduced="*s",
    sources=(Source("Boscovich 1757, via Stigler, The History of Statistics, 1986"),),
    properties=(
        "convex",
        "nonnegative",
        "zero_at_target",
        "symmetric",
        "translation_invariant",
        "permutation_invariant",
    ),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.l1_loss"),
        Elsewhere("keras", "keras.losses.MeanAbsoluteError", "its mean is over the last axis, then over the batch"),
        Elsewhere("scikit-learn", "sklearn.metrics.mean_absolute_error"),
    ),
    examples=(
        Example({"input": [1.0, 2.0, 5.0], "target": [1.0, 4.0, 1.0]}, 2.0, "(0 + 2 + 4) / 3"),
        Example({"input": [1.0, 5.0], "target": [0.0, 0.0], "weight": [3.0, 1.0]}, 2.0, "(3·1 + 1·5) / (3 + 1)"),
    ),
    use_when=(
        "A few targets may be wrong by any amount, as with failed sensors or slips in the labels.",
        "The error is judged, or reported, as a mean absolute error.",
        "The typical target is wanted of a skewed quantity: the median of delays, prices or incomes.",
    ),
    not_when=(
        "Sums or totals must come out right, for which the mean of skewed targets is needed: mse_loss.",
        "The fit must settle at a fixed learning rate: huber_loss or smooth_l1_loss, whose gradient fades near 0.",
        "Another quantile than the median is wanted: quantile_loss.",
    ),
    expect=Expect(
        Example({"input": [0.0, 0.0], "target": [-2.0, 0.5]}, 1.25, "0 predicted: the mean size of the targets"),
        "0, where each prediction is its target.",
    ),
    minimiser=Minimiser("The median of the targets; between the two middle ones every prediction is as good.", median),
    aliases=(
        "L1Loss",
        "MeanAbsoluteError",
        "mean_absolute_error",
        "MAE",
        "L1",
        "absolute error",
        "LAD",
        "平均绝对误差",
        "L1 损失",
    ),
    pitfalls=(
        "The gradient is ±1 however small the error is: with a fixed learning rate the fit keeps rattling around "
        "the target. smooth_l1_loss and huber_loss calm down near 0.",
        "(N, 1) against (N,) would compare every prediction with every target; it raises here.",
    ),
    plot=Plot(-3.0, 3.0, {"target": 0.0}, axis="x - y"),
    aten="l1_loss",
    kernel=Elementwise("L1", weighs_mean=True),
)
def l1_loss(
    input: Annotated[A, real("*s")],
    target: Annotated[A, real("*s", broadcasts=True)],
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    weight: Annotated[Array | None, weights("*s")] = None,
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Mean absolute error between predictions and targets.

    Use it where single targets may be far off: the best constant prediction is their median, so outliers do not
    pull it. It is the negative log-likelihood of Laplace noise of scale 1, less log 2. Where small errors should
    matter less than large ones, use `mse_loss`; for both, `huber_loss`.

    Parameters
    ----------
    input : floating array of any shape
        Predictions.
    target : array that broadcasts to the shape of `input`
        True values.
    weight : array of the shape of `input`, optional
        Weight of each element; the mean divides by its sum.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    At an error of 0 the gradient is 0. An infinite error is an infinite loss with gradient ±1; inf against inf of
    the same sign is NaN. An empty mean is 0.

    Differs from torch
    ------------------
    - a weight of 0 at an infinite error: 0; torch: NaN

    Raises
    ------
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(l1_loss(np.array([1.0, 2.0, 5.0]), np.array([1.0, 4.0, 1.0])))
    2.0
    """
    return Unreduced(scaled(absolute(input - target), weight), denominator=weight)  # pyright: ignore[reportReturnType]
