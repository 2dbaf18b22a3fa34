"""Alignments of frames with labels: the check of a call; of CTC the states of a sequence, and the loss over all
alignments."""

import numpy as np

from lossary.core.arrays import Array, arange, detach, full, is_concrete, matmul, namespace, scan, take_along, to_numpy
from lossary.core.check import Checked
from lossary.core.elementary import logsumexp
from lossary.core.reduce import Unreduced


def check_sequences(call: Checked) -> None:
    """A blank that is a class, and a length for each sample."""
    loss, values = call.loss.name, call.values
    blank, samples, classes = values["blank"], call.dims["N"], call.dims["C"]
    if not -classes <= blank < classes:
        last = " or -1, the last" if call.loss.options["blank"].low < 0 else ""
        raise ValueError(f"{loss}: blank is {blank}; it must be one of the classes, 0 to {classes - 1}{last}")
    batch = 1 if samples is None else samples
    for name in (lengths_along(call, "T"), lengths_along(call, "S")):
        given = values[name]
        if given.ndim > 1 or (given.ndim == 0 and samples is not None) or (given.ndim and given.shape[0] != batch):
            raise ValueError(f"{loss}: {name} has shape {tuple(given.shape)}; it must be ({batch},)")


def lengths_along(call: Checked, axis: str) -> str:
    """The argument that holds the lengths along an axis."""
    return next(name for name, spec in call.loss.data.items() if spec.along == axis)


def check_labels(call: Checked) -> None:
    """Lengths that fit the arrays, labels that are classes and not blank; padding may hold anything."""
    loss, values = call.loss.name, call.values
    time, samples, classes = call.dims["T"], call.dims["N"], call.dims["C"]
    blank, of_frames, of_labels = values["blank"] % classes, lengths_along(call, "T"), lengths_along(call, "S")
    targets, input_lengths, target_lengths = values["targets"], values[of_frames], values[of_labels]
    if not all(is_concrete(x) for x in (targets, input_lengths, target_lengths)):
        return
    frames, labels = (np.atleast_1d(to_numpy(x)) for x in (input_lengths, target_lengths))
    sequences = to_numpy(targets)
    concatenated = sequences.ndim == 1 and samples is not None
    room = np.maximum(labels, 0).sum() if concatenated else sequences.shape[-1]
    for name, given, most in ((of_frames, frames, time), (of_labels, labels, room)):
        for i in np.flatnonzero((given < 0) | (given > most)):
            raise ValueError(f"{loss}: {name} holds {given[i]} at [{i}]; it must be 0 to {most}")
    if concatenated and labels.sum() != sequences.shape[0]:
        raise ValueError(
            f"{loss}: targets holds {sequences.shape[0]} labels and {of_labels} add up to {labels.sum()}; "
            "concatenated targets must hold exactly as many"
        )
    used = (
        np.ones(sequences.shape, bool) if concatenated else np.arange(room) < labels[:, None].reshape(*labels.shape, 1)
    )
    used = used.reshape(sequences.shape)
    for position in np.argwhere(used & ((sequences < 0) | (sequences >= classes))):
        label = sequences[tuple(position)]
        raise IndexError(
            f"{loss}: targets holds {label} at {position.tolist()}; the classes are 0 to {classes - 1}, "
            f"of which {blank} is blank"
        )
    for position in np.argwhere(used & (sequences == blank)):
        raise ValueError(
            f"{loss}: targets holds the blank, {blank}, at {position.tolist()}; labels must be other classes. "
            "Pass the blank of your vocabulary as blank=, or drop it from the labels"
        )


