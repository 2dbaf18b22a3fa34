from collections.abc import Callable
from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, cast, is_array, kind, library, namespace
from lossary.core.contract import Flag, Function, Range, describe, real
from lossary.core.distances import pairwise_distance
from lossary.core.elementary import hinge
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss


def _check_distance(distance: Array, anchor: Array) -> None:
    shape, of = tuple(distance.shape) if is_array(distance) else None, tuple(anchor.shape)
    name = "triplet_margin_with_distance_loss: distance_function answers"
    if shape is None or library(distance) != library(anchor) or kind(distance) != "float":
        raise TypeError(f"{name} {describe(distance)}; it must answer a floating {library(anchor)} array")
    rows = len(of) == 1 or shape[:1] == of[:1]
    if not rows or not (len(shape) < len(of) or (len(shape) == len(of) and shape[-1] == 1)):
        raise ValueError(
            f"{name} {describe(distance)} for embeddings of shape {of}; it must answer one distance for each row, "
            f"as {of[:-1]}. Reduce the last dimension alone: not the batch, and no row against another's"
        )


@loss(
    family="embedding",
    title="Triplet margin loss of a distance of one's own",
    formula=r"\ell_n = \max(0, d(a_n, b_n) - d(a_n, c_n) + m)",
    symbols={"a": "anchor", "b": "positive", "c": "negative", "m": "margin", "d": "distance_function"},
    gradient=r"\frac{\partial \ell_n}{\partial a_n} = [\ell_n > 0] \left(\frac{\partial d(a_n, b_n)}{\partial a_n} - "
    r"\frac{\partial d(a_n, c_n)}{\partial a_n}\right)",
    derivation="Where the negative leads by the margin the loss is the constant 0; else its derivative is that of the "
    "difference of the distances, which the distance function makes. Of the Euclidean distance both are unit vectors. "
    "Of a squared one they are $2 (a - b)$ and $2 (a - c)$, whose difference is $2 (c - b)$ wherever the anchor is: "
    "it is drawn along the line from the negative to the positive.",
    unreduced="?N *d",
    sources=(
        Source(
            "Balntas, Riba, Ponsa, Mikolajczyk, Learning Local Feature Descriptors with Triplets and Shallow "
            "Convolutional Neural Networks, 2016",
            "the ranking loss, and the anchor swap",
        ),
    ),
    properties=("nonnegative", "translation_invariant", "permutation_invariant"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.triplet_margin_with_distance_loss"),
        Elsewhere("lossary", "triplet_margin_loss", "with no distance_function"),
    ),
    examples=(
        Example(
            {"anchor": [[0.0]], "positive": [[1.0]], "negative": [[3.0]], "margin": 4.0},
            2.0,
            "1 - 3 + 4; eps cancels",
        ),
        Example(
            {"anchor": [[0.0]], "positive": [[1.0]], "negative": [[3.0]], "margin": 4.0, "swap": True},
            3.0,
            "1 - min(3, 2) + 4",
        ),
    ),
    use_when=(
        "Embeddings lie on a sphere or in hyperbolic space, where a p-norm is not the distance.",
        "The distance has weights of its own, which are trained along: pass the module.",
    ),
    not_when=(
        "The distance is a p-norm: triplet_margin_loss, which is exact for huge and tiny vectors, and has a kernel.",
        "Each anchor can be held against a whole batch at once: info_nce_loss.",
        "Pairs are labelled, not triplets: cosine_embedding_loss, or hinge_embedding_loss of the distances.",
    ),
    expect=Expect(
        Example(
            {"anchor": [[0.0, 0.0]], "positive": [[3.0, 4.0]], "negative": [[4.0, 3.0]]},
            1.0,
            "positives no nearer than negatives: 5 - 5 + 1, the margin",
        ),
        "0, where each negative is farther than its positive by the margin.",
    ),
    minimiser=Minimiser(
        "none: an embedding that is the same for all is as near to every other, and each triplet costs the margin."
    ),
    aliases=(
        "TripletMarginWithDistanceLoss",
        "triplet loss with a distance",
        "自定义距离的三元组损失",
    ),
    pitfalls=(
        "One minus the cosine, 1 - cosine_similarity(x, y), ends at 2: a margin of 1 is large. Between 0.1 and 0.5 is "
        "usual.",
        "torch.cdist measures each row against each other: (N, N) distances, where one for each row is meant. Here it "
        "raises.",
        "A squared distance has no gradient at equal embeddings and a large one far away: the hardest triplets decide.",
        "If all embeddings fall on one point the loss is the margin, and the gradient nearly cancels: a loss that "
        "rests at the margin is a collapsed model.",
    ),
    plot=Plot(
        0.0,
        3.9,  # at the negative itself the distance has no derivative
        {"positive": [[1.0]], "negative": [[4.0]]},
        {"margin": (0.5, 1.0, 2.0)},
        axis="anchor between a positive at 1 and a negative at 4",
        embed=lambda x: namespace(x).expand_dims(x, axis=-1),
    ),
)
def triplet_margin_with_distance_loss(
    anchor: Annotated[A, real("?N *d D")],
    positive: Annotated[A, real("?N *d D", broadcasts=True)],
    negative: Annotated[Array, real("?N *d D", broadcasts=True)],
    *,
    distance_function: Annotated[Callable[[Array, Array], Array] | None, Function(("translation_invariant",))] = None,
    margin: Annotated[Array | float, Range(0.0, low_open=True)] = 1.0,
    swap: Annotated[bool, Flag()] = False,
    reduction: Reduction = "mean",
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """What each negative lacks to be farther from its anchor than the positive, by a margin, in a distance you choose.

    Use it where embeddings are compared by cosine, by a learnt metric, or as sequences. For p-norms use
    `triplet_margin_loss`, whose distances neither overflow nor vanish.

    Parameters
    ----------
    anchor : floating array (..., D)
        Embeddings.
    positive, negative : arrays that broadcast to the shape of `anchor`
        An embedding that belongs to each anchor, and one that does not.
    distance_function : function of two arrays, or a module, optional
        Answers the distance of each row of the one to the same row of the other: shape (N,), or (N, ...). Both have the
        shape of `anchor`; those of half precision come to it in fp32. None is the Euclidean distance, with torch's eps
        of 1e-6.
    margin : float in (0, inf)
        The lead from which a triplet costs nothing.
    swap : bool
        Whether the negative is compared with the nearer of anchor and positive.
    reduction : "mean", "sum" or "none"
        With "none" the shape is that of the distances.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    An infinitely far negative costs 0 with gradient 0, an infinitely far positive inf. Where the lead is the margin
    exactly the gradient is 0. What a distance_function answers at infinity, and its gradient at equal embeddings, are
    its own.

    Differs from torch
    ------------------
    - gradient where the lead is the margin exactly: 0; torch: that of a triplet that lacks something, before 2.14
    - a distance that is no row's own, () or (N, N): `ValueError`; torch: accepted, and averaged
    - huge or tiny vectors without a distance_function: exact; torch: inf or NaN (#51912)
    - positive or negative of fewer dimensions: broadcast, as elsewhere; torch: an error
    - fp16 and bf16: computed and summed in fp32; torch: rounded at each step

    Raises
    ------
    ValueError, TypeError
        Where distance_function is no function, or answers no distance for each row; where margin is not positive;
        where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> a, b, c = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), np.array([[0.0, 4.0]])
    >>> manhattan = lambda x, y: abs(x - y).sum(-1)
    >>> float(triplet_margin_with_distance_loss(a, b, c, distance_function=manhattan))  # 7 - 4 + 1
    4.0
    """
    xp = namespace(anchor)

    def distance(x: Array, y: Array) -> Array:
        if distance_function is None:
            return pairwise_distance(x, y)
        answer = distance_function(x, y)
        _check_distance(answer, anchor)
        return cast(answer, anchor.dtype)

    positive, negative = xp.broadcast_to(positive, anchor.shape), xp.broadcast_to(negative, anchor.shape)
    to_positive, to_negative = distance(anchor, positive), distance(anchor, negative)
    if swap:
        to_negative = xp.minimum(to_negative, distance(positive, negative))
    return hinge(to_positive - to_negative + margin)
