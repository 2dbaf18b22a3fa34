from typing import Annotated, Any

from lossary.core.arrays import A, Array, Impl, Reduction, by_rows, kind
from lossary.core.check import Checked
from lossary.core.contract import (
    Instance,
    Range,
    class_indices,
    features,
    linear_weights,
    logits,
    target_probabilities,
    weights,
)
from lossary.core.elementary import SOFTCAP, TEMPERATURE
from lossary.core.projection import LOGITS_AT_ONCE, counted_logits, rows_at_once
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Source, record_of
from lossary.core.reduce import Unreduced
from lossary.core.sparse_targets import SparseTargets
from lossary.dispatch.loss import loss
from lossary.kernels.families import LinearRows
from lossary.losses.classification.cross_entropy import (
    LABEL_SMOOTHING,
    Z_LOSS,
    check_ignore_index,
    cross_entropy,
    of_sparse_targets,
)


def _check(call: Checked) -> None:
    check_ignore_index(call)
    if call.dims["d"] and call.dims["N"] is None:
        shape = tuple(call.values["linear_weight"].shape)
        raise ValueError(
            f"linear_cross_entropy: linear_weight, of shape {shape}, has dimensions between classes and features, "
            f"and input, of shape {tuple(call.first.shape)}, has no batch. "
            "Pass input.unsqueeze(0) and target.unsqueeze(0)"
        )


def _of_sparse_targets(
    input: Array,
    linear_weight: Array,
    target: Array,
    target_shares: Array,
    linear_bias: Array | None,
    memory_budget: int,
    **options: Any,
) -> Unreduced:
    def of_rows(input: Array, target: Array, target_shares: Array) -> Unreduced:
        x = counted_logits(input, linear_weight, linear_bias, target != options["ignore_index"])
        return of_sparse_targets(x, target, target_shares, **options)

    most = rows_at_once(linear_weight, memory_budget)
    return by_rows(of_rows, input.ndim - 1, most, input, target, target_shares)


