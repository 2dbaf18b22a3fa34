import math
from typing import Annotated

from lossary.core.arrays import Array, detach, namespace
from lossary.core.contract import Flag, Range, real
from lossary.core.elementary import hinge
from lossary.core.loss import loss
from lossary.core.record import Elsewhere, Example, Plot, Source


def norm(x: Array, p: float) -> Array:
    """The p-norm along the last axis; gradient 0 at the zero vector and at infinite ones."""
    xp = namespace(x)
    if x.shape[-1] == 0:
        return xp.sum(x, axis=-1)
    # Scaled before powers are taken: in fp32, squares overflow at norms of 1e19 and vanish at 1e-23.
    largest = detach(xp.max(xp.abs(x), axis=-1, keepdims=True))
    constant = (largest == 0) | xp.isinf(largest)
    scaled = xp.where(constant, 1.0, x / xp.where(constant, 1.0, largest))
    if math.isinf(p):
        length = xp.max(xp.abs(scaled), axis=-1)
    elif p == 1:
        length = xp.sum(xp.abs(scaled), axis=-1)
    elif p == 2:
        length = xp.sqrt(xp.sum(scaled * scaled, axis=-1))
    else:
        # Not **: the last bit of torch's pow depends on where in the batch an element lies.
        logs = xp.log(xp.where(scaled == 0, 1.0, xp.abs(scaled)))
        powers = xp.where(scaled == 0, 0.0, xp.exp(p * logs))
        length = xp.exp(xp.log(xp.sum(powers, axis=-1)) / p)
    return xp.squeeze(largest, axis=-1) * length


@loss(
    family="embedding",
    title="Triplet margin loss: an anchor must be nearer to its positive than to its negative, by a margin",
    formula=r"\ell_n = \max(0, d(a_n, b_n) - d(a_n, c_n) + m), \qquad "
    r"d(x, y) = \| x - y + \epsilon \|_p",
    unreduced="?N *d",
    sources=(
        Source(
            "Balntas, Riba, Ponsa, Mikolajczyk, Learning Local Feature Descriptors with Triplets and Shallow "
            "Convolutional Neural Networks, 2016",
            "the ranking loss, and the anchor swap",
        ),
    ),
    properties=("nonnegative",),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.triplet_margin_loss"),
        Elsewhere("optax", "optax.losses.triplet_margin_loss", "unreduced"),
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
    pitfalls=(
        "Random negatives soon are farther than the margin and teach nothing: look for hard or semi-hard ones in the "
        "batch.",
        "The margin has the unit of the distance: with embeddings of unit length distances end at 2.",
        "If all embeddings fall on one point the loss is the margin, and the gradient nearly cancels: a loss that "
        "rests at the margin is a collapsed model.",
    ),
    plot=Plot(
        0.0,
        4.0,
        {"positive": [[1.0]], "negative": [[4.0]], "eps": 0.0},
        {"margin": (0.5, 1.0, 2.0)},
        axis="anchor between a positive at 1 and a negative at 4",
        embed=lambda x: namespace(x).expand_dims(x, axis=-1),
    ),
)
def triplet_margin_loss(
    anchor: Annotated[Array, real("?N *d D")],
    positive: Annotated[Array, real("?N *d D", broadcasts=True)],
    negative: Annotated[Array, real("?N *d D", broadcasts=True)],
    margin: Annotated[float, Range(0.0, low_open=True)] = 1.0,
    p: Annotated[float, Range(1.0)] = 2,
    eps: Annotated[float, Range(0.0)] = 1e-6,
    swap: Annotated[bool, Flag()] = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: str = "auto",
) -> Array:
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
    infinitely far positive inf. Where the lead is the margin exactly the gradient is not 0, as in torch.

    Differs from torch
    ------------------
    Distances neither overflow nor vanish: embeddings of norm 1e20 work in fp32. p below 1, where distances are no norms
    and gradients NaN, raises. fp16 and bf16 are computed and summed in fp32.

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
    to_positive = norm(anchor - positive + eps, p)
    to_negative = norm(anchor - negative + eps, p)
    if swap:
        to_negative = xp.minimum(to_negative, norm(positive - negative + eps, p))
    return hinge(to_positive - to_negative + margin)
