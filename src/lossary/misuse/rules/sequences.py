"""Labels in sequences: alignments, lengths, blanks, shifts."""

from collections.abc import Iterator
from math import prod

import numpy as np

from lossary.misuse.call import Call, Unchecked
from lossary.misuse.measures import log_softmax
from lossary.misuse.rule import Seen, rule
from lossary.misuse.wording import places, share

NEIGHBOURS = 64
"""Pairs of positions from which a shift can be told."""
BETTER = 0.9
"""Share of the loss that a shift must come below."""
PADDED = 3
"""Equal frames at the end from which they are padding."""
ENOUGH = 10
"""Labels from which a batch shows what a model emits."""
OFTEN = 4
"""Times that a label occurs, from which one that no frame emits is no chance."""
NEVER = 0.1
"""Of the share that a label has where all are equally likely: below it in every frame, it is never emitted."""


def better_shift(losses: dict[int, float]) -> int:
    """The shift of the targets, -1 or +1, under which predictions fit clearly better; 0 where neither does."""
    best = min((-1, 1), key=lambda shift: losses[shift])
    return best if losses[best] < BETTER * losses[0] else 0


def _has_scores(call: Call) -> bool:
    return call.first in call.named("logits", "log-probabilities")


def _labels_take_frames(call: Call, name: str) -> bool:
    """Whether each label takes a frame, which says one class, as in CTC; not where it goes between frames."""
    return "S+1" not in call.names(call.first)


@rule(
    "LS141",
    "targets shifted by one position",
    "warning",
    words=("class indices",),
    when=lambda call, name: len(call.rows_shape) in (1, 2) and call.inner(call.first) == ["C"] and _has_scores(call),
    why="the model is trained to predict its own input, or the token after next",
    fix="shift the labels exactly once, in the model or in the loss: logits[:, :-1] with labels[:, 1:]",
)
def shifted_targets(call: Call, name: str) -> Iterator[Seen]:
    if call.sample.axis == call.rows_axes[-1]:
        raise Unchecked("the places of the sample are no neighbours")
    scores = log_softmax(call.aligned(call.first))
    labels, kept = np.where(call.kept, call.aligned(name), 0), call.kept
    pairs = kept[..., 1:] & kept[..., :-1]
    if pairs.sum() < NEIGHBOURS:
        raise Unchecked(f"{np.count_nonzero(pairs)} pairs of neighbours are too few to tell a shift")
    here = _losses(scores[..., :-1, :], labels[..., :-1], pairs)
    by_shift = {
        0: here,
        1: _losses(scores[..., :-1, :], labels[..., 1:], pairs),
        -1: _losses(scores[..., 1:, :], labels[..., :-1], pairs),
    }
    means = {shift: float(losses.mean()) for shift, losses in by_shift.items()}
    best = better_shift(means)
    if best and means[best] >= np.log(call.dims["C"]):  # both are no better than guessing
        return
    gain = here - by_shift[best]
    if not best or not np.isfinite(gain).all() or gain.mean() < 5 * gain.std() / np.sqrt(gain.size):
        return
    yield Seen(
        f"the predictions fit the {'next' if best == 1 else 'previous'} position's target better: loss "
        f"{means[best]:.4g} against {means[0]:.4g} unshifted, over {gain.size:,} pairs of neighbours"
    )


