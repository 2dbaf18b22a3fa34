from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, namespace
from lossary.core.contract import Range, real, signs
from lossary.core.distances import unit
from lossary.core.elementary import hinge
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import CosinePairs


@loss(
    family="embedding",
    title="Cosine embedding loss: pull similar pairs together in angle, push others apart",
    formula=r"\ell_i = \begin{cases} 1 - \cos(a_i, b_i) & y_i = 1 \\ \max(0, \cos(a_i, b_i) - m) & y_i = -1 "
    r"\end{cases}",
    symbols={
        "a": "input1",
        "b": "input2",
        "y": "target",
        "m": "margin",
        "s": "the sign of the pull",
        "g": "the derivative of the cosine",
    },
    gradient=r"\frac{\partial \ell_i}{\partial a_i} = s_i g_i \qquad s_i = \begin{cases} -1 & y_i = 1 \\ 1 & y_i = "
    r"-1, \cos(a_i, b_i) > m \\ 0 & \text{otherwise} \end{cases} \qquad g_i = \frac{1}{\|a_i\|} "
    r"\left(\frac{b_i}{\|b_i\|} - \cos(a_i, b_i) \frac{a_i}{\|a_i\|}\right)",
    derivation=r"$1 - \cos(a, b)$ is half the squared distance of the unit vectors. The derivative of the cosine is "
    "the direction of $b$ less its part along $a$, over the length of $a$. It is at a right angle to $a$: a step "
    r"turns the embedding, and long ones turn slowly. Its length is $\sin(a, b) / \|a\|$, so that pairs which point "
    "the same way, or opposite ways, have none.",
    unreduced="?N",
    sources=(
        Source("Collobert, CosineEmbeddingCriterion of Torch7's nn, 2012", "doc/criterion.md", "github.com/torch/nn"),
    ),
    properties=("nonnegative", "scale_invariant", "permutation_invariant", "bounded"),
    bounds=(0.0, 2.0),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.cosine_embedding_loss"),
        Elsewhere("optax", "optax.cosine_distance", "for positive pairs"),
        Elsewhere("keras", "keras.losses.CosineSimilarity", "minus the cosine, for positive pairs"),
    ),
    examples=(
        Example({"input1": [[3.0, 0.0]], "input2": [[0.0, 0.5]], "target": [1.0]}, 1.0, "a right angle"),
        Example({"input1": [[3.0, 0.0]], "input2": [[2.0, 0.0]], "target": [-1.0], "margin": 0.25}, 0.75, "1 - 0.25"),
    ),
    use_when=(
        "Pairs are labelled one by one, as duplicates or not, the same speaker or not.",
        "Embeddings are to be compared by their angle later on, and their lengths should mean nothing.",
    ),
    not_when=(
        "Only pairs that belong together are known, and the rest of a batch can be their negatives: info_nce_loss.",
        "It is known which of two is nearer, and not how near: triplet_margin_loss.",
        "Pairs are compared by a distance, not by an angle: hinge_embedding_loss.",
    ),
    expect=Expect(
        Example(
            {"input1": [[1.0, 0.0], [1.0, 0.0]], "input2": [[0.0, 1.0], [0.0, 1.0]], "target": [1.0, -1.0]},
            0.5,
            "unrelated embeddings are nearly at right angles: 1 of each positive pair, 0 of each negative one",
        ),
        "0, where positive pairs point the same way and the cosine of negative ones is at most the margin.",
    ),
    minimiser=Minimiser(
        "none: targets say which pairs belong together, and no embedding is right for all. With targets of 1 alone it "
        "is the mean of the directions of input2."
    ),
    aliases=(
        "CosineEmbeddingLoss",
        "cosine_distance",
        "CosineSimilarity",
        "cosine loss",
        "余弦嵌入损失",
        "余弦损失",
    ),
    pitfalls=(
        "The target is +1 or -1. Labels of 0 and 1 are not: a row whose label is neither costs 0 and is never learnt.",
        "Only angles count: vectors may grow without end at the same loss; regularise them if that matters.",
        "Negatives at more than the margin's angle have no gradient: with random negatives most soon teach nothing.",
    ),
    plot=Plot(
        0.0,
        3.14159,
        {"input2": [[1.0, 0.0]]},
        {"target": ([1.0], [-1.0])},
        axis="angle",
        embed=lambda angle: namespace(angle).stack([namespace(angle).cos(angle), namespace(angle).sin(angle)], axis=-1),
    ),
    kernel=CosinePairs(),
)
def cosine_embedding_loss(
    input1: Annotated[A, real("?N D")],
    input2: Annotated[Array, real("?N D", broadcasts=True)],
    target: Annotated[Array, signs("?N", broadcasts=True)],
    margin: Annotated[Array | float, Range(voids_properties=("bounded",))] = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Cosine distance of pairs that belong together, and cosine similarity above a margin of those that do not.

    Use it to learn embeddings from labelled pairs, and, with all targets 1, as a plain cosine distance. With many
    negatives for each positive, a contrastive loss over the batch learns faster.

    Parameters
    ----------
    input1, input2 : floating arrays (N, D), or (D,)
        Embeddings. The second may broadcast to the first.
    target : array or list that broadcasts to (N,), or ()
        1 for a pair that belongs together, -1 for one that does not.
    margin : float
        Cosine up to which a negative pair costs nothing. Usually in [0, 0.5]; below -1 it never lets go, at 1 and
        above negatives cost nothing.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    A zero vector has cosine 0 with every other, and gradient 0. The loss of a vector with itself is exactly 0, however
    short or long the vector. Where the cosine is the margin exactly the gradient is 0. A target other than ±1 costs 0.

    Differs from torch
    ------------------
    - short vectors: exact, parallel ones of norm 1e-8 cost 0; torch: 0.9995, in fp16 -inf below 1e-2 (#50473, #5447)
    - long vectors: exact; torch: 1 above norms of 4e9, NaN above 2e19 (#51912)
    - gradient where the cosine is the margin exactly: 0; torch: that of the cosine, before 2.14
    - rounding of parallel vectors: never negative; torch: a cosine above 1 (#78064, #29513, NVIDIA/apex#211)
    - gradient of a zero vector: 0; torch: up to 1e6 (google-deepmind/optax#946, tracel-ai/burn#5584)
    - input2 of shape (N, 1): broadcasts, then has a norm; torch: a norm of its one column

    Raises
    ------
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(cosine_embedding_loss(np.array([[3.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([1.0])))
    1.0
    """
    xp = namespace(input1)
    a, b = unit(input1), unit(xp.broadcast_to(input2, input1.shape))
    zero = xp.all(a == 0, axis=-1) | xp.all(b == 0, axis=-1)
    # Near 0 each form keeps the digits that the other loses: 1 - cos for parallel vectors, cos for orthogonal ones.
    distance = 0.5 * xp.sum((a - b) ** 2, axis=-1)
    distance = xp.where(zero & ~xp.isnan(distance), 1.0, distance)
    cosine = xp.sum(a * b, axis=-1)
    above = xp.where(cosine > 1, 1.0, cosine) - margin
    neither = 0.0 * target  # 0, and NaN of a NaN
    return xp.where(target == 1, distance, xp.where(target == -1, hinge(above), neither))
