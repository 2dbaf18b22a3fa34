import math
from typing import Annotated, Any

from lossary.core.arrays import A, Array, Impl, Reduction, kind, namespace
from lossary.core.check import Checked
from lossary.core.classes import adapt_target, along, class_axis, pick_weight, targets
from lossary.core.contract import Flag, Range, class_indices, logits, target_probabilities, weights
from lossary.core.elementary import (
    SOFTCAP,
    TEMPERATURE,
    is_number,
    log_softmax,
    logsumexp,
    softplus,
    times,
    transformed,
)
from lossary.core.minimisers import log_shares
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.core.reduce import Unreduced
from lossary.core.rows import local
from lossary.core.sparse_targets import SparseTargets
from lossary.dispatch.loss import loss
from lossary.kernels.families import SoftmaxRows


def check_ignore_index(call: Checked) -> None:
    ignored = call.values["ignore_index"]
    if ignored >= 0 and kind(call.values["target"]) == "float":
        raise ValueError(
            f"{call.loss.name}: ignore_index is {ignored} and target holds probabilities, which have no index to "
            "ignore. Drop rows with sample_weight=0"
        )


LABEL_SMOOTHING = Range(0.0, 1.0, voids_properties=("proper",))
Z_LOSS = Range(0.0, math.inf, high_open=True, voids_properties=("convex", "shift_invariant", "proper"))


def of_sparse_targets(
    input: Array,
    target: Array,
    target_shares: Array,
    is_mixed: bool,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: Array | float,
    softcap: Array | float,
    temperature: Array | float,
    z_loss: Array | float,
    **unused: Any,
) -> Unreduced:
    """The formula of cross_entropy for `lossary.TopK` and `lossary.Mixed`, as SparseTargets calls it."""
    xp, axis = namespace(input), class_axis(input)
    classes = input.shape[axis]
    index, counted, outside = targets(target, classes, ignore_index)
    counts = xp.any(counted, axis=axis)
    x = transformed(xp.where(xp.expand_dims(counts, axis=axis), input, 0.0), softcap, temperature)
    part = xp.where(counted, target_shares, 0.0)
    if weight is not None:
        part = part * xp.reshape(xp.take(weight, xp.reshape(index, (-1,)), axis=0), index.shape)
    class_weight = 1.0 if weight is None else along(weight, axis, input.ndim)
    spread = None if is_number(label_smoothing, 0) else label_smoothing / classes * class_weight
    row = local(x, axis, weights=spread, sparse_weights=(index, (1 - label_smoothing) * part))
    values = row.weighted_nll()
    if not is_number(z_loss, 0):
        values = values + times(z_loss, row.lse() ** 2)
    values = xp.where(counts, values, 0.0)
    values = xp.where(xp.any(outside, axis=axis), xp.nan, values)
    # Not a cast of `counts`, in which a DTensor adds up what it found on each rank.
    rows = xp.sum(part, axis=axis) if is_mixed else xp.where(counts, xp.ones_like(values), 0.0)
    return Unreduced(values, denominator=rows)


