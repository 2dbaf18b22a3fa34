from typing import Annotated

import numpy as np

from lossary.core.arrays import Array, arange, full, is_concrete, namespace, scan, take_along, to_numpy
from lossary.core.check import Checked
from lossary.core.contract import Flag, Range, label_sequences, lengths, log_probabilities
from lossary.core.elementary import logsumexp
from lossary.core.loss import loss
from lossary.core.record import Elsewhere, Example, Source
from lossary.core.reduce import Unreduced


def _check(call: Checked) -> None:
    """Lengths that fit the arrays, labels that are classes and not blank; padding may hold anything."""
    values, dims = call.values, call.dims
    time, classes, blank = dims["T"], dims["C"], values["blank"]
    if not 0 <= blank < classes:
        raise ValueError(f"ctc_loss: blank is {blank}; it must be one of the classes, 0 to {classes - 1}")
    batch = 1 if dims["N"] is None else dims["N"]
    for name in ("input_lengths", "target_lengths"):
        if values[name].shape not in ((batch,), () if dims["N"] is None else (batch,)):
            raise ValueError(f"ctc_loss: {name} has shape {tuple(values[name].shape)}; it must be ({batch},)")
    if not all(is_concrete(values[n]) for n in ("targets", "input_lengths", "target_lengths")):
        return
    frames, labels = (np.atleast_1d(to_numpy(values[n])) for n in ("input_lengths", "target_lengths"))
    sequences = to_numpy(values["targets"])
    concatenated = sequences.ndim == 1 and dims["N"] is not None
    room = labels.sum() if concatenated else sequences.shape[-1]
    for name, given, most in (("input_lengths", frames, time), ("target_lengths", labels, room)):
        for i in np.flatnonzero((given < 0) | (given > most)):
            raise ValueError(f"ctc_loss: {name} holds {given[i]} at [{i}]; it must be 0 to {most}")
    if concatenated and labels.sum() != sequences.shape[0]:
        raise ValueError(
            f"ctc_loss: targets holds {sequences.shape[0]} labels and target_lengths add up to {labels.sum()}; "
            "concatenated targets must hold exactly as many"
        )
    used = (
        np.ones(sequences.shape, bool) if concatenated else np.arange(room) < labels[:, None].reshape(*labels.shape, 1)
    )
    used = used.reshape(sequences.shape)
    for position in np.argwhere(used & ((sequences < 0) | (sequences >= classes))):
        label = sequences[tuple(position)]
        raise IndexError(
            f"ctc_loss: targets holds {label} at {position.tolist()}; the classes are 0 to {classes - 1}, "
            f"of which {blank} is blank"
        )
    for position in np.argwhere(used & (sequences == blank)):
        raise ValueError(
            f"ctc_loss: targets holds the blank, {blank}, at {position.tolist()}; labels must be other classes. "
            "Pass the blank of your vocabulary as blank=, or drop it from the labels"
        )


