from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, arange, by_rows, cast, linear, matmul, namespace
from lossary.core.candidates import places, remaining
from lossary.core.check import Checked
from lossary.core.classes import targets
from lossary.core.contract import Bytes, Flag, candidates, features, labels, positives
from lossary.core.distances import unit
from lossary.core.elementary import TEMPERATURE, quotient, softplus
from lossary.core.projection import rows_at_once
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.core.reduce import Unreduced
from lossary.core.rows import local
from lossary.dispatch.loss import loss
from lossary.kernels.families import Similarities

SIMILARITIES_AT_ONCE = Bytes(none_means=2**26)


def _check(call: Checked) -> None:
    name, rows, n = call.loss.name, call.dims["N"], call.dims["M"]
    if call.values["positives"] is not None:
        if call.values["symmetric"]:
            raise ValueError(
                f"{name}: symmetric is True and positives are given; symmetric pairs row i with candidate i. "
                "Pass candidates[positives] as candidates, and no positives"
            )
    elif n < rows or (n > rows and call.values["symmetric"]):
        wanted = f"{rows} candidates, one for each row" if call.values["symmetric"] else f"at least {rows} candidates"
        raise ValueError(
            f"{name}: candidates holds {n} rows beside {rows} rows of input; without positives candidate i is the "
            f"positive of row i, which takes {wanted}. "
            + ("Leave symmetric out" if n > rows else "Pass the place of each row's positive as positives")
        )


def _against(
    x: Array,
    y: Array,
    place: Array,
    temperature: Array | float,
    most: int,
    *,
    counted: Array | None,
    ids: tuple[Array, Array] | None,
    others: Array | None = None,
) -> Array:
    """-log softmax of each x's similarities with all y, at its place.

    counted: the y in the batch. ids: of x and of y; equal ones are no rivals. others: more rivals of each x.
    """
    xp = namespace(x)
    column = xp.expand_dims(arange(y.shape[0], like=place), axis=0)

    def of_rows(x: Array, place: Array, *beside: Array) -> Array:
        given, s = list(beside), linear(x, y)
        rival = column != xp.expand_dims(place, axis=1)
        if counted is not None:
            s = xp.where(rival & ~counted, -xp.inf, s)
        if ids is not None:
            same = xp.expand_dims(given.pop(0), axis=1) == xp.expand_dims(ids[1], axis=0)
            s = xp.where(rival & same, -xp.inf, s)
        if others is not None:
            of_others = matmul(xp.expand_dims(x, axis=1), xp.matrix_transpose(given.pop(0)))
            s = xp.concat([s, xp.squeeze(of_others, axis=1)], axis=1)
        return softplus(local(quotient(s, temperature), 1, place).log_odds_against())

    given = [x, place, *(() if ids is None else (ids[0],)), *(() if others is None else (others,))]
    return by_rows(of_rows, 1, most, *given)