@loss(
    family="classification",
    title="Cross-entropy of logits with class indices or probabilities",
    formula=r"\ell_n = -w_{y_n} \log \frac{e^{x_{n,y_n}}}{\sum_c e^{x_{n,c}}} "
    r"= w_{y_n} \, \mathrm{softplus}\!\left(\log \textstyle\sum_{c \ne y_n} e^{x_{n,c}} - x_{n,y_n}\right), "
    r"\qquad \ell_n = -\sum_c w_c \, t_{n,c} \log \mathrm{softmax}(x_n)_c",
    symbols={"x": "input", "y": "target", "t": "target", "w": "weight"},
    gradient=r"\frac{\partial \ell_n}{\partial x_{n,c}} = w_{y_n} (p_{n,c} - [c = y_n]), \qquad "
    r"p_n = \mathrm{softmax}(x_n), \qquad "
    r"\frac{\partial \ell_n}{\partial x_{n,c}} = p_{n,c} \sum_k w_k \, t_{n,k} - w_c \, t_{n,c}",
    derivation=r"Without weights the loss is $\log \sum_k e^{x_{n,k}} - x_{n,y_n}$. The derivative of the first term "
    r"by $x_{n,c}$ is $p_{n,c}$, that of the second is 1 for the true class: what is predicted minus what is true, "
    r"$p_n - t_n$ for probabilities. Over the classes it sums to 0: what the true class gains the others lose, in "
    r"proportion to their probabilities. A row that is wrong beyond doubt still has a gradient of 1, where that of a "
    r"squared error of probabilities has a factor $p (1 - p)$ and vanishes.",
    unreduced="?N *d",
    sources=(
        Source("Bridle, Training Stochastic Model Recognition Algorithms as Networks, 1989", "p. 213"),
        Source(
            "Szegedy et al., Rethinking the Inception Architecture, 2016",
            "sec. 7: smoothing",
            "arxiv.org/abs/1512.00567",
        ),
        Source("Chowdhery et al., PaLM, 2022", "sec. 5: z-loss", "arxiv.org/abs/2204.02311"),
        Source("Gemma Team, Gemma 2, 2024", "sec. 2: softcap", "arxiv.org/abs/2408.00118"),
    ),
    properties=("convex", "nonnegative", "shift_invariant", "permutation_invariant", "class_symmetric", "proper"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.cross_entropy"),
        Elsewhere("optax", "optax.softmax_cross_entropy_with_integer_labels", "unreduced; classes along the last axis"),
        Elsewhere("keras", "keras.losses.SparseCategoricalCrossentropy", "with from_logits=True"),
        Elsewhere("lossary", "nll_loss", "of log_softmax"),
    ),
    examples=(
        Example({"input": [[0.0, 0.0, 0.0, 0.0]], "target": [2]}, 1.3862943611198906, "log 4: four equal logits"),
        Example({"input": [[0.0, 0.0]], "target": [[0.25, 0.75]]}, 0.6931471805599453, "log 2 whatever the target"),
        Example(
            {"input": [[1.0986122886681098, 0.0]], "target": [0], "label_smoothing": 0.5},
            0.5623351446188083,
            "p = (¾, ¼), t = (¾, ¼): the entropy of t",
        ),
    ),
    use_when=(
        "Each row has one class out of several, and probabilities are wanted: they are right where the loss is least.",
        "The target itself is a distribution: a teacher's softmax, several annotators, mixup.",
        "A language model predicts tokens: the loss is in nats a token, and its exponential is the perplexity.",
    ),
    not_when=(
        "Several classes may be true of one row: binary_cross_entropy_with_logits, one logit for each.",
        "The model returns log-probabilities: nll_loss. Logits of a last layer over a large vocabulary that do not fit "
        "in memory: linear_cross_entropy.",
        "Only the decision counts, and rows that are right by a margin should stop learning: categorical_hinge_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]], "target": [3]},
            2.302585092994046,
            "10 equal logits: log 10",
        ),
        "0, approached as the true class leads without bound; never negative. With target probabilities or label "
        "smoothing the entropy of the target that results, where the softmax is that target.",
    ),
    minimiser=Minimiser(
        "The logarithm of the class shares, up to a number that is added to all: softmax of it gives the shares. With "
        "label_smoothing the shares are mixed with the uniform distribution, with weight each is multiplied by its "
        "weight, then all are divided by their sum; a temperature multiplies the logits.",
        lambda target, weight=None, label_smoothing=0.0, temperature=1.0: (
            temperature * log_shares(target, weight, label_smoothing)
        ),
    ),
    aliases=(
        "CrossEntropyLoss",
        "ce",
        "CategoricalCrossentropy",
        "SparseCategoricalCrossentropy",
        "softmax_cross_entropy",
        "softmax_cross_entropy_with_integer_labels",
        "softmax loss",
        "交叉熵",
        "交叉熵损失",
        "多分类交叉熵",
    ),
    pitfalls=(
        "The input is logits. Softmax first, and the loss cannot fall below log(1 + (C - 1)/e): 1.461 for 10 classes, "
        "and gradients shrink.",
        "Classes are dimension 1: (N, C, L), not (N, L, C). If L equals C the wrong order passes without an error.",
        "An untrained model stands near log C: 2.303 for 10 classes. Above it, look for a bug; stuck at it, nothing is "
        "learnt; at the entropy of the class frequencies, only the frequencies are.",
        "ignore_index names a target value, not a position, and leaves that class in the softmax.",
        "The mean over micro-batches of unequal token counts is not the mean over the batch: pass normalizer.",
        "With weight, the mean of class indices divides by the weights of the targets, that of probabilities by N.",
    ),
    check=check_ignore_index,
    adapt=adapt_target,
    variant=SparseTargets(of_sparse_targets, "?N K *d", class_axis),
    plot=Plot(
        -6.0,
        6.0,
        {"target": [0]},
        {"label_smoothing": (0.0, 0.1, 0.3)},
        axis="logit of the true class, the other being 0",
        embed=lambda x: namespace(x).stack([x, 0 * x], axis=-1),
    ),
    kernel=SoftmaxRows(),
)
def cross_entropy(
    input: Annotated[A, logits("?N C *d")],
    target: Annotated[Array, class_indices("?N *d") | target_probabilities("?N C *d")],
    weight: Annotated[Array | None, weights("C")] = None,
    size_average: bool | None = None,
    ignore_index: Annotated[int, Range(integer=True)] = -100,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    label_smoothing: Annotated[Array | float, LABEL_SMOOTHING] = 0.0,
    *,
    inplace_backward: Annotated[bool, Flag(changes_answers=False)] = False,
    softcap: Annotated[Array | float | None, SOFTCAP] = None,
    temperature: Annotated[Array | float, TEMPERATURE] = 1.0,
    z_loss: Annotated[Array | float, Z_LOSS] = 0.0,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Cross-entropy between the softmax of logits and a target, in nats.

    Use it for one class out of many: classification, language models, segmentation. If several labels may be true at
    once use `binary_cross_entropy_with_logits`; if the model ends in log_softmax, `nll_loss`.

    Parameters
    ----------
    input : floating array (N, C, d1, ...), or (C,)
        Logits: scores before any softmax.
    target : integer array (N, d1, ...), or floating array of the shape of `input`
        Classes, 0 to C - 1, of any integer dtype; or a probability for each class. Also `lossary.TopK(indices, probs)`,
        probabilities of K classes, and `lossary.Mixed(a, b, lam)`, mixup of two.
    weight : array (C,), optional
        Weight of each class; `lossary.class_weights` estimates it. The mean over class indices divides by the sum
        of the weights of the rows' classes, the mean over probabilities by the number of rows.
    ignore_index : int
        Rows with this class index count for nothing: value, denominator and gradient are exactly 0. With
        probabilities it must stay negative.
    label_smoothing : float in [0, 1]
        Share of the target that is spread evenly over all classes. 0 is the plain loss; at 1 the target is uniform.
    inplace_backward : bool
        Whether the backward writes the gradient over the logits, which nobody may need any more: no memory is taken for
        it, and the forward's work is done twice. Where it would be unsafe the call raises: logits that are a leaf of
        autograd, or not contiguous, compiled code, and whatever the fused kernel does not serve. If another operation
        has saved the logits for its own backward, torch raises there. There is no second derivative.
    softcap : float above 0, optional
        Logits become softcap · tanh(input / softcap) first: they stay within ±softcap, a masked one of -inf too.
    temperature : float in (0, inf)
        Logits, capped, are divided by it. Above 1 the distribution is flatter, and gradients are smaller. As a 0-d
        array it can be learned, as every number among the options.
    z_loss : float in [0, inf)
        z_loss · (log Σ exp of the logits)² is added to each row that counts, whatever its class weight: it keeps logits
        near 0 (1e-4 is usual).
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    A logit of -inf takes its class out of the softmax: it costs nothing where its target is 0, and inf where it is not
    (so with label smoothing). A mean over no rows is 0 with gradient 0. A row of -inf alone is NaN. The loss of a
    confident, right row keeps its digits: 1e-20 is not rounded to 0.

    Differs from torch
    ------------------
    - a class of probability 0 at a logit of -inf: costs 0; torch: NaN, in forward mode too (google-deepmind/optax#896,
      google-deepmind/optax#1762, OpenBMB/ModelCenter#14)
    - gradient of an ignored row that holds inf or NaN: 0; torch: NaN (#11551)
    - a class weight of 0 at an infinite loss: 0; torch: NaN
    - a single logit of +inf: the limit, probability 1; torch: NaN (#6864)
    - a confident, right row: keeps its digits, 2e-9 at a lead of 20 in fp32; torch: 0 below 6e-8, and no gradient of
      the class
    - rows of no classes (C = 0): 0; torch: NaN (#73165)
    - target probabilities outside [0, 1]: `ValueError` on the CPU; torch: accepted (#152437)
    - label_smoothing below 0: `ValueError`; torch: ignored (#134767)

    Raises
    ------
    IndexError
        On the CPU where a target is not a class.
    ValueError, TypeError
        Where shapes, dtypes or options do not fit, or probabilities leave [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> round(float(cross_entropy(np.zeros((1, 4)), np.array([2]))), 6)  # log 4
    1.386294
    """
    xp = namespace(input)
    axis = class_axis(input)
    classes = input.shape[axis]
    share = label_smoothing / max(classes, 1)
    class_weight = 1.0 if weight is None else along(weight, axis, input.ndim)
    if kind(target) == "float":
        smoothed = target if is_number(label_smoothing, 0) else target * (1 - label_smoothing) + share
        x = transformed(input, softcap, temperature)
        values = xp.sum(times(class_weight * smoothed, -log_softmax(x, axis)), axis=axis)
        return values if is_number(z_loss, 0) else values + times(z_loss, logsumexp(x, axis) ** 2)

    index, counted, outside = targets(target, classes, ignore_index)
    # An ignored row may hold inf or NaN: nothing of it enters.
    x = transformed(xp.where(xp.expand_dims(counted, axis=axis), input, 0.0), softcap, temperature)
    row = local(x, axis, index, weights=None if is_number(label_smoothing, 0) else share * class_weight)
    row_weight = xp.astype(counted, x.dtype)
    if weight is not None:
        row_weight = row_weight * pick_weight(weight, index)
    values = times((1 - label_smoothing + share) * row_weight, softplus(row.log_odds_against()))
    if not is_number(label_smoothing, 0):
        values = values + xp.where(counted, row.weighted_nll(), 0.0)
    if not is_number(z_loss, 0):
        values = values + xp.where(counted, times(z_loss, row.lse() ** 2), 0.0)
    return Unreduced(xp.where(outside, xp.nan, values), denominator=row_weight)  # pyright: ignore[reportReturnType]
