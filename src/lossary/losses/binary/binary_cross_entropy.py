import math
from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, namespace
from lossary.core.contract import probabilities, target_probabilities, weights
from lossary.core.elementary import scaled
from lossary.core.minimisers import mean
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise

LOWEST = -100.0
"""Where the logarithm is clamped, as in torch: one certain mistake must not make a batch infinite."""


def clamped_log(p: Array) -> Array:
    """log p, at least -100, with the derivative of just that: 1 / p, and 0 where it is clamped."""
    xp = namespace(p)
    clamped = p <= math.exp(LOWEST)
    return xp.where(clamped, LOWEST, xp.log(xp.where(clamped, 1.0, p)))


def clamped_log1m(p: Array) -> Array:
    """log(1 - p), at least -100."""
    xp = namespace(p)
    clamped = p == 1  # the p next below 1 has a logarithm far above -100
    return xp.where(clamped, LOWEST, xp.log1p(-xp.where(clamped, 0.0, p)))


@loss(
    family="binary",
    title="Binary cross-entropy of probabilities",
    formula=r"\ell_i = -w_i \left[ t_i \log p_i + (1 - t_i) \log (1 - p_i) \right]",
    symbols={"p": "input", "t": "target", "w": "weight"},
    gradient=r"\frac{\partial \ell_i}{\partial p_i} = \frac{w_i (p_i - t_i)}{p_i (1 - p_i)}",
    derivation=r"$-\log p$ has the derivative $-\frac{1}{p}$, and $-\log(1 - p)$ has $\frac{1}{1 - p}$; weighted by "
    r"$t$ and $1 - t$ they add up to $\frac{p - t}{p (1 - p)}$. It grows without bound where a probability is surely "
    r"wrong, and a sigmoid before it, $\frac{dp}{dx} = p (1 - p)$, cancels just that: $p - t$ is left for the logit. "
    r"In floats the sigmoid has rounded to 0 or 1 before they can cancel.",
    unreduced="*s",
    sources=(Source("Bishop, Pattern Recognition and Machine Learning, 2006", "eq. (4.90)"),),
    properties=("convex", "nonnegative", "permutation_invariant", "class_symmetric", "bounded", "proper"),
    bounds=(0.0, 100.0),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.binary_cross_entropy"),
        Elsewhere("keras", "keras.losses.BinaryCrossentropy", "clips probabilities to [1e-7, 1 - 1e-7]"),
        Elsewhere("scikit-learn", "sklearn.metrics.log_loss", "clips probabilities to the dtype's epsilon"),
        Elsewhere("lossary", "binary_cross_entropy_with_logits", "of the logit log(p / (1 - p))"),
    ),
    examples=(
        Example({"input": [0.5], "target": [1.0]}, 0.6931471805599453, "-log ½"),
        Example({"input": [0.25], "target": [0.5]}, 0.8369882167858358, "-(log ¼ + log ¾) / 2"),
        Example({"input": [0.0], "target": [1.0]}, 100.0, "the clamp"),
    ),
    use_when=(
        "The model ends in probabilities that it makes otherwise than by a sigmoid: a noisy-or, a product of factors.",
        "Probabilities of another model are to be scored.",
    ),
    not_when=(
        "The model has logits, or ends in a sigmoid that can be left out: binary_cross_entropy_with_logits.",
        "One class out of several is true, their probabilities summing to 1: nll_loss of their logarithms.",
    ),
    expect=Expect(
        Example({"input": [0.5, 0.5], "target": [1.0, 0.0]}, 0.6931471805599453, "½ predicted of everything: log 2"),
        "0 of labels 0 and 1, where each probability is its label; of soft targets their entropy, at most log 2.",
    ),
    minimiser=Minimiser(
        "The mean of the targets: the share of positives. Its loss is the entropy of that share.", mean
    ),
    aliases=("BCELoss", "BinaryCrossentropy", "BCE", "log_loss", "二元交叉熵", "二分类交叉熵"),
    pitfalls=(
        "It takes probabilities. For logits use binary_cross_entropy_with_logits: a sigmoid that has rounded to 1 "
        "cannot tell 20 from 200.",
        "An untrained model stands at log 2 = 0.693; staying there means that nothing is learnt.",
        "A mean over many labels per sample hides rare positives: look at each label's loss.",
    ),
    plot=Plot(0.001, 0.999, {}, {"target": (1.0, 0.0, 0.5)}, axis="p"),
    kernel=Elementwise("BinaryCrossEntropy"),
)
def binary_cross_entropy(
    input: Annotated[A, probabilities("*s")],
    target: Annotated[A, target_probabilities("*s")],
    weight: Annotated[Array | None, weights("*s", broadcasts=True)] = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Cross-entropy of independent yes-or-no predictions given as probabilities, in nats.

    Use it where a model must output probabilities. Where it can output logits, prefer
    `binary_cross_entropy_with_logits`, which loses nothing in the tails. Several labels may be true at once; for one
    class out of many use `cross_entropy`.

    Parameters
    ----------
    input : floating array of any shape, in [0, 1]
        Predicted probabilities.
    target : array of the same shape, in [0, 1]
        Labels 0 and 1, or probabilities.
    weight : array that broadcasts to the shape of `input`, optional
        Weight of each element. As in torch, the mean divides by the number of elements, not by the sum of weights.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    Each logarithm is clamped at -100: a certain mistake costs 100, with gradient 0 there, the derivative of that value.
    NaN in the input gives NaN.

    Differs from torch
    ------------------
    - gradient at a probability below 1e-12 of a positive: -1/p, down to the clamp at e^-100; torch: -1e12, which fades
      to 0 through a sigmoid (#103316, torch/nn#949)
    - gradient where a logarithm is clamped: 0, as of a constant; torch: ±1e12, in fp16 inf (Oneflow-Inc/oneflow#7476)
    - gradient of a certain, right prediction: ±1; torch: 0, in fp16 NaN (Oneflow-Inc/oneflow#7476,
      fastino-ai/GLiNER2#155)
    - NaN in input or target: NaN; torch: `RuntimeError`

    Raises
    ------
    ValueError, TypeError
        On the CPU where probabilities or targets leave [0, 1]; where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(binary_cross_entropy(np.array([0.5]), np.array([1.0])))
    0.6931471805599453
    """
    return scaled(-(target * clamped_log(input) + (1 - target) * clamped_log1m(input)), weight)