@loss(
    family="sequence",
    title="Connectionist temporal classification: sequences without an alignment",
    formula=r"\ell = -\log \sum_{\pi \in \mathcal{B}^{-1}(y)} \prod_{t=1}^{T} p_{t, \pi_t}",
    unreduced="?N",
    sources=(
        Source(
            "Graves, Fernández, Gomez, Schmidhuber, Connectionist Temporal Classification, 2006",
            "eqs. (3), (6), (8), (14)",
            "doi.org/10.1145/1143844.1143891",
        ),
    ),
    properties=("nonnegative",),
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
    pitfalls=(
        "A target needs as many frames as labels, plus one for each pair of equal neighbours; with fewer, the loss is "
        "inf. zero_infinity=True drops such samples.",
        "The input is log-probabilities (T, N, C): time first, after log_softmax. Logits give a number too, even a "
        "negative one.",
        "The blank is a class of its own, 0 by default: no label may have its index.",
        "The mean divides each loss by its target's length, then averages over the batch.",
    ),
    check=_check,
)
def ctc_loss(
    log_probs: Annotated[Array, log_probabilities("T ?N C")],
    targets: Annotated[Array, label_sequences("?N S") | label_sequences("L")],
    input_lengths: Annotated[Array, lengths("?N", of="T") | lengths("1", of="T")],
    target_lengths: Annotated[Array, lengths("?N", of="S") | lengths("1", of="S")],
    blank: Annotated[int, Range(0, integer=True)] = 0,
    reduction: str = "mean",
    zero_infinity: Annotated[bool, Flag()] = False,
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: str = "auto",
) -> Array:
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
    xp = namespace(log_probs)
    unbatched = log_probs.ndim == 2
    if unbatched:
        log_probs, targets = log_probs[:, None, :], targets[None, :]
    frames, labels = (xp.reshape(n, (-1,)) for n in (input_lengths, target_lengths))
    states, counted, outside = _states(_padded(targets, labels), labels, blank, log_probs.shape[2])
    everywhere = xp.broadcast_to(states[None, ...], (log_probs.shape[0], *states.shape))
    emitted = take_along(log_probs, everywhere, axis=2)

    # A state is reached from itself, from the one before, and, over a blank, from the label before if it differs.
    never = full(states.shape, -xp.inf, like=log_probs)
    differs = xp.concat([states[:, :2] != states[:, :2], states[:, 2:] != states[:, :-2]], axis=1) & (states != blank)

    def step(alpha: Array, x: tuple[Array, Array]) -> Array:
        emission, t = x
        before = xp.concat([never[:, :1], alpha[:, :-1]], axis=1)
        skipped = xp.concat([never[:, :2], alpha[:, :-2]], axis=1)[:, : alpha.shape[1]]
        ways = xp.stack([alpha, before, xp.where(differs, skipped, -xp.inf)])
        return xp.where((t < frames)[:, None], logsumexp(ways, 0) + emission, alpha)

    time = arange(log_probs.shape[0], like=frames)
    start = xp.concat([xp.zeros_like(never[:, :1]), never[:, 1:]], axis=1)
    alpha = scan(step, start, (emitted, time))
    nll = -logsumexp(xp.where(counted, alpha, -xp.inf), 1)
    beyond = (frames < 0) | (frames > log_probs.shape[0]) | (labels < 0)
    if zero_infinity:
        nll = xp.where(xp.isinf(nll), 0.0, nll)
    nll = xp.where(outside | beyond, xp.nan, nll)
    per_label = nll / xp.astype(xp.where(labels > 0, labels, 1), nll.dtype)
    return Unreduced(nll[0], mean_of=per_label[0]) if unbatched else Unreduced(nll, mean_of=per_label)


def _padded(targets: Array, labels: Array) -> Array:
    """Concatenated targets as rows of equal length."""
    if targets.ndim == 2:
        return targets
    xp = namespace(targets)
    longest = int(xp.max(labels)) if is_concrete(labels) and labels.shape[0] else targets.shape[0]
    if targets.shape[0] == 0:
        return full((labels.shape[0], 0), 0, like=targets)
    position = arange(longest, like=labels)
    place = (xp.cumulative_sum(labels) - labels)[:, None] + position[None, :]
    place = xp.where(place < targets.shape[0], place, 0)
    return xp.reshape(xp.take(targets, xp.reshape(place, (-1,)), axis=0), place.shape)


def _states(targets: Array, labels: Array, blank: int, classes: int) -> tuple[Array, Array, Array]:
    """The classes of blank, label, blank, ..., label, blank; which of these states may be the last; and which samples
    hold a label that is no class."""
    xp = namespace(targets)
    batch, length = targets.shape
    position = arange(2 * length + 1, like=labels)[None, :]
    inside = position[:, 1::2] < 2 * labels[:, None]
    wrong = inside & ((targets < 0) | (targets >= classes))
    known = xp.where(inside & ~wrong, targets, blank)
    blanks = full((batch, length, 1), blank, like=known)
    pairs = xp.reshape(xp.concat([blanks, known[:, :, None]], axis=2), (batch, 2 * length))
    states = xp.concat([pairs, full((batch, 1), blank, like=known)], axis=1)
    last = (position == 2 * labels[:, None]) | (position == 2 * labels[:, None] - 1)
    return states, last, xp.any(wrong, axis=1)
