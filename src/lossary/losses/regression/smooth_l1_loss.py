from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, is_array, namespace
from lossary.core.contract import Range, real
from lossary.core.elementary import absolute
from lossary.core.record import Elsewhere, Example, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="regression",
    title="Smooth L1: absolute error, rounded off near 0",
    formula=r"\ell_i = \begin{cases} \tfrac{1}{2\beta} (x_i - y_i)^2 & |x_i - y_i| < \beta \\ "
    r"|x_i - y_i| - \tfrac12 \beta & \text{otherwise} \end{cases}",
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
