from typing import Annotated

from lossary.core.alignments import check_labels, check_sequences
from lossary.core.arrays import A, Array, Impl, Reduction, arange, full, namespace, scan, take_along
from lossary.core.contract import Flag, Range, label_sequences, lengths, logits
from lossary.core.elementary import log_softmax, logsumexp
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import RNNT


@loss(
    family="sequence",
    title="Transducer loss (RNN-T): labels between frames, each after what was said before",
    formula=r"\ell = -\log \left(\alpha_{T-1,U}\, p_\varnothing(T - 1, U)\right), \qquad "
    r"\alpha_{t,u} = \alpha_{t-1,u}\, p_\varnothing(t - 1, u) + \alpha_{t,u-1}\, p_{y_u}(t, u - 1), "
    r"\qquad p = \mathrm{softmax}(x)",
    symbols={
        "x": "logits",
        "y": "targets",
        "T": "logit_lengths",
        "U": "target_lengths",
        r"\varnothing": "blank",
        "p": "probabilities of each place",
        r"\alpha": "probability to reach a place",
        r"\beta": "probability to end rightly from a place",
        "n": "that from the place to which a class leads",
    },
    gradient=r"\frac{\partial \ell}{\partial x_k(t, u)} = e^{\ell} \alpha_{t,u} \, p_k(t, u) \left(\beta_{t,u} - "
    r"n_k(t, u)\right) \qquad n_k(t, u) = \begin{cases} \beta_{t+1,u} & k = \varnothing \\ \beta_{t,u+1} & k = "
    r"y_{u+1} \\ 0 & \text{otherwise} \end{cases} \qquad \beta_{t,u} = p_\varnothing(t, u) \beta_{t+1,u} + "
    r"p_{y_{u+1}}(t, u) \beta_{t,u+1} \qquad \beta_{T,U} = 1",
    derivation=r"$e^{\ell} \alpha_{t,u} \beta_{t,u}$ is the posterior that an alignment passes the place of $t$ "
    r"frames and $u$ labels; that it leaves by $k$ is $e^{\ell} \alpha_{t,u} \, p_k(t, u)$ times $n_k(t, u)$, the "
    r"$\beta$ of where $k$ leads, which is 0 for classes that lead nowhere. At each place the gradient is the "
    "softmax, times the posterior of being there, less the posterior of leaving by $k$: a cross-entropy, weighted "
    "by how likely the place is. Places that no likely alignment passes hardly learn.",
    unreduced="?N",
    sources=(
        Source("Graves, Sequence Transduction with Recurrent Neural Networks, 2012", url="arxiv.org/abs/1211.3711"),
    ),
    properties=("nonnegative", "shift_invariant", "permutation_invariant", "class_symmetric"),
    elsewhere=(
        Elsewhere(
            "torchaudio",
            "torchaudio.functional.rnnt_loss",
            "with fused_log_softmax=True; the lengths must reach the sizes of the arrays; clamp bounds the gradient",
        ),
        Elsewhere("warp-transducer", "warprnnt_pytorch.RNNTLoss", "on the GPU of log_softmax(logits); the blank is 0"),
        Elsewhere("lossary", "ctc_loss_with_logits", "where what was said before has no part in what comes next"),
    ),
    examples=(
        Example(
            {
                "logits": [[[[0.0] * 3] * 2] * 2],
                "targets": [[1]],
                "logit_lengths": [2],
                "target_lengths": [1],
            },
            2.6026896854443837,
            "two paths of three steps, each 1 of 3 classes: -log 2/27",
        ),
        Example(
            {"logits": [[[[5.0, 5.0], [7.0, 1.0]]]], "targets": [[0]], "logit_lengths": [1], "target_lengths": [0]},
            0.6931471805599453,
            "no label that counts: the blank of the only frame, log 2",
        ),
        Example(
            {
                "logits": [[[[0.0] * 4] * 3] * 3],
                "targets": [[1, 2]],
                "logit_lengths": [3],
                "target_lengths": [2],
            },
            5.139712336371398,
            "the last of five steps is a blank, two of the others are labels: -log 6/4^5",
        ),
    ),
    use_when=(
        "Speech is written down while it is spoken, by a model that hears frames and remembers what it has said.",
        "Several labels may fall into one frame, as with encoders that merge many frames into one.",
    ),
    not_when=(
        "Labels need no memory of each other, or memory is short: ctc_loss_with_logits, without the axis of U + 1.",
        "All of the input is known before the output begins, or the order differs, as in translation: cross_entropy "
        "of a decoder's tokens.",
    ),
    expect=Expect(
        Example(
            {
                "logits": [[[[0.0] * 3] * 3] * 4],
                "targets": [[0, 1]],
                "logit_lengths": [4],
                "target_lengths": [2],
            },
            4.289088639014612,
            "3 classes alike, 6 steps, 10 orders of 2 labels and 4 blanks that end in a blank: 6 log 3 - log 10",
        ),
        "0, where at each place of one alignment the next step has all the probability.",
    ),
    minimiser=Minimiser(
        "none: the same probabilities at every place know no order of labels. The best of them are shares among all "
        "steps: of the blank one step for each frame, of a class one for each of its labels."
    ),
    aliases=(
        "RNNTLoss",
        "RNN-T",
        "RNNT",
        "transducer",
        "transducer loss",
        "转导器损失",
        "RNN-T 损失",
    ),
    pitfalls=(
        "The blank is the last class by default, and 0 in ctc_loss: a vocabulary with its blank first needs blank=0.",
        "Logits have U + 1 places along the labels: place u has said u labels, the first none.",
        "The mean is over samples, where that of ctc_loss divides by labels first: long targets weigh more.",
        "Probabilities give a number too. Log-probabilities change nothing, since their softmax is what they are the "
        "logarithm of.",
        "Labels take no frame: a target may be longer than its frames, and only a sample of 0 frames is impossible.",
    ),
    check=check_sequences,
    check_data=check_labels,
    kernel=RNNT(),
)
def rnnt_loss(
    logits: Annotated[A, logits("?N T S+1 C")],
    targets: Annotated[Array, label_sequences("?N S")],
    logit_lengths: Annotated[Array, lengths("?N", along="T")],
    target_lengths: Annotated[Array, lengths("?N", along="S")],
    blank: Annotated[int, Range(-1, integer=True)] = -1,
    clamp: Annotated[int, Range(-1, -1, integer=True)] = -1,
    reduction: Reduction = "mean",
    *,
    zero_infinity: Annotated[bool, Flag()] = False,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Minus the log-probability that a transducer says a sequence of labels, over all alignments, in nats.

    Use it for speech recognition that streams: at each place, of t frames heard and u labels said, the model says the
    next label or, by a blank, goes on to the next frame. Where labels do not depend on those before, `ctc_loss` needs
    fewer logits by a factor of U + 1. On the CPU neither the softmax nor its logarithm is ever stored.

    Parameters
    ----------
    logits : floating array (N, T, U + 1, C), or (T, U + 1, C)
        Logits of each place, as the joiner answers them.
    targets : integer array (N, U), or (U,)
        Labels; what stands beyond a target's length is not read.
    logit_lengths, target_lengths : integer array, list or tuple (N,), or ()
        How many frames and labels of each sample count. Logits beyond them may be anything; their gradient is 0.
    blank : int in [0, C), or -1
        The class that goes on to the next frame; -1 is the last one.
    clamp : -1
        Bounds the gradient in torchaudio, which then is not that of the loss: -1, for no bound, alone will do.
    reduction : "mean", "sum" or "none"
        "mean" averages over samples.
    zero_infinity : bool
        Whether impossible samples count 0 instead of inf.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    A sample without frames is inf with gradient 0: its last blank is missing. Without labels the loss is that of blanks
    alone. A logit of -inf takes its class out of a place, a single +inf is certain, and a place of -inf alone is NaN.

    Differs from torch
    ------------------
    torch has no such loss. From torchaudio's it differs so:

    - lengths below the sizes of the arrays: work; torchaudio: an error (pytorch/audio#2196)
    - near-certain targets: the digits of a small loss and of its gradient; torchaudio: rounding errors
    - fp64, bf16, second derivatives, forward mode: work; torchaudio: fp32 and fp16, and first derivatives

    Raises
    ------
    IndexError
        On the CPU where a label is not a class.
    ValueError, TypeError
        Where a label is the blank, lengths do not fit, or shapes, dtypes or options do not.

    Examples
    --------
    >>> import numpy as np
    >>> float(rnnt_loss(np.zeros((1, 2, 2, 3)), np.array([[1]]), (2,), (1,)))  # -log 2/27
    2.6026896854443837
    """
    xp = namespace(logits)
    unbatched = logits.ndim == 3
    if unbatched:
        logits, targets = logits[None, ...], targets[None, ...]
    samples, time, places, classes = logits.shape
    frames, labels = (xp.reshape(n, (-1, 1, 1)) for n in (logit_lengths, target_lengths))
    t, u = arange(time + 1, like=frames)[:, None], arange(places, like=labels)
    counts = (t < frames) & (u <= labels)
    following, outside = _following(targets, labels[:, :, 0], blank % classes, classes)

    log_probs = log_softmax(xp.where(counts[:, :time, :, None], logits, 0.0), 3)
    spoken = xp.broadcast_to(following[:, None, :, None], (samples, time, places, 1))
    says = xp.squeeze(take_along(log_probs, spoken, axis=3), axis=3)
    goes_on = log_probs[..., blank % classes]
    said = (following[:, :, None] == arange(classes, like=labels)) | (arange(classes, like=labels) == blank % classes)
    # What a place gives to classes that continue no path: a sum of them has the digits that 1 less the others loses.
    others = xp.sum(xp.where(said[:, None, :, :], 0.0, xp.exp(log_probs)), axis=3)
    beyond_frames = full((samples, 1, places), 0.0, like=log_probs)
    goes_on, says, others = (xp.concat([x, beyond_frames], axis=1) for x in (goes_on, says, others))

    # Behind its last frame a path stays where it is. One that has labels left there is lost.
    stays = xp.where((t >= frames) & (u == labels), xp.zeros_like(says), -xp.inf)
    lost = xp.where((t == frames - 1) & (u < labels), xp.exp(goes_on), 0.0)
    arcs = (
        xp.where(counts, goes_on, stays),
        xp.where(counts & (u < labels), says, -xp.inf),
        xp.where(counts, others + lost, 0.0),
    )
    nowhere = full((samples, 1), -xp.inf, like=log_probs)

    def step(state: tuple[Array, Array], x: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        (alpha, astray), (goes_on, says, leaving) = state, x
        spoken = xp.concat([nowhere, (alpha + says)[:, :-1]], axis=1)
        reached = logsumexp(xp.stack([alpha + goes_on, spoken]), 0)
        return reached, astray + xp.sum(xp.exp(alpha) * leaving, axis=1)

    # Place u of diagonal d has heard d - u frames.
    heard = arange(time + places - 1, like=frames)[:, None] - u
    heard = xp.broadcast_to(xp.where(heard < 0, 0, xp.where(heard > time, time, heard)), (samples, *heard.shape))
    diagonals = tuple(xp.permute_dims(take_along(arc, heard, axis=1), (1, 0, 2)) for arc in arcs)
    start = xp.where(u == 0, beyond_frames[:, 0, :], -xp.inf)
    alpha, astray = scan(step, (start, beyond_frames[:, 0, 0]), diagonals)
    frames, labels = frames[:, 0, 0], labels[:, 0, 0]
    beyond = (frames < 0) | (frames > time) | (labels < 0) | (labels >= places)
    total = take_along(alpha, xp.where(beyond, 0, labels)[:, None], axis=1)[:, 0]
    near = astray < 0.5
    nll = xp.where(near, -xp.log1p(-xp.where(near, astray, 0.0)), -total)
    nll = xp.where(frames == 0, xp.inf, nll)
    if zero_infinity:
        nll = xp.where(xp.isinf(nll), 0.0, nll)
    nll = xp.where(outside | beyond, xp.nan, nll)
    return nll[0] if unbatched else nll


def _following(targets: Array, labels: Array, blank: int, classes: int) -> tuple[Array, Array]:
    """The class that each place says next, the blank after the last label; and which samples hold one that is none."""
    xp = namespace(targets)
    inside = arange(targets.shape[1], like=labels) < labels
    wrong = inside & ((targets < 0) | (targets >= classes))
    known = xp.where(inside & ~wrong, targets, blank)
    return xp.concat([known, full((targets.shape[0], 1), blank, like=known)], axis=1), xp.any(wrong, axis=1)
