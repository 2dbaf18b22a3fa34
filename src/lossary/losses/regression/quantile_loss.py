from typing import Annotated, Any

from lossary.core.arrays import A, Array, Impl, Reduction, as_array, cast, namespace
from lossary.core.contract import Levels, real
from lossary.core.elementary import absolute
from lossary.core.minimisers import quantile
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


def _functor(options: dict[str, Any]) -> tuple[Any, ...]:
    """1 - q is taken in fp64: near 1 the q of fp32 has few digits of it."""
    return "Quantile", options["quantiles"], 1 - options["quantiles"]


@loss(
    family="regression",
    title="Quantile (pinball) loss: regression to a quantile, or to several",
    formula=r"\ell_{i,k} = \max\left(q_k (y_i - x_{i,k}),\; (q_k - 1) (y_i - x_{i,k})\right)",
    symbols={"x": "input", "y": "target", "q": "quantiles"},
    gradient=r"\frac{\partial \ell_{i,k}}{\partial x_{i,k}} = [x_{i,k} > y_i] - q_k",
    derivation=r"The loss is a straight line on each side of the target: below it, $q (y - x)$ has the slope $-q$; "
    r"above it, $(1 - q)(x - y)$ has the slope $1 - q$. At the target itself $0$ is taken, which lies between. The "
    r"pulls on a constant cancel where a share $q$ of the targets lies below it: that is the quantile.",
    unreduced="*s ?Q",
    sources=(Source("Koenker, Bassett, Regression Quantiles, 1978", "", "doi.org/10.2307/1913643"),),
    properties=("convex", "nonnegative", "zero_at_target", "translation_invariant", "permutation_invariant"),
    elsewhere=(
        Elsewhere("scikit-learn", "sklearn.metrics.mean_pinball_loss", "alpha is quantiles, a single number"),
        Elsewhere(
            "gluonts",
            "gluonts.torch.modules.quantile_output.QuantileOutput.quantile_loss",
            "2 · the sum over quantiles",
        ),
        Elsewhere("pytorch-forecasting", "pytorch_forecasting.QuantileLoss", "2 · this, unreduced"),
        Elsewhere("lossary", "l1_loss", "quantile_loss(quantiles=0.5) = l1_loss / 2"),
    ),
    examples=(
        Example({"input": [1.0], "target": [3.0], "quantiles": 0.9}, 1.8, "0.9·(3 - 1)"),
        Example({"input": [3.0], "target": [1.0], "quantiles": 0.9}, 0.2, "(1 - 0.9)·(3 - 1)"),
        Example(
            {"input": [[1.0, 2.0, 4.0]], "target": [2.0], "quantiles": (0.1, 0.5, 0.9)},
            0.1,
            "(0.1·(2 - 1) + 0 + (1 - 0.9)·(4 - 2)) / 3",
        ),
    ),
    use_when=(
        "An interval is wanted around each prediction, and the noise has no shape that one would assume.",
        "Being too low and being too high cost differently, as in stocks of goods: q is the cost of too low over the "
        "sum.",
    ),
    not_when=(
        "The mean is wanted: mse_loss. The median alone: l1_loss.",
        "The noise is Gaussian, and its variance is wanted: gaussian_nll_loss, whose quantiles never cross.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0, 0.0], "target": [-2.0, 0.5], "quantiles": 0.9},
            0.325,
            "0 predicted: (0.1·2 + 0.9·0.5) / 2",
        ),
        "0, where each prediction is its target. Of noisy targets it stays above 0, and is smaller at levels near 0 "
        "and 1 than at ½: compare it level by level.",
    ),
    minimiser=Minimiser(
        "The q-quantile of the targets, for each level q: at least a share q of them lies at or below it.",
        lambda target, quantiles=0.5: quantile(target, quantiles),
    ),
    aliases=(
        "pinball",
        "pinball_loss",
        "mean_pinball_loss",
        "QuantileLoss",
        "quantile regression",
        "分位数损失",
        "弹球损失",
        "分位数回归",
    ),
    pitfalls=(
        "Of the median it is half of l1_loss. Some libraries double it, and some add up over quantiles what is a mean "
        "here: learning rates and loss weights do not carry over.",
        "Quantiles may cross: nothing here keeps the prediction for 0.9 above that for 0.5. Sort the predictions "
        "afterwards, or let the model add up positive steps.",
        "Quantiles are the last dimension of the input. Percentages such as 90 are out of range.",
    ),
    plot=Plot(-3.0, 3.0, {"target": 0.0}, {"quantiles": (0.1, 0.5, 0.9)}, axis="x - y"),
    kernel=Elementwise(_functor),
)
def quantile_loss(
    input: Annotated[A, real("*s ?Q")],
    target: Annotated[A, real("*s", broadcasts=True)],
    quantiles: Annotated[float | tuple[float, ...], Levels(0.0, 1.0, "Q")] = 0.5,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """The quantile loss, or pinball loss: an error costs q below the target, and 1 - q above it.

    Use it to predict quantiles: the best constant prediction is the q-quantile of the targets. Several levels at once
    make intervals, such as (0.05, 0.5, 0.95), and, the more there are, a distribution: twice the mean over all levels
    is the continuous ranked probability score. For the median alone use `l1_loss`.

    Parameters
    ----------
    input : floating array of any shape, with a last dimension for several quantiles
        Predictions; of several quantiles one after the other in the last dimension.
    target : array that broadcasts to the shape of `input`, without the dimension of quantiles
        True values.
    quantiles : float in (0, 1), or tuple of them in increasing order
        The levels. With a tuple of Q the input has the shape (..., Q), the target (...), and the mean is also over
        quantiles. Constants, not learned: of all levels the loss is least at 0 or 1.
    reduction : "mean", "sum" or "none"
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    At an error of 0 the gradient is 0. An infinite error is an infinite loss with the gradient -q or 1 - q; inf against
    inf of the same sign is NaN. An empty mean is 0.

    Differs from torch
    ------------------
    torch has no such loss. From those of other libraries it differs so:

    - an error of 0: gradient 0; pytorch-forecasting: 1 - 2q, and 1/2 - q of the maximum of both lines
    - a target infinitely far above: inf; pytorch-forecasting: NaN

    Raises
    ------
    ValueError, TypeError
        Where quantiles are not increasing numbers in (0, 1), the last dimension of the input is not theirs, or shapes,
        dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.array([[1.0, 2.0, 4.0]]), np.array([2.0])
    >>> quantile_loss(x, y, quantiles=(0.25, 0.5, 0.75), reduction="none").tolist()
    [[0.25, 0.0, 0.5]]
    """
    xp = namespace(input)
    if isinstance(quantiles, tuple):
        error = input - xp.expand_dims(target, axis=-1)
        below, above = (
            cast(as_array(slopes, like=error), error.dtype) for slopes in (quantiles, [1 - q for q in quantiles])
        )
    else:
        error, below, above = input - target, quantiles, 1 - quantiles
    size = absolute(error)
    return xp.where(error > 0, above * size, below * size)