def _losses(scores: np.ndarray, labels: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return -np.take_along_axis(scores, labels[..., None], axis=-1)[..., 0][pairs]


@rule(
    "LS160",
    "the blank among the labels",
    "error",
    words=("label sequences",),
    when=lambda call, name: bool(call.refusal) and "target_lengths" in call.specs,
    refused=True,
    why="the blank stands for no label: a path that spells it does not exist",
    fix="count labels from 1, or pass the blank of the vocabulary as blank=",
)
def blank_among_labels(call: Call, name: str) -> Iterator[Seen]:
    labels, count, blank = call.host(name), call.host("target_lengths"), call.option("blank")
    classes = call.array(call.first).shape[-1:]
    blank = classes[0] - 1 if blank == -1 and classes else blank
    if labels.ndim != 2 or count.shape != labels.shape[:1]:
        return
    used = np.arange(labels.shape[1]) < count[:, None]
    wrong = used & (labels == blank)
    if not wrong.any():
        return
    last = np.where(used, np.arange(labels.shape[1]), -1).max(axis=1)
    trailing = all(wrong[i, np.flatnonzero(wrong[i])[0] : last[i] + 1].all() for i in np.flatnonzero(wrong.any(axis=1)))
    lengths = count - wrong.sum(axis=1)
    shown = ", ".join(map(str, lengths[:4].tolist())) + (", ..." if len(lengths) > 4 else "")
    fix = f"the blanks are padding that target_lengths counts: pass the true lengths, here [{shown}]"
    yield Seen(
        f"{share(wrong, int(used.sum()))} labels are {blank}, the blank",
        fix=fix if trailing else "",
        where=places(wrong),
    )


@rule(
    "LS161",
    "targets longer than their input",
    "error",
    words=("label sequences",),
    when=_labels_take_frames,
    why="no alignment exists: the loss is inf, or 0 with zero_infinity, and the gradient 0",
    fix="fewer steps of downsampling, shorter targets, or zero_infinity=True to leave such samples out knowingly",
)
def longer_than_input(call: Call, name: str) -> Iterator[Seen]:
    needed, frames = _frames_needed(call, name), call.lengths("input_lengths")
    kept = call.kept.reshape(-1)
    wrong = (needed > frames) & kept
    if not wrong.any():
        return
    worst = int(np.argmax(np.where(wrong, needed - frames, -1)))
    yield Seen(
        f"{share(wrong, int(kept.sum()))} targets have no alignment: sample {worst} needs {needed[worst]} frames, "
        f"one for each label and one between equal neighbours, and has {frames[worst]}",
        "their loss is inf"
        + (", here dropped to 0 by zero_infinity" if call.option("zero_infinity") else "")
        + ": nothing is learnt from them",
        where=places(wrong),
    )


def _frames_needed(call: Call, name: str) -> np.ndarray:
    """Labels of each sample, and one frame more for each pair of equal neighbours."""
    words = _words(call, name)
    return np.array([len(word) + int(np.count_nonzero(word[1:] == word[:-1])) for word in words], dtype=np.int64)


def _words(call: Call, name: str) -> list[np.ndarray]:
    """The labels of each sample."""
    lengths, labels = call.lengths("target_lengths"), call.host(name)
    if "L" in call.names(name):
        return np.split(labels, np.cumsum(lengths)[:-1])
    return [row[:length] for row, length in zip(np.atleast_2d(labels), lengths, strict=True)]


@rule(
    "LS162",
    "lengths that count padding",
    "warning",
    words=("lengths",),
    when=lambda call, name: call.specs[name].along == "T",
    why="the model must spell the target over frames that hold nothing",
    fix="pass the number of frames of each sample before padding",
)
def padding_counted(call: Call, name: str) -> Iterator[Seen]:
    time, of_frame = call.dims["T"], prod(call.aligned(call.first).shape[len(call.rows_axes) + 1 :])
    frames = call.aligned(call.first).reshape(-1, time, of_frame)  # from (N, T, C), or (T, C)
    lengths = call.lengths(name)
    differs = np.any(frames[:, 1:] != frames[:, :-1], axis=-1) & (np.arange(1, time) < lengths[:, None])
    last = np.where(differs, np.arange(1, time), 0).max(axis=1, initial=0)
    repeated = lengths - last  # frames at the end that are all equal
    padded = (last > 0) & (repeated > PADDED)
    if not padded.any():
        return
    yield Seen(
        f"{share(padded)} samples end in equal frames that their length counts, "
        f"{int(repeated[padded].max())} at the most",
        where=places(padded),
    )


def _emitted(call: Call) -> np.ndarray:
    """The probabilities of the frames that count, (R, C)."""
    time, first = call.dims["T"], call.first
    frames = call.aligned(first).reshape(-1, time, call.dims["C"])
    counted = (np.arange(time) < call.lengths("input_lengths")[:, None]) & call.kept.reshape(-1, 1)
    scores = frames[counted]
    return np.exp(log_softmax(scores) if call.word(first) == "logits" else scores)


def _wanted(call: Call, name: str) -> np.ndarray:
    """The labels of the samples that count; Unchecked where they are few."""
    kept = call.kept.reshape(-1)
    words = [word for word, counts in zip(_words(call, name), kept, strict=True) if counts]
    labels = np.concatenate(words) if words else np.zeros(0, np.int64)
    if labels.size < ENOUGH:
        raise Unchecked(f"{labels.size} labels are too few to tell what the model emits")
    return labels


@rule(
    "LS163",
    "an output of blanks",
    "note",
    words=("label sequences",),
    when=_labels_take_frames,
    why="the frames say nothing but blank, and so does what is decoded from them; each CTC model begins so, and some "
    "stay: the loss falls no further",
    fix="let it train on; if it stays so, lower the learning rate, begin with short samples, and check that the labels "
    "belong to the frames",
)
def only_blanks(call: Call, name: str) -> Iterator[Seen]:
    labels = _wanted(call, name)
    blank = _emitted(call)[:, call.option("blank")]
    expected = float((1 - blank).sum())
    if expected < labels.size / 2:  # each label takes at least a frame
        yield Seen(
            f"its {labels.size:,} labels need as many frames that are not blank; of {blank.size:,} frames "
            f"{expected:.4g} are, in expectation: the blank has a probability of {blank.mean():.4g} on average"
        )


@rule(
    "LS164",
    "labels that are never emitted",
    "note",
    words=("label sequences",),
    when=_labels_take_frames,
    why="no frame holds them likely: samples with these labels cost much, and their words are never decoded",
    fix="check that labels and outputs are of one vocabulary, and that the output layer has learnt these classes",
)
def never_emitted(call: Call, name: str) -> Iterator[Seen]:
    counts = np.bincount(_wanted(call, name), minlength=call.dims["C"])
    frames, blank = _emitted(call), call.option("blank")
    others = np.delete(frames, blank, axis=1).sum(axis=1, keepdims=True)  # beside blanks every label is rare
    shares = np.divide(frames, others, out=np.zeros_like(frames), where=others > 0)
    highest = shares.max(axis=0, initial=0)
    missing = np.flatnonzero((counts >= OFTEN) & (highest < NEVER / max(call.dims["C"] - 1, 1)))
    if missing.size:
        named = ", ".join(map(str, missing[:5])) + (f" and {missing.size - 5:,} more" if missing.size > 5 else "")
        yield Seen(
            f"{int(counts[missing].sum()):,} of its {int(counts.sum()):,} labels are of classes that no frame emits: "
            f"{named}; of what is not blank they have at most {highest[missing].max():.2g} in any of "
            f"{len(frames):,} frames"
        )
