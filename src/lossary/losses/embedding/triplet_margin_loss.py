from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, namespace
from lossary.core.contract import Flag, Range, real
from lossary.core.distances import pairwise_distance
from lossary.core.elementary import hinge
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Triplets


@loss(
    family="embedding",
    title="Triplet margin loss: an anchor must be nearer to its positive than to its negative, by a margin",
    formula=r"\ell_n = \max(0, d(a_n, b_n) - d(a_n, c_n) + m), \qquad "
    r"d(x, y) = \| x - y + \epsilon \|_p",
    symbols={
        "a": "anchor",
        "b": "positive",
        "c": "negative",
        "m": "margin",
        r"\epsilon": "eps",
        "p": "p",
        "d": "distance",
        "u": "from the positive to the anchor",
        "v": "from the negative to the anchor",
        "h": "1 where the triplet costs something",
        "g": "the derivative of the distance by one component",
    },
    gradient=r"\frac{\partial \ell_n}{\partial a_{n,k}} = h_n \left(g(u_{n,k}, \|u_n\|_p) - g(v_{n,k}, "
    r"\|v_n\|_p)\right) \qquad g(z, r) = \mathrm{sign}(z) \left(\frac{|z|}{r}\right)^{p - 1} \qquad u_n = a_n - b_n "
    r"+ \epsilon \qquad v_n = a_n - c_n + \epsilon \qquad h_n = [\|u_n\|_p - \|v_n\|_p + m > 0]",
    derivation="Where the negative leads by the margin the loss is the constant 0. Else its derivative is that of a "
    "difference of distances; with $p = 2$ that is the unit vector from the positive to the anchor less that from the "
    "negative: the anchor is drawn to the one and pushed off the other, both with force 1, however far they are. With "
    "$p = 1$ only the signs of the components count. With swap=True and the positive nearer to the negative than the "
    "anchor is, the anchor has no part in the second distance.",
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
        Elsewhere("torch", "torch.nn.functional.triplet_margin_loss"),
        Elsewhere("optax", "optax.losses.triplet_margin_loss", "unreduced, with eps under the root; p must be 2"),
        Elsewhere(
            "pytorch-metric-learning",
            "pytorch_metric_learning.losses.TripletMarginLoss",
            "with margin=1, LpDistance(normalize_embeddings=False) and MeanReducer(); it makes triplets of labels",
        ),
    ),
    examples=(
        Example(
            {"anchor": [[0.0, 0.0]], "positive": [[3.0, 4.0]], "negative": [[0.0, 4.0]], "eps": 0.0},
            2.0,
            "5 - 4 + 1",
        ),
        Example(
            {"anchor": [[0.0]], "positive": [[1.0]], "negative": [[3.0]], "eps": 0.0, "swap": True},
            0.0,
            "1 - min(3, 2) + 1",
        ),
    ),
    use_when=(
        "What is known is an order: this one is more like it than that one, as by clicks or by people asked.",
        "The embeddings are used by distance: nearest neighbours, or a threshold as in recognising faces.",
    ),
    not_when=(
        "Each anchor can be held against a whole batch at once: info_nce_loss.",
        "Embeddings are compared by cosine, or by a distance of one's own: triplet_margin_with_distance_loss.",
        "Scores are ordered, not embeddings: margin_ranking_loss.",
    ),
    expect=Expect(
        Example(
            {"anchor": [[0.0, 0.0]], "positive": [[3.0, 4.0]], "negative": [[4.0, 3.0]], "eps": 0.0},
            1.0,
            "positives no nearer than negatives: 5 - 5 + 1, the margin",
        ),
        "0, where each negative is farther than its positive by the margin.",
    ),
    minimiser=Minimiser(
        "none: an embedding that is the same for all is as near to every other, and each triplet costs the margin."
    ),
    aliases=(
        "TripletMarginLoss",
        "TripletLoss",
        "triplet loss",
        "triplet",
        "三元组损失",
        "三元组间隔损失",
    ),
    pitfalls=(
        "Random negatives soon are farther than the margin and teach nothing: look for hard or semi-hard ones in the "
        "batch.",
        "The margin has the unit of the distance: with embeddings of unit length distances end at 2.",
        "If all embeddings fall on one point the loss is the margin, and the gradient nearly cancels: a loss that "
        "rests at the margin is a collapsed model.",
    ),
    plot=Plot(
        0.0,
        3.9,  # at the negative itself the distance has no derivative
        {"positive": [[1.0]], "negative": [[4.0]], "eps": 0.0},
        {"margin": (0.5, 1.0, 2.0)},
        axis="anchor between a positive at 1 and a negative at 4",
        embed=lambda x: namespace(x).expand_dims(x, axis=-1),
    ),
    kernel=Triplets(),
)
def triplet_margin_loss(
    anchor: Annotated[A, real("?N *d D")],
    positive: Annotated[A, real("?N *d D", broadcasts=True)],
    negative: Annotated[Array, real("?N *d D", broadcasts=True)],
    margin: Annotated[Array | float, Range(0.0, low_open=True)] = 1.0,
    p: Annotated[Array | float, Range(1.0)] = 2,
    eps: Annotated[Array | float, Range(0.0)] = 1e-6,
    swap: Annotated[bool, Flag()] = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """What the negative of each triplet lacks to be farther from the anchor than the positive, by `margin`.

    Use it to learn embeddings from statements that this is more like that than like the other. Where labels are known
    for whole batches, a contrastive loss over the batch learns faster.

    Parameters
    ----------
    anchor : floating array (..., D)
        Embeddings.
    positive, negative : arrays that broadcast to the shape of `anchor`
        An embedding that belongs to each anchor, and one that does not.
    margin : float in (0, inf)
        The lead from which a triplet costs nothing.
    p : float in [1, inf]
        The norm of the distance.
    eps : float in [0, inf)
        Added to each difference, as in torch: the distance of equal embeddings is eps · D^(1/p). With eps=0 it is 0.
    swap : bool
        Whether the negative is compared with the nearer of anchor and positive.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    With eps=0 equal embeddings have distance 0 and gradient 0. An infinitely far negative costs 0 with gradient 0, an
    infinitely far positive inf. Where the lead is the margin exactly the gradient is 0.

    Differs from torch
    ------------------
    - embeddings of norm 1e20, or 1e-30: exact; torch: NaN, or distances of 0 (#51912)
    - gradient at an infinitely far negative: 0; torch: NaN
    - gradient where the lead is the margin exactly: 0; torch: that of a triplet that lacks something, before 2.14
    - p below 1, where distances are no norms: `ValueError`; torch: accepted, NaN near 0 (#187178, #187243)

    Raises
    ------
    ValueError, TypeError
        Where margin is not positive or p below 1; where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> a, b, c = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), np.array([[0.0, 4.0]])
    >>> float(triplet_margin_loss(a, b, c, eps=0.0))
    2.0
    """
    xp = namespace(anchor)
    # First, or a swapped distance of (N, 1) from (N, 1) would miss the other columns.
    positive, negative = (xp.broadcast_to(x, anchor.shape) for x in (positive, negative))
    to_positive = pairwise_distance(anchor, positive, p, eps)
    to_negative = pairwise_distance(anchor, negative, p, eps)
    if swap:
        to_negative = xp.minimum(to_negative, pairwise_distance(positive, negative, p, eps))
    return hinge(to_positive - to_negative + margin)
