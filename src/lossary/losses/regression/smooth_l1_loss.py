from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, is_array, namespace
from lossary.core.contract import Range, real
from lossary.core.elementary import absolute
from lossary.core.minimisers import huber
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="regression",
    title="Smooth L1: absolute error, rounded off near 0",
    formula=r"\ell_i = \begin{cases} \tfrac{1}{2\beta} (x_i - y_i)^2 & |x_i - y_i| < \beta \\ "
    r"|x_i - y_i| - \tfrac12 \beta & \text{otherwise} \end{cases}",
    symbols={"x": "input", "y": "target", r"\beta": "beta"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = \begin{cases} "
    r"\tfrac{1}{\beta} (x_i - y_i) & |x_i - y_i| < \beta \\ "
    r"\mathrm{sign}(x_i - y_i) & \text{otherwise} \end{cases}",
    derivation=r"Beyond $\beta$ it is the absolute error less a constant, whose derivative is the sign. Within, "
    r"$\frac{e^2}{2 \beta}$ has the derivative $\frac{e}{\beta}$, which grows from $0$ at the target to $1$ at "
    r"$\beta$ and meets the sign there without a jump. No target pulls harder than $1$, whatever $\beta$ is.",
    unreduced="*s",
    sources=(Source("Girshick, Fast R-CNN, 2015", "eq. (3)", "arxiv.org/abs/1504.08083"),),
    properties=(
        "convex",
        "nonnegative",
        "zero_at_target",
        "symmetric",
        "translation_invariant",
        "permutation_invariant",
    ),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.smooth_l1_loss"),
        Elsewhere("lossary", "huber_loss", "huber_loss(delta=d) = d · smooth_l1_loss(beta=d)"),
    ),
    examples=(
        Example({"input": [0.5, 3.0], "target": [0.0, 0.0]}, 1.3125, "(0.5·0.25 + (3 - 0.5)) / 2"),
        Example({"input": [3.0], "target": [0.0], "beta": 2.0}, 2.0, "3 - 1"),
        Example({"input": [-3.0], "target": [0.0], "beta": 0.0}, 3.0, "beta 0 is the absolute error"),
    ),
    use_when=(
        "Coordinates of boxes are regressed, some of which are far off at the start.",
        "Several regressions share a model: each gradient is at most 1, so that none drowns the others.",
    ),
    not_when=(
        "What counts of boxes is how far they overlap: box_iou_loss, which does not depend on their size.",
        "The curvature near the target should not change with the threshold: huber_loss.",
        "Every error counts by its square: mse_loss.",
    ),
    expect=Expect(
        Example({"input": [0.0, 0.0], "target": [-2.0, 0.5]}, 0.8125, "0 predicted, targets spread: (1.5 + 0.125) / 2"),
        "0, where each prediction is its target.",
    ),
    minimiser=Minimiser(
        "Huber's M-estimator of location, as of huber_loss with delta = beta: between the median (beta 0) and the mean "
        "(large beta).",
        lambda target, beta=1.0: huber(target, beta),
    ),
    aliases=("SmoothL1Loss", "smooth l1", "平滑 L1 损失"),
    pitfalls=(
        "It is huber_loss divided by its threshold: the slope far from the target stays 1 whatever beta is.",
        "beta has the unit of the target: box coordinates in pixels and in fractions of the image want different ones.",
    ),
    plot=Plot(-3.0, 3.0, {"target": 0.0}, {"beta": (0.25, 1.0, 2.0)}, axis="x - y"),
    kernel=Elementwise(lambda o: ("SmoothL1", o["beta"]) if o["beta"] > 1e-30 else ("L1",)),
)
def smooth_l1_loss(
    input: Annotated[A, real("*s")],
    target: Annotated[A, real("*s", broadcasts=True)],
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    beta: Annotated[Array | float, Range(0.0)] = 1.0,
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Absolute error, made smooth within `beta` of the target.

    Use it for box regression and wherever errors should pull with equal strength unless they are small. For the same
    shape with a slope that grows with the threshold, use `huber_loss`.

    Parameters
    ----------
    input : floating array of any shape
        Predictions.
    target : array that broadcasts to the shape of `input`
        True values.
    beta : float in [0, inf]
        Below it the loss is quadratic. 0 is exactly `l1_loss`, inf leaves nothing.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    With beta = 0 the gradient at an error of 0 is 0. An infinite error is an infinite loss whose gradient is ±1. An
    empty mean is 0.

    Differs from torch
    ------------------
    Nothing but what differs for every loss (docs/conventions.md).

    Raises
    ------
    ValueError, TypeError
        Where beta is negative, or shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> smooth_l1_loss(np.array([0.5, 3.0]), np.array([0.0, 0.0]), reduction="none").tolist()
    [0.125, 2.5]
    """
    xp = namespace(input)
    error = input - target
    smallest = float(xp.finfo(error.dtype).smallest_normal)  # below it as 0: the quotient below would be 0 / 0
    if not is_array(beta) and beta < smallest:
        return absolute(error)
    size = absolute(error)
    small = (size < beta) & (beta >= smallest)
    near = xp.where(small, error, 0.0)
    far = xp.where(small, 0.0, size - 0.5 * beta)
    width = xp.where(beta < smallest, 1.0, beta) if is_array(beta) else beta
    return near * (near / (2 * width)) + far
