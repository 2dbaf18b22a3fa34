from typing import Annotated

from lossary.core.alignments import check_labels, check_sequences, over_all_alignments
from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import Flag, Range, label_sequences, lengths, logits
from lossary.core.elementary import log_softmax
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import CTC


@loss(
    family="sequence",
    title="Connectionist temporal classification of logits, the softmax included",
    formula=r"\ell = -\log \sum_{\pi \in \mathcal{B}^{-1}(y)} \prod_{t=1}^{T} p_{t, \pi_t}, "
    r"\qquad p_t = \mathrm{softmax}(x_t)",
    symbols={
        "x": "logits",
        "p": "probabilities of each frame",
        "y": "targets",
        r"\pi": "a path: a class for each frame",
        r"\mathcal{B}": "merges repeats and drops blanks",
        "T": "input_lengths",
        r"\gamma": "posterior of a class in a frame",
    },
    gradient=r"\frac{\partial \ell}{\partial x_{t,k}} = p_{t,k} - \gamma_{t,k} \qquad \gamma_{t,k} = e^{\ell} "
    r"\sum_{\pi \in \mathcal{B}^{-1}(y): \pi_t = k} \prod_{s=1}^{T} p_{s,\pi_s}",
    derivation=r"By the logarithms of the probabilities the derivative is $-\gamma$, minus the posterior of each "
    r"class in each frame; as $\gamma$ sums to 1 in a frame, the softmax turns that into $p - \gamma$. It is the "
    "gradient of a cross-entropy in each frame whose target is what the model's own paths hold likely there. Where "
    "all classes are alike, blanks have about half of it, and each label far less: a fresh model first learns to "
    "say blanks.",
    unreduced="?N",
    sources=(
        Source(
            "Graves, Fernández, Gomez, Schmidhuber, Connectionist Temporal Classification, 2006",
            "eqs. (3), (6), (8), (14)",
            "doi.org/10.1145/1143844.1143891",
        ),
    ),
    properties=("nonnegative", "shift_invariant", "permutation_invariant", "class_symmetric"),
    elsewhere=(
        Elsewhere("lossary", "ctc_loss", "of log_softmax(logits)"),
        Elsewhere("torch", "torch.nn.functional.ctc_loss", "of log_softmax(logits)"),
        Elsewhere("optax", "optax.ctc_loss", "(N, T, C), and padding masks"),
        Elsewhere("keras", "keras.losses.CTC", "(N, T, C)"),
    ),
    examples=(
        Example(
            {"logits": [[[3.0, 3.0]]] * 2, "targets": [[1]], "input_lengths": [2], "target_lengths": [1]},
            0.2876820724517809,
            "three of the four paths of two fair frames spell the label: -log ¾",
        ),
        Example(
            {
                "logits": [[[1.0986122886681098, 0.0]]],
                "targets": [[1]],
                "input_lengths": [1],
                "target_lengths": [1],
            },
            1.3862943611198906,
            "one frame, p = (¾, ¼): the label is the only path, log 4",
        ),
    ),
    use_when=(
        "The model answers logits, which new code does: there is no log_softmax to forget.",
        "The vocabulary is large and memory short: on the CPU only the gradient has the size of the logits.",
    ),
    not_when=(
        "Log-probabilities are what there is, or the posteriors are wanted, which are minus its gradient: ctc_loss.",
        "Labels depend on those before, or outnumber the frames: rnnt_loss.",
        "Each frame has its label: cross_entropy.",
    ),
    expect=Expect(
        Example(
            {"logits": [[[0.0] * 3]] * 4, "targets": [[1, 2]], "input_lengths": [4], "target_lengths": [2]},
            0.8431994767851145,
            "3 classes alike in 4 frames, 15 paths that spell 2 labels, per label: (4 log 3 - log 15) / 2",
        ),
        "0, where in each frame one class has all the probability, and they spell the target.",
    ),
    minimiser=Minimiser("none: the same probabilities in every frame spell a sequence as readily as its reverse."),
    aliases=(
        "CTCWithLogitsLoss",
        "CTC with logits",
        "CTC from logits",
        "带 logits 的 CTC",
    ),
    pitfalls=(
        "A target needs as many frames as labels, plus one for each pair of equal neighbours; with fewer, the loss is "
        "inf. zero_infinity=True drops such samples.",
        "Time comes first: (T, N, C). Of a model that answers (N, T, C) pass logits.transpose(0, 1).",
        "Log-probabilities change nothing, since their softmax is what they are the logarithm of; probabilities do.",
        "The blank is a class of its own, 0 by default: no label may have its index.",
        "The mean divides each loss by its target's length, then averages over the batch.",
    ),
    check=check_sequences,
    check_data=check_labels,
    kernel=CTC(),
)
def ctc_loss_with_logits(
    logits: Annotated[A, logits("T ?N C")],
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
    """Minus the log-probability that frames spell a sequence of labels, over all alignments, in nats, from logits.

    Use it where the output is shorter than the input and its timing is unknown: speech, handwriting. On the CPU neither
    the softmax nor its logarithm is ever stored; the only array of the logits' size is their gradient, the softmax less
    the posterior of each class in each frame. Of log-probabilities use `ctc_loss`.

    Parameters
    ----------
    logits : floating array (T, N, C), or (T, C)
        Logits of each frame.
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
    An impossible alignment is inf with gradient 0. No frames and no labels cost 0. A logit of -inf takes its class out
    of a frame, a single +inf is certain, and a frame of -inf alone is NaN.

    Differs from torch
    ------------------
    torch has no such loss. From `ctc_loss(log_softmax(logits))` it differs as `ctc_loss` does, and so:

    - near-certain alignments: the digits of a small loss and of its gradient; torch: rounding errors

    Raises
    ------
    IndexError
        On the CPU where a label is not a class.
    ValueError, TypeError
        Where a label is the blank, lengths do not fit, or shapes, dtypes or options do not.

    Examples
    --------
    >>> import numpy as np
    >>> float(ctc_loss_with_logits(np.zeros((2, 1, 2)), np.array([[1]]), (2,), (1,)))  # -log ¾
    0.2876820724517809
    """
    log_probs = log_softmax(logits, 2 if logits.ndim == 3 else 1)
    return over_all_alignments(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity, normalised=True)  # pyright: ignore[reportReturnType]
