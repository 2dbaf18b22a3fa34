from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import real, weights
from lossary.core.elementary import scaled, without_infinity
from lossary.core.minimisers import mean
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.core.reduce import Unreduced
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="regression",
    title="Squared error (L2, MSE): regression to the mean",
    formula=r"\ell_i = (x_i - y_i)^2",
    symbols={"x": "input", "y": "target"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = 2 (x_i - y_i)",
    derivation=r"The derivative of $e^2$ by $e$ is $2 e$, and that of the error $e = x_i - y_i$ by $x_i$ is $1$. Each "
    r"target pulls in proportion to its distance: steps become small as the fit comes near, and one target that is "
    r"far off outweighs many that are near. The pulls on a constant cancel where $\sum_i (x - y_i) = 0$, at the mean.",
    unreduced="*s",
    sources=(Source("Legendre, Nouvelles méthodes pour la détermination des orbites des comètes, 1805", "appendix"),),
    properties=(
        "convex",
        "nonnegative",
        "zero_at_target",
        "symmetric",
        "translation_invariant",
        "permutation_invariant",
    ),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.mse_loss"),
        Elsewhere("optax", "optax.squared_error", "unreduced; optax.l2_loss is half of it"),
        Elsewhere("keras", "keras.losses.MeanSquaredError", "its mean is over the last axis, then over the batch"),
        Elsewhere("scikit-learn", "sklearn.metrics.mean_squared_error"),
    ),
    examples=(
        Example({"input": [1.0, 2.0, 5.0], "target": [1.0, 4.0, 3.0]}, 8 / 3, "(0 + 4 + 4) / 3"),
        Example({"input": [1.0, 3.0], "target": [0.0, 0.0], "weight": [3.0, 1.0]}, 3.0, "(3·1 + 1·9) / (3 + 1)"),
    ),
    use_when=(
        "The mean of the target is wanted, as for demand, energy or anything that is added up afterwards.",
        "The noise is near Gaussian and of the same size everywhere.",
        "A critic or value network learns an expected return, or a diffusion model the noise that was added.",
    ),
    not_when=(
        "A few targets are far off: huber_loss, or l1_loss for the median.",
        "The size of the noise differs from sample to sample and is to be predicted too: gaussian_nll_loss.",
        "Targets are classes: cross_entropy, whose gradient does not vanish where a softmax is surely wrong.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0, 0.0], "target": [-1.0, 1.0]}, 1.0, "0 predicted of standardised targets: their variance"
        ),
        "0, where each prediction is its target; with noisy targets, the variance of the noise.",
    ),
    minimiser=Minimiser("The mean of the targets; its loss is their variance.", mean),
    aliases=(
        "MSELoss",
        "MeanSquaredError",
        "mean_squared_error",
        "squared_error",
        "l2_loss",
        "MSE",
        "L2",
        "least squares",
        "均方误差",
        "L2 损失",
        "最小二乘",
    ),
    pitfalls=(
        "One target that is far off outweighs a thousand that are near: errors are squared. Look at the residuals "
        "(`lossary report`) before blaming the model.",
        "(N, 1) against (N,) would compare every prediction with every target; it raises here.",
        "Its size depends on the unit of the target: scale targets to a variance near 1.",
    ),
    plot=Plot(-3.0, 3.0, {"target": 0.0}, axis="x - y"),
    aten="mse_loss",
    kernel=Elementwise("MSE", weighs_mean=True),
)
def mse_loss(
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
    """Mean squared error between predictions and targets.

    Use it for regression whose noise is near Gaussian: it is twice the negative log-likelihood of Gaussian noise of
    variance 1, less log 2π, and the best constant prediction is the mean. Where outliers should not pull the fit, use
    `huber_loss` or `l1_loss`. Its square root has the same minimum and the unit of the target.

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
    An infinite error is an infinite loss; inf against inf of the same sign is NaN. An empty mean is 0. In fp16 an
    error above 255 squares past 65504: with reduction "none" it is inf, in a mean only if the mean itself is too large.

    Differs from torch
    ------------------
    - a weight of 0 at an infinite error: 0, gradient 0; torch: NaN

    Raises
    ------
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(mse_loss(np.array([1.0, 2.0, 5.0]), np.array([1.0, 4.0, 1.0]), reduction="sum"))
    20.0
    """
    error = without_infinity(input - target, weight)
    return Unreduced(scaled(error * error, weight), denominator=weight)  # pyright: ignore[reportReturnType]
