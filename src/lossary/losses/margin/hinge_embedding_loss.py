from typing import Annotated

import numpy as np

from lossary.core.arrays import A, Array, Impl, Reduction, namespace
from lossary.core.contract import Range, real, signs
from lossary.core.elementary import hinge
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="margin",
    title="Hinge embedding loss: shrink the distances of similar pairs, keep others beyond a margin",
    formula=r"\ell_i = \begin{cases} x_i & y_i = 1 \\ \max(0, m - x_i) & y_i = -1 \end{cases}",
    symbols={"x": "input", "y": "target", "m": "margin"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = \begin{cases} 1 & y_i = 1 \\ -[x_i < m] & y_i = -1 \end{cases}",
    derivation=r"A pair that belongs together costs its distance: the pull is 1 at every distance. One that does not "
    r"costs what it lacks to $m$: the push is 1 within the margin, and 0 from there. How the vectors move, the "
    r"distance says: of $\|a - b\|$ the gradient by $a$ has length 1, of $\|a - b\|^2$ it grows with the distance.",
    unreduced="*s",
    sources=(
        Source(
            "Mobahi, Collobert, Weston, Deep Learning from Temporal Coherence in Video, 2009",
            "the coherence loss, of any distance",
        ),
    ),
    properties=("convex", "permutation_invariant"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.hinge_embedding_loss"),
        Elsewhere("lossary", "cosine_embedding_loss", "the same of x = 1 - cos, with margin 1 - margin"),
    ),
    examples=(
        Example({"input": [0.25, 0.25], "target": [1.0, -1.0]}, 0.5, "(0.25 + (1 - 0.25)) / 2"),
        Example({"input": [3.0], "target": [-1.0], "margin": 2.0}, 0.0, "far enough: 3 > 2"),
    ),
    use_when=(
        "Pairs are labelled same or different, and the distance is one of your own: L1, squared, of a graph.",
        "Some pairs are mislabelled: one that is far apart pulls with 1, no harder than a near one.",
    ),
    not_when=(
        "Distances are of cosines: cosine_embedding_loss takes the vectors.",
        "Only the order counts, near before far, and no distance is right by itself: triplet_margin_loss.",
        "Each row has its partner and the rest of the batch may serve as negatives: info_nce_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [1.0, 1.0], "target": [1.0, -1.0]},
            0.5,
            "unrelated vectors, at 1 - cos = 1: half of the pairs pay 1, the others, at the margin, nothing",
        ),
        "0, where pairs that belong together are at distance 0 and the others at the margin or beyond. Of distances "
        "never negative; of other numbers it has no least value.",
    ),
    minimiser=Minimiser(
        "Of all distances, from 0 up: 0 where most pairs belong together, the margin where most do not; it says which "
        "are more, not how many.",
        lambda target, margin=1.0: max(margin, 0.0) * (np.mean(target) < 0),
    ),
    aliases=("HingeEmbeddingLoss", "合页嵌入损失"),
    pitfalls=(
        "The input is a distance, so not below 0. A score would be driven to -inf on pairs with target 1.",
        "The target is +1 or -1. A label of 0 pays both terms, and is never learnt.",
        "The margin has the unit of the distance: below the typical distance negatives teach nothing.",
    ),
    plot=Plot(0.0, 3.0, {}, {"target": (1.0, -1.0)}, axis="distance"),
    kernel=Elementwise("HingeEmbedding", ("margin",)),
)
def hinge_embedding_loss(
    input: Annotated[A, real("*s")],
    target: Annotated[A, signs("*s", broadcasts=True)],
    margin: Annotated[Array | float, Range()] = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """The distance of pairs that belong together, and what those that do not lack to a margin.

    Use it to learn embeddings from labelled pairs with a distance of your own; for cosines `cosine_embedding_loss` does
    both at once.

    Parameters
    ----------
    input : floating array of any shape
        Distances of pairs.
    target : array that broadcasts to the shape of `input`
        1 for a pair that belongs together, -1 for one that does not.
    margin : float
        Distance from which a negative pair costs nothing.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    A target other than ±1 pays both terms, and a negative input with target 1 is a negative loss, as in torch. At the
    margin itself the gradient of a pair that does not belong together is 0.

    Differs from torch
    ------------------
    - gradient at the margin itself: 0; torch: -1, before 2.14

    Raises
    ------
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> hinge_embedding_loss(np.array([0.25, 0.25]), np.array([1.0, -1.0]), reduction="none").tolist()
    [0.25, 0.75]
    """
    xp = namespace(input)
    similar = xp.where(target == -1, 0.0, input)
    different = xp.where(target == 1, 0.0, hinge(margin - input))
    return similar + different