@loss(
    family="classification",
    title="Cross-entropy of a linear layer's outputs",
    formula=r"\ell_n = -w_{y_n} \log \frac{e^{z_{n,y_n}}}{\sum_c e^{z_{n,c}}}, "
    r"\qquad z_n = W x_n + b",
    symbols={
        "x": "input",
        "W": "linear_weight",
        "b": "linear_bias",
        "z": "the logits",
        "y": "target",
        "w": "weight",
    },
    gradient=r"\frac{\partial \ell_n}{\partial x_{n,d}} = w_{y_n} \sum_c (p_{n,c} - [c = y_n]) W_{c,d}, \qquad "
    r"p_n = \mathrm{softmax}(z_n), \qquad z_n = W x_n + b",
    derivation=r"By the logits it is cross-entropy's, $g_n = w_{y_n} (p_n - e_{y_n})$ with the one-hot vector $e$; the "
    r"chain rule takes it through the layer: $W^\mathrm{T} g_n$ for the features, $\sum_n g_n x_n^\mathrm{T}$ for $W$, "
    r"$\sum_n g_n$ for $b$. The features move towards the true class's row of weights, and away from the mean of all "
    r"rows under $p_n$. Each of the three needs a few rows of $g$ at a time, so the logits never have to be whole.",
    unreduced="?N *n *d",
    sources=(
        Source("Bridle, Training Stochastic Model Recognition Algorithms as Networks, 1989", "p. 213"),
        Source(
            "Wijmans et al., Cut Your Losses in Large-Vocabulary Language Models, 2025", url="arxiv.org/abs/2411.09009"
        ),
    ),
    properties=("convex", "nonnegative", "permutation_invariant", "class_symmetric", "proper"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.linear_cross_entropy"),
        Elsewhere("lossary", "cross_entropy", "of linear(input, linear_weight, linear_bias)"),
    ),
    examples=(
        Example(
            {"input": [[0.0, 0.0]], "linear_weight": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], "target": [2]},
            1.3862943611198906,
            "log 4: features of 0 make four equal logits",
        ),
        Example(
            {"input": [[1.0, 0.0]], "linear_weight": [[1.0986122886681098, 5.0], [0.0, 7.0]], "target": [0]},
            0.28768207245178085,
            "log (4/3): the logits are log 3 and 0",
        ),
        Example(
            {
                "input": [[2.0]],
                "linear_weight": [[3.0], [3.0]],
                "target": [1],
                "linear_bias": [1.0986122886681098, 0.0],
            },
            1.3862943611198906,
            "log 4: only the bias, log 3 and 0, tells the classes apart",
        ),
    ),
    use_when=(
        "The vocabulary is large: logits of 8192 tokens and 128 000 classes are 4 GB in fp32, here they are made in "
        "chunks.",
        "The output layer shares its weights with the embedding: pass them as linear_weight.",
    ),
    not_when=(
        "The logits are wanted too, for accuracy, sampling or distillation: cross_entropy of them.",
        "There are few classes: logits are small, and cross_entropy says the same with a plain nn.Linear.",
    ),
    expect=Expect(
        Example(
            {
                "input": [[1.0, -2.0]],
                "linear_weight": [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
                "target": [2],
            },
            1.3862943611198906,
            "weights near 0 make 4 equal logits: log 4; log C of C classes",
        ),
        "0, approached as the true class's logit leads without bound; never negative. With target probabilities or "
        "label smoothing the entropy of the target that results.",
    ),
    minimiser=Minimiser(
        "none: the input is features, not a prediction. A layer that sees nothing but its bias learns the logarithm of "
        "the class shares in it, as cross_entropy does in its logits."
    ),
    aliases=(
        "LinearCrossEntropyLoss",
        "fused linear cross-entropy",
        "FusedLinearCrossEntropyLoss",
        "cut cross-entropy",
        "线性交叉熵",
        "融合线性交叉熵",
    ),
    pitfalls=(
        "The input is features, not logits: the layer whose weights are passed here must leave the model, or its "
        "features are projected twice.",
        "linear_weight is (C, D), as nn.Linear and nn.Embedding hold it, and may be theirs: then the weights are tied, "
        "and gradients of both uses add up. A transposed (D, C) passes without an error if C equals D.",
        "The mean over micro-batches of unequal token counts is not the mean over the batch: pass normalizer.",
    ),
    check=_check,
    variant=SparseTargets(_of_sparse_targets, "?N *n K *d", lambda input: input.ndim - 1),
    kernel=LinearRows(),
)
def linear_cross_entropy(
    input: Annotated[A, features("?N *n D")],
    linear_weight: Annotated[A, linear_weights("C *d D")],
    target: Annotated[Array, class_indices("?N *n *d") | target_probabilities("?N *n C *d")],
    *,
    linear_bias: Annotated[Array | None, logits("C *d")] = None,
    weight: Annotated[Array | None, weights("C")] = None,
    reduction: Reduction = "mean",
    ignore_index: Annotated[int | None, Range(integer=True, none_means=-100)] = None,
    label_smoothing: Annotated[Array | float, LABEL_SMOOTHING] = 0.0,
    options: Annotated[object | None, Instance("torch.nn.LinearCrossEntropyOptions")] = None,
    softcap: Annotated[Array | float | None, SOFTCAP] = None,
    temperature: Annotated[Array | float, TEMPERATURE] = 1.0,
    z_loss: Annotated[Array | float, Z_LOSS] = 0.0,
    memory_budget: Annotated[int | str | None, LOGITS_AT_ONCE] = None,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Cross-entropy between the softmax of a linear layer's outputs and a target, in nats.

    Use it for the last layer of a language model or of a classifier with many classes, in one call with the loss. It is
    `cross_entropy` of `linear(input, linear_weight, linear_bias)`: what holds there holds here. On the CPU the logits,
    the largest tensor of a language model, are never whole: chunks of rows go through one buffer, gradients are made
    on the way, and rows that are ignored or of weight 0 cost nothing. Where logits are wanted for something else too,
    use `cross_entropy`.

    Parameters
    ----------
    input : floating array (N, D), (N, n1, ..., D), or (D,)
        Features, D for each row.
    linear_weight : floating array (C, D), or (C, d1, ..., D)
        One row of weights for each class. With dimensions d between, each row of features is classified at each of
        their positions; it then needs a batch.
    target : integer array (N, n1, ..., d1, ...), or floating array (N, n1, ..., C, d1, ...)
        Classes, 0 to C - 1, of any integer dtype; or a probability for each class. Also `lossary.TopK` and
        `lossary.Mixed`, as in `cross_entropy`.
    linear_bias : array (C,), or (C, d1, ...), optional
        Added to the logits; -inf takes a class out.
    weight : array (C,), optional
        Weight of each class, as in `cross_entropy`.
    reduction : "mean", "sum" or "none"
    ignore_index : int, optional
        Rows with this class index count for nothing: value, denominator and gradient are exactly 0. None stands for
        -100. With probabilities it must stay negative.
    label_smoothing : float in [0, 1]
        Share of the target that is spread evenly over all classes.
    options : torch.nn.LinearCrossEntropyOptions, optional
        How torch cuts the batch into chunks and in what precision it adds them up; accepted, it changes nothing here.
    memory_budget : int or str, optional
        Bytes that logits may take at a time, or a text such as "64MB" or "1GiB"; at least 16 rows are taken. None is
        256 MiB. torch by the formula makes all logits (`lossary.explain` says what runs).
    softcap, temperature, z_loss : float
        As in `cross_entropy`.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    Those of `cross_entropy`, of the logits. Infinite features give what the projection gives: inf, or NaN from
    inf - inf and 0 · inf. Inside torch.autocast the projection stays in the dtype of its operands; gradients
    of weights in half precision are added up in fp32.

    In the fused kernel a row's loss has the same bits whatever the other rows hold, how many they are and in which
    chunk it comes: products are of whole blocks of 16 rows, which torch's BLAS on x86 takes alike. By the formula its
    last bits may follow the size of the batch, as those of any matrix product do.

    Differs from torch
    ------------------
    As `cross_entropy` does, and:

    - an ignored row that holds inf or NaN: gradient 0, of linear_weight too; torch: NaN (#11551)
    - half precision: logits in fp32, one rounding at the end, but for bf16 weights of 2^14 numbers or more, whose
      product is rounded; torch: rounds the logits (#187053)
    - batches of more than one dimension, (N, n1, ..., D): one loss for each row; torch: `RuntimeError`
    - options: accepted, change neither values nor derivatives; torch: with them no second derivative, forward mode or
      vmap, and a second backward on demand only (#181574)
    - ignore_index=-100 beside probabilities: accepted, as None is; torch: `RuntimeError`

    Raises
    ------
    IndexError
        On the CPU where a target is not a class.
    ValueError, TypeError
        Where shapes, dtypes or options do not fit, or probabilities leave [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> round(float(linear_cross_entropy(np.zeros((1, 3)), np.ones((4, 3)), np.array([2]))), 6)  # log 4
    1.386294
    """

    def of_rows(input: Array, target: Array) -> Array | Unreduced:
        return record_of(cross_entropy).function(
            counted_logits(input, linear_weight, linear_bias, target != ignore_index if has_classes else None),
            target,
            weight,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            softcap=softcap,
            temperature=temperature,
            z_loss=z_loss,
        )

    has_classes = kind(target) == "integer"
    return by_rows(of_rows, input.ndim - 1, rows_at_once(linear_weight, memory_budget), input, target)
