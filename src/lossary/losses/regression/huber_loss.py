from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, is_array, namespace
from lossary.core.contract import Range, real, weights
from lossary.core.elementary import scaled, times
from lossary.core.minimisers import huber
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="regression",
    title="Huber loss: squared for small errors, linear for large ones",
    formula=r"\ell_i = \begin{cases} \tfrac12 (x_i - y_i)^2 & |x_i - y_i| \le \delta \\ "
    r"\delta \left(|x_i - y_i| - \tfrac12 \delta\right) & \text{otherwise} \end{cases}",
    symbols={"x": "input", "y": "target", r"\delta": "delta"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = \begin{cases} x_i - y_i & |x_i - y_i| \le \delta \\ "
    r"\delta \, \mathrm{sign}(x_i - y_i) & \text{otherwise} \end{cases}",
    derivation=r"Within $\delta$ of the target it is half the square, whose derivative is the error. Beyond, the "
    r"square gives way to its tangent at $\delta$, which has the slope $\delta$ and meets it at the value "
    r"$\tfrac12 \delta^2$: value and slope go on without a jump.",
    unreduced="*s",
    sources=(Source("Huber, Robust Estimation of a Location Parameter, 1964", "", "doi.org/10.1214/aoms/1177703732"),),
    properties=(
        "convex",
        "nonnegative",
        "zero_at_target",
        "symmetric",
        "translation_invariant",
        "permutation_invariant",
    ),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.huber_loss"),
        Elsewhere("optax", "optax.huber_loss", "unreduced"),
        Elsewhere("keras", "keras.losses.Huber", "its mean is over the last axis, then over the batch"),
        Elsewhere("lossary", "smooth_l1_loss", "huber_loss(delta=d) = d · smooth_l1_loss(beta=d)"),
    ),
    examples=(
        Example({"input": [0.5, 3.0], "target": [0.0, 0.0]}, 1.3125, "(0.5·0.25 + 1·(3 - 0.5)) / 2"),
        Example({"input": [3.0], "target": [0.0], "delta": 2.0}, 4.0, "2·(3 - 1)"),
    ),
    use_when=(
        "Most targets are clean, and a few are far off: noise with heavy tails, labels with mistakes.",
        "Large errors of the first steps would blow up the gradient of mse_loss: here it never exceeds delta.",
    ),
    not_when=(
        "Every error counts by its square, as where the mean itself is wanted of skewed targets: mse_loss.",
        "The median is wanted, whatever the scale: l1_loss, which needs no delta.",
    ),
    expect=Expect(
        Example({"input": [0.0, 0.0], "target": [-2.0, 0.5]}, 0.8125, "0 predicted, targets spread: (1.5 + 0.125) / 2"),
        "0, where each prediction is its target.",
    ),
    minimiser=Minimiser(
        "Huber's M-estimator of location: the mean of the targets within delta of it, drawn by those beyond as by "
        "targets at a distance of delta. Between the median (small delta) and the mean (large delta).",
        lambda target, delta=1.0: huber(target, delta),
    ),
    aliases=("HuberLoss", "Huber", "Huber 损失"),
    pitfalls=(
        "delta has the unit of the target. A common choice is 1.345 times the noise's standard deviation, estimated "
        "as 1.4826 times the median absolute residual.",
        "It is not smooth_l1_loss, but delta times it: changing delta also changes the size of the gradient.",
    ),
    plot=Plot(-3.0, 3.0, {"target": 0.0}, {"delta": (0.5, 1.0, 2.0)}, axis="x - y"),
    kernel=Elementwise("Huber", ("delta",)),
)
def huber_loss(
    input: Annotated[A, real("*s")],
    target: Annotated[A, real("*s", broadcasts=True)],
    reduction: Reduction = "mean",
    delta: Annotated[Array | float, Range(0.0, low_open=True)] = 1.0,
    weight: Annotated[Array | None, weights("*s")] = None,
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Huber's loss: half the squared error up to `delta`, linear beyond it.

    Use it for regression where most errors are small and some are far off: near the target it fits the mean and
    converges like `mse_loss`, and far from it an outlier pulls no harder than `delta`.

    Parameters
    ----------
    input : floating array of any shape
        Predictions.
    target : array that broadcasts to the shape of `input`
        True values.
    delta : float in (0, inf)
        Where the loss turns from squared to linear. As delta → 0, loss / delta → `l1_loss`; as delta → ∞ the loss is
        half of `mse_loss`, which delta=inf gives exactly.
    weight : array of the shape of `input`, optional
        Weight of each element. As in torch, the mean divides by the number of elements, not by the sum of weights.
    reduction : "mean", "sum" or "none"
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    An infinite error is an infinite loss whose gradient is ±delta. An empty mean is 0.

    Differs from torch
    ------------------
    - a target of another floating dtype: promotes; torch: input's dtype, and an error in the backward (#76646)
    - a weight of 0 at an infinite error: 0; torch: NaN

    Raises
    ------
    ValueError, TypeError
        Where delta is not positive, or shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> huber_loss(np.array([0.5, 3.0]), np.array([0.0, 0.0]), reduction="none").tolist()
    [0.125, 2.5]
    """
    xp = namespace(input)
    error = input - target
    if not is_array(delta) and delta > float(xp.finfo(error.dtype).max):
        return scaled(0.5 * error * error, weight)
    small = xp.abs(error) <= delta
    near = xp.where(small, error, 0.0)
    far = xp.where(small, 0.0, xp.abs(error) - 0.5 * delta)
    linear = times(far, delta) if is_array(delta) else far * delta
    return scaled(0.5 * near * near + linear, weight)
