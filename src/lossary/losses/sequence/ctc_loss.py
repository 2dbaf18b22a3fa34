from typing import Annotated

from lossary.core.alignments import check_labels, check_sequences, over_all_alignments
from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import Flag, Range, label_sequences, lengths, log_probabilities
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import CTC


@loss(
    family="sequence",
    title="Connectionist temporal classification: sequences without an alignment",
    formula=r"\ell = -\log \sum_{\pi \in \mathcal{B}^{-1}(y)} \prod_{t=1}^{T} p_{t, \pi_t}",
    symbols={
        r"\log p": "log_probs",
        "p": "probabilities of each frame",
        "y": "targets",
        r"\pi": "a path: a class for each frame",
        r"\mathcal{B}": "merges repeats and drops blanks",
        "T": "input_lengths",
        r"\gamma": "posterior of a class in a frame",
    },
    gradient=r"\frac{\partial \ell}{\partial \log p_{t,k}} = -\gamma_{t,k} \qquad \gamma_{t,k} = e^{\ell} \sum_{\pi "
    r"\in \mathcal{B}^{-1}(y): \pi_t = k} \prod_{s=1}^{T} p_{s,\pi_s}",
    derivation="Each path's probability is a product in which $p_{t,k}$ stands once, if the path is at $k$ in frame "
    r"$t$: by $\log p_{t,k}$ the sum's derivative is the sum of those paths. Over the whole it is their share, the "
    r"posterior $\gamma_{t,k}$ of class $k$ in frame $t$, which sums to 1 in each frame. The forward and backward "
    "recursions add up all paths in $T$ times $2 U + 1$ steps, $U$ being the number of labels.",
    unreduced="?N",
    sources=(
        Source(
            "Graves, Fernández, Gomez, Schmidhuber, Connectionist Temporal Classification, 2006",
            "eqs. (3), (6), (8), (14)",
            "doi.org/10.1145/1143844.1143891",
        ),
    ),
    properties=("nonnegative", "permutation_invariant", "class_symmetric"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.ctc_loss"),
        Elsewhere("optax", "optax.ctc_loss", "takes logits (N, T, C) and padding masks"),
        Elsewhere("keras", "keras.losses.CTC", "takes logits (N, T, C)"),
    ),
    examples=(
        Example(
            {
                "log_probs": [[[-0.6931471805599453, -0.6931471805599453]]] * 2,
                "targets": [[1]],
                "input_lengths": [2],
                "target_lengths": [1],
            },
            0.2876820724517809,
            "three of the four paths of two fair frames spell the label: -log ¾",
        ),
    ),
    use_when=(
        "Frames are many and labels few, both in the same order, and nobody has said which frame is which label.",
        "The model ends in log_softmax already, as one that was written for torch's ctc_loss.",
    ),
    not_when=(
        "The model answers logits: ctc_loss_with_logits, which is faster and keeps the digits of small losses.",
        "Labels depend on those before, or outnumber the frames: rnnt_loss.",
        "Each frame has its label: cross_entropy.",
    ),
    expect=Expect(
        Example(
            {
                "log_probs": [[[-1.0986122886681098] * 3]] * 4,
                "targets": [[1, 2]],
                "input_lengths": [4],
                "target_lengths": [2],
            },
            0.8431994767851145,
            "3 classes alike in 4 frames, 15 paths that spell 2 labels, per label: (4 log 3 - log 15) / 2",
        ),
        "0, where in each frame one class has all the probability, and they spell the target.",
    ),
    minimiser=Minimiser("none: the same probabilities in every frame spell a sequence as readily as its reverse."),
    aliases=(
        "CTCLoss",
        "CTC",
        "connectionist temporal classification",
        "CTC 损失",
        "连接时序分类",
        "联结主义时间分类",
    ),
    pitfalls=(
        "A target needs as many frames as labels, plus one for each pair of equal neighbours; with fewer, the loss is "
        "inf. zero_infinity=True drops such samples.",
        "The input is log-probabilities (T, N, C): time first, after log_softmax. Logits give a number too, even a "
        "negative one; for them there is ctc_loss_with_logits, which is faster.",
        "The blank is a class of its own, 0 by default: no label may have its index.",
        "The mean divides each loss by its target's length, then averages over the batch.",
    ),
    check=check_sequences,
    check_data=check_labels,
    kernel=CTC(),
)
def ctc_loss(
    log_probs: Annotated[A, log_probabilities("T ?N C")],
    targets: Annotated[A, label_sequences("?N S") | label_sequences("L")],
    input_lengths: Annotated[Array, lengths("?N", along="T") | lengths("1", along="T")],
    target_lengths: Annotated[Array, lengths("?N", along="S") | lengths("1", along="S")],
    blank: Annotated[int, Range(0, integer=True)] = 0,
    reduction: Reduction = "mean",
    zero_infinity: Annotated[bool, Flag()] = False,
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Minus the log-probability that frames spell a sequence of labels, over all alignments, in nats.

    Use it where the output is shorter than the input and its timing is unknown: speech, handwriting. An alignment
    repeats labels and puts blanks between them; merging repeats and dropping blanks gives the target.

    Parameters
    ----------
    log_probs : floating array (T, N, C), or (T, C)
        Log-probabilities of each frame.
    targets : integer array (N, S), or (S,), or all labels concatenated: (sum of target_lengths,)
        Labels; what stands beyond a target's length is not read.
    input_lengths, target_lengths : integer array, list or tuple (N,), or ()
        How many frames and labels of each sample count.
    blank : int in [0, C)
        The class that stands for no label.
    zero_infinity : bool
        Whether impossible samples count 0 instead of inf.
    reduction : "mean", "sum" or "none"
        "mean" divides each loss by its target's length (at least 1), then averages over the batch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    An impossible alignment is inf with gradient 0. No frames and no labels cost 0. -inf takes a class out of a frame.

    Differs from torch
    ------------------
    - gradient with respect to the log-probabilities: minus the posterior; torch: right through log_softmax only
      (#52241, #82545, #127608, #181534)
    - a label that is no class: `IndexError` on the CPU; torch: a number, or a crash in the backward (#193794, #174988,
      #197799)
    - the blank among the labels: `ValueError` on the CPU; torch: a number (yl4579/AuxiliaryASR#4, espnet/espnet#700)
    - gradient of a sample without an alignment: 0; torch: NaN (#31557, #14335, #21680)
    - gradient of a class masked with -inf: 0; torch: NaN (google-deepmind/optax#896)
    - forward mode and second derivatives: work; torch: not implemented (pytorch/functorch#658)
    - fp16 and bf16 on the CPU: work; torch: not implemented

    Raises
    ------
    IndexError
        On the CPU where a label is not a class.
    ValueError, TypeError
        Where a label is the blank, lengths do not fit, or shapes, dtypes or options do not.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.log(np.full((2, 1, 2), 0.5))
    >>> float(ctc_loss(frames, np.array([[1]]), (2,), (1,)))  # -log ¾
    0.2876820724517809
    """
    return over_all_alignments(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)  # pyright: ignore[reportReturnType]