@loss(
    family="embedding",
    title="InfoNCE: the positive of each row against all other candidates; CLIP's loss with symmetric=True",
    formula=r"\ell_i = -\log p_{i,\pi_i}, \qquad p_{ij} = \frac{e^{s_{ij} / T}}{\sum_k e^{s_{ik} / T}}, \qquad "
    r"s_{ij} = \frac{x_i \cdot y_j}{\|x_i\| \, \|y_j\|}, \qquad \text{symmetric:} \; \ell_i = -\tfrac12 (\log p_{ii} "
    r"+ \log q_{ii}), \qquad q_{ij} = \frac{e^{s_{ij} / T}}{\sum_k e^{s_{kj} / T}}",
    symbols={
        "x": "input",
        "y": "candidates",
        r"\pi": "positives",
        "T": "temperature",
        "s": "similarities of rows and candidates",
        "p": "probability of a candidate for a row",
        "q": "probability of a row for a candidate",
        "u": "the derivative of a similarity",
    },
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = \frac{1}{T} \sum_j \left(p_{ij} - [j = \pi_i]\right) u_{ij}, "
    r"\qquad u_{ij} = \frac{1}{\|x_i\|} \left(\frac{y_j}{\|y_j\|} - s_{ij} \frac{x_i}{\|x_i\|}\right), \qquad "
    r"\text{symmetric:} \; \frac{\partial}{\partial x_i} \sum_k \ell_k = \frac{1}{T} \sum_j \left(\frac{p_{ij} + "
    r"q_{ij}}{2} - [j = i]\right) u_{ij}",
    derivation="By its similarities it is a cross-entropy, whose gradient is the softmax less 1 for the positive, "
    "over $T$; each similarity turns $x_i$ towards its candidate. The pulls of the negatives sum to that of the "
    "positive, and are dealt out by $p_{ij}$: at a low temperature the hardest few negatives have it all. "
    "Candidates that labels take out are in no sum. Of dot products (normalize=False) $u_{ij}$ is $y_j$.",
    unreduced="N",
    sources=(
        Source(
            "van den Oord, Li, Vinyals, Representation Learning with Contrastive Predictive Coding, 2018",
            "eq. (4), with f = exp(cos / T)",
            "arxiv.org/abs/1807.03748",
        ),
        Source(
            "Radford et al., Learning Transferable Visual Models From Natural Language Supervision, 2021",
            "fig. 3: symmetric",
            "arxiv.org/abs/2103.00020",
        ),
    ),
    properties=("nonnegative", "scale_invariant", "permutation_invariant"),
    rows_independent=False,
    elsewhere=(
        Elsewhere(
            "open_clip", "open_clip.ClipLoss", "symmetric=True, temperature=1 / logit_scale; it normalises nothing"
        ),
        Elsewhere(
            "sentence-transformers",
            "sentence_transformers.losses.MultipleNegativesRankingLoss",
            "temperature=1 / scale, 0.05 by default; extra negatives of a row stand in every row's denominator",
        ),
        Elsewhere(
            "optax", "optax.losses.ntxent", "of one set of rows and labels; other positives leave the denominator"
        ),
        Elsewhere(
            "pytorch-metric-learning",
            "pytorch_metric_learning.losses.NTXentLoss",
            "of the labels 0 to N - 1 of input, and of candidates as ref_emb and ref_labels",
        ),
        Elsewhere(
            "lossary",
            "linear_cross_entropy",
            "of rows of length 1, linear_weight=candidates, target=positives, temperature=T",
        ),
    ),
    examples=(
        Example(
            {"input": [[1.0, 0.0], [0.0, 1.0]], "candidates": [[1.0, 0.0], [0.0, 1.0]], "temperature": 1.0},
            0.3132616875182228,
            "log(1 + 1/e): cosine 1 with the positive, 0 with the other",
        ),
        Example(
            {
                "input": [[1.0, 0.0], [1.0, 0.0]],
                "candidates": [[1.0, 0.0], [0.0, 1.0]],
                "temperature": 1.0,
                "symmetric": True,
            },
            0.7532044340390841,
            "one way (log(1 + 1/e) + log(1 + e)) / 2, the other log 2",
        ),
        Example(
            {
                "input": [[3.0, 0.0]],
                "candidates": [[0.0, 2.0], [0.0, -1.0], [5.0, 0.0]],
                "positives": [2],
                "temperature": 1.0,
            },
            0.5514447139320511,
            "log(1 + 2/e), whatever the lengths",
        ),
    ),
    use_when=(
        "Each row has one partner, and batches are large: text and image, query and document, two crops of a picture.",
        "Hard negatives were mined beside those of the batch: pass them as negatives.",
        "One item may occur several times in a batch: pass labels, and no copy of the positive is a negative.",
    ),
    not_when=(
        "The classes are fixed, and known while training: cross_entropy, or linear_cross_entropy where there are many.",
        "A row has several partners that are all right: cross_entropy of the similarities, with a probability for "
        "each.",
        "A batch has but a few rows, and so few negatives: triplet_margin_loss with triplets that are looked for.",
    ),
    expect=Expect(
        Example(
            {"input": [[1.0, 0.0]] * 4, "candidates": [[1.0, 0.0]] * 4},
            1.3862943611198906,
            "all embeddings alike, each of 4 candidates as likely: log 4",
        ),
        "Above 0: cosines differ by at most 2, and M candidates cost at least log(1 + (M - 1) exp(-2 / temperature)). "
        "With normalize=False 0 is neared, where positives lead by far.",
    ),
    minimiser=Minimiser(
        "none: one embedding for all rows gives all the same probabilities of candidates; where each candidate "
        "belongs to one row, 1/M each is best, and costs log M."
    ),
    aliases=(
        "InfoNCE",
        "InfoNCELoss",
        "NT-Xent",
        "NTXentLoss",
        "ntxent",
        "ClipLoss",
        "CLIP loss",
        "MultipleNegativesRankingLoss",
        "in-batch negatives",
        "对比学习损失",
        "批内负样本",
    ),
    pitfalls=(
        "temperature divides: CLIP's logit_scale, and the scale of other libraries, multiplies. Pass 1 / scale.",
        "A copy of the positive among the candidates, such as the same caption twice, is a negative: the loss then "
        "cannot fall below log 2. Pass labels, which take out candidates of the positive's id.",
        "The gradient is of the size of 1 / (temperature · length of the row): short embeddings get huge ones.",
        "Over devices gather the candidates, pass positives with each device's offset, and mind who gets the gradient "
        "of gathered rows: that is the gather's matter.",
        "More candidates make a larger loss, about log M at the start: batches of other sizes do not compare.",
    ),
    check=_check,
    plot=Plot(
        -1.0,
        1.0,
        {"candidates": [[1.0, 0.0]], "labels": [0], "negatives": [[[0.0, 1.0]] * 7], "normalize": False},
        {"temperature": (0.05, 0.2, 1.0)},
        axis="cosine with the positive, beside 7 negatives at cosine 0",
        embed=lambda x: namespace(x).stack([x, namespace(x).zeros_like(x)], axis=-1),
    ),
    kernel=Similarities(),
)
def info_nce_loss(
    input: Annotated[A, features("N D")],
    candidates: Annotated[Array, candidates("M D")],
    positives: Annotated[Array | None, positives("N")] = None,
    labels: Annotated[Array | None, labels("M")] = None,
    reduction: Reduction = "mean",
    *,
    temperature: Annotated[Array | float, TEMPERATURE] = 0.07,
    symmetric: Annotated[bool, Flag()] = False,
    normalize: Annotated[bool, Flag(voids_properties=("scale_invariant",))] = True,
    negatives: Annotated[Array | None, candidates("N K D")] = None,
    memory_budget: Annotated[int | str | None, SIMILARITIES_AT_ONCE] = None,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Cross-entropy of each row's similarities with all candidates, its own positive being the class, in nats.

    Use it to learn embeddings from pairs that belong together, the rest of the batch being the negatives: queries and
    documents, two views of an image, with symmetric=True images and captions (CLIP). On the CPU the similarities, N · M
    numbers, are never whole: chunks of rows go through one buffer, and gradients are made on the way.

    Parameters
    ----------
    input : floating array (N, D)
        Embeddings, one row for each anchor.
    candidates : floating array (M, D)
        Embeddings that each row chooses among.
    positives : integer array (N,), optional
        The candidate that belongs to each row, 0 to M - 1. None pairs row i with candidate i; others are negatives.
    labels : integer array (M,), optional
        What each candidate is, of any numbers: those with the label of a row's positive are no negatives of that row.
    temperature : float in (0, inf)
        What similarities are divided by; usually 0.01 to 0.5. A 0-d array has its derivative, and is learned.
    symmetric : bool
        The mean of both directions: each row among the candidates, and each candidate among the rows. It pairs row i
        with candidate i, and so takes M = N and no positives.
    normalize : bool
        Whether similarities are cosines; if not, they are dot products.
    negatives : floating array (N, K, D), optional
        More negatives of each row, which no other row sees.
    memory_budget : int or str, optional
        Bytes that similarities may take at a time, or a text such as "64MB" or "1GiB"; at least 16 rows are taken. None
        is 64 MiB. torch by the formula makes them all (`lossary.explain` says what runs).
    reduction : "mean", "sum" or "none"
    sample_weight, normalizer, impl
        As for every loss: a weight for each row, the denominator of the mean, and the implementation
        (docs/conventions.md). A row of weight 0 is not in the batch: neither an anchor nor, with its positive, a
        candidate.

    Edge cases
    ----------
    One candidate costs 0, with gradient 0. A row of zeros has cosine 0 with all, and gradient 0: it costs log M. Small
    losses keep their digits. Infinite embeddings are NaN, as their cosines are. A positive of several rows leaves the
    batch with the last of them.

    Differs from torch
    ------------------
    torch has no such loss. From other libraries:

    - a nearly perfect row at a low temperature: its loss to the last digit; PML: a floor inside its logarithm
    - copies of the positive: labels take them out; elsewhere: negatives (UKPLab/sentence-transformers#3189)

    Raises
    ------
    IndexError
        On the CPU where a positive is not a candidate.
    ValueError, TypeError
        Where shapes, dtypes or options do not fit: too few candidates, symmetric with positives, a temperature of 0.

    Examples
    --------
    >>> import numpy as np
    >>> float(info_nce_loss(np.eye(2), np.eye(2), temperature=1.0))  # log(1 + 1/e)
    0.31326168751822286
    """
    xp, rows = namespace(input), input.shape[0]
    index, _, outside = targets(places(input, positives), candidates.shape[0])
    in_batch, of_candidates = None, None
    if sample_weight is not None:
        in_batch = xp.broadcast_to(sample_weight != 0, (rows,))
        of_candidates = remaining(in_batch, positives, candidates.shape[0])
    x, y, others = (unit(v) if normalize and v is not None else v for v in (input, candidates, negatives))
    ids = None if labels is None else (xp.take(labels, index, axis=0), labels)
    most = rows_at_once(candidates, memory_budget)
    values = _against(x, y, index, temperature, most, counted=of_candidates, ids=ids, others=others)
    if symmetric:
        back = _against(y, x, index, temperature, most, counted=in_batch, ids=ids)
        values = 0.5 * (values + back)
    values = xp.where(outside, xp.nan, values)
    if in_batch is None:
        return values
    return Unreduced(xp.where(in_batch, values, 0.0), cast(in_batch, values.dtype))  # pyright: ignore[reportReturnType]