def over_all_alignments(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int,
    zero_infinity: bool,
    normalised: bool = False,
) -> Unreduced:
    """Minus the log-probability of each target, summed over its alignments; the mean is over labels, then samples.

    normalised: the probabilities of each frame add up to 1 but for rounding. Then paths that are no alignment are added
    up too: that sum has the digits of a nearly certain target.
    """
    xp = namespace(log_probs)
    unbatched = log_probs.ndim == 2
    if unbatched:
        log_probs, targets = log_probs[:, None, :], targets[None, :]
    frames, labels = (xp.reshape(n, (-1,)) for n in (input_lengths, target_lengths))
    states, counted, outside = states_of(padded(targets, labels), labels, blank, log_probs.shape[2])
    everywhere = xp.broadcast_to(states[None, ...], (log_probs.shape[0], *states.shape))
    emitted = take_along(log_probs, everywhere, axis=2)

    # A state is reached from itself, from the one before, and, over a blank, from the label before if it differs.
    nowhere = full((states.shape[0], 2), -xp.inf, like=log_probs)
    differs = may_skip(states, blank)

    def step(alpha: Array, x: tuple[Array, Array]) -> Array:
        emission, counts = x
        wide = xp.concat([nowhere, alpha], axis=1)
        ways = xp.stack([alpha, wide[:, 1:-1], xp.where(differs, wide[:, :-2], -xp.inf)])
        return xp.where(counts, logsumexp(ways, 0) + emission, alpha)

    def step_beside(state: tuple[Array, Array], x: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        (alpha, astray), (emission, counts, leaving) = state, x
        left = xp.sum(xp.exp(alpha) * leaving, axis=1, keepdims=True)
        return step(alpha, (emission, counts)), xp.where(counts, astray + left, astray)

    never = full(states.shape, -xp.inf, like=log_probs)
    start = xp.concat([xp.zeros_like(never[:, :1]), never[:, 1:]], axis=1)
    counts = arange(log_probs.shape[0], like=frames)[:, None, None] < frames[None, :, None]
    if not normalised:
        alpha = scan(step, start, (emitted, counts))
        nll = -logsumexp(xp.where(counted, alpha, -xp.inf), 1)
        rounding = 2 * xp.finfo(nll.dtype).eps * xp.astype(frames + 1, nll.dtype)
        nll = xp.where((nll <= 0) & (nll > -rounding), nll - detach(nll), nll)  # what is certain costs no less than 0
    else:
        leaving = probability_of_leaving(log_probs, emitted, states, labels, blank)
        alpha, astray = scan(step_beside, (start, xp.zeros_like(start[:, :1])), (emitted, counts, leaving))
        unfinished = arange(states.shape[1], like=labels)[None, :] < 2 * labels[:, None] - 1
        astray = astray[:, 0] + xp.sum(xp.where(unfinished, xp.exp(alpha), 0.0), axis=1)
        near = astray < 0.5
        certain = -xp.log1p(-xp.where(near, astray, 0.0))
        nll = xp.where(near, certain, -logsumexp(xp.where(counted, alpha, -xp.inf), 1))
    beyond = (frames < 0) | (frames > log_probs.shape[0]) | (labels < 0)
    if zero_infinity:
        nll = xp.where(xp.isinf(nll), 0.0, nll)
    nll = xp.where(outside | beyond, xp.nan, nll)
    per_label = nll / xp.astype(xp.where(labels > 0, labels, 1), nll.dtype)
    return Unreduced(nll[0], mean_of=per_label[0]) if unbatched else Unreduced(nll, mean_of=per_label)


def probability_of_leaving(log_probs: Array, emitted: Array, states: Array, labels: Array, blank: int) -> Array:
    """What a frame gives, from each state, to classes that continue no alignment.

    Those that do are the blank, and the labels of the state and of the two after it. A sum of the others has the digits
    that 1 less them would lose.
    """
    xp = namespace(log_probs)
    own = states[:, 1::2, None]
    ahead = xp.concat([states, full((states.shape[0], 2), blank, like=states)], axis=1)[:, None, :]
    continues = (own == ahead[..., :-2]) | (own == ahead[..., 1:-1]) | (own == ahead[..., 2:])
    place = arange(own.shape[1], like=states)
    earlier = xp.any((own == states[:, None, 1::2]) & (place[:, None] > place[None, :]), axis=2, keepdims=True)
    once = xp.astype(~continues & ~earlier & (own != blank), log_probs.dtype)
    classes = arange(log_probs.shape[2], like=states)
    said = xp.any(own == classes, axis=1) | (classes == blank)
    others = xp.sum(xp.where(said, 0.0, xp.exp(log_probs)), axis=2, keepdims=True)
    labelled = xp.permute_dims(matmul(xp.permute_dims(xp.exp(emitted[..., 1::2]), (1, 0, 2)), once), (1, 0, 2))
    inside = arange(states.shape[1], like=labels)[None, :] <= 2 * labels[:, None]
    return xp.where(inside, others + labelled, 0.0)


def padded(targets: Array, labels: Array) -> Array:
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


def states_of(targets: Array, labels: Array, blank: int, classes: int) -> tuple[Array, Array, Array]:
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


def may_skip(states: Array, blank: int) -> Array:
    """Labels that differ from the label before: the blank between them may be left out."""
    xp = namespace(states)
    none = states[:, :2] != states[:, :2]
    return xp.concat([none, states[:, 2:] != states[:, :-2]], axis=1) & (states != blank)
