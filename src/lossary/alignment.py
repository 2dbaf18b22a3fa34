"""The single best alignment of frames with labels, where `ctc_loss` sums over all of them."""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from lossary.core import dtensors
from lossary.core.alignments import check_labels, check_sequences, may_skip, padded, states_of
from lossary.core.arrays import Array, as_array, cast, is_traced
from lossary.core.check import Checked
from lossary.core.contract import Range, label_sequences, lengths, log_probabilities
from lossary.dispatch.loss import statistics
from lossary.misuse.reading import host

NONE = -1
"""What stands where there is no label: beyond a sample's frames or labels, and where nothing fits."""


@dataclass(frozen=True)
class Alignment:
    """scores (N,): the log-probability of the best path; -inf where no path spells the labels.

    labels (N, T): the class of each frame, blanks included. spans (N, S, 2): the first frame of each label, and the
    first after it. Both are -1 where there is nothing. Of a single sample, without N.
    """

    scores: Array
    labels: Array
    spans: Array


def _check(call: Checked) -> None:
    dtensors.refuse("ctc_align", call.values, "it reads values")
    for name in call.specs:
        if is_traced(call.values[name]):
            raise TypeError(f"ctc_align: {name} has no values inside a transformation; call it outside of it")
    check_sequences(call)


def _rounded(call: Checked, found: Alignment) -> Alignment:
    return replace(found, scores=cast(found.scores, call.answer_dtype))


@statistics(unreduced="?N", check=_check, check_data=check_labels, finish=_rounded)
def ctc_align(
    log_probs: Annotated[Array, log_probabilities("T ?N C")],
    targets: Annotated[Array, label_sequences("?N S") | label_sequences("L")],
    input_lengths: Annotated[Array, lengths("?N", along="T") | lengths("1", along="T")],
    target_lengths: Annotated[Array, lengths("?N", along="S") | lengths("1", along="S")],
    blank: Annotated[int, Range(0, integer=True)] = 0,
) -> Alignment:
    """The most likely path of each sample through the frames that spells its labels: forced alignment by Viterbi.

    Use it to find when labels are spoken or written, to cut recordings, and to look at what `ctc_loss` has learnt. Of
    paths that are equally likely it answers one that changes late. It runs on the CPU in fp64 and has no gradient; the
    answer's arrays are of the library and on the device of `log_probs`. Logits give the same path, and another score.

    Parameters: those of `ctc_loss`, in the same forms.

    Raises ValueError, IndexError and TypeError as `ctc_loss` does.

    >>> p = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]])
    >>> found = ctc_align(np.log(p), np.array([1]), 4, 1)
    >>> found.labels, found.spans
    (array([0, 1, 1, 0]), array([[1, 3]]))
    >>> round(float(np.exp(found.scores)), 4)  # 0.9 · 0.8 · 0.6 · 0.7
    0.3024
    """
    unbatched, (time, *_, classes) = log_probs.ndim == 2, log_probs.shape
    scores, sequences, frames, counts = map(host, (log_probs, targets, input_lengths, target_lengths))
    if unbatched:
        scores, sequences = scores[:, None], sequences[None]
    frames, counts = frames.reshape(-1), counts.reshape(-1)
    states, last, _ = states_of(padded(sequences, counts), counts, blank, classes)
    with np.errstate(invalid="ignore"):
        best, path = _viterbi(scores, states, last, frames, blank)
    fits = (best > -np.inf) | np.isnan(best)
    counted = (np.arange(time) < frames[:, None]) & fits[:, None]
    labels = np.where(counted, np.take_along_axis(states, path, axis=1), NONE)
    spans = np.full((*states[:, 1::2].shape, 2), NONE)
    for n in np.flatnonzero(fits):
        own = 2 * np.arange(counts[n]) + 1  # the states of a path never fall
        for end, side in enumerate(("left", "right")):
            spans[n, : counts[n], end] = np.searchsorted(path[n, : frames[n]], own, side=side)
    found = (x[0] if unbatched else x for x in (best, labels, spans))
    best, labels, spans = (as_array(x, like=log_probs) for x in found)
    return Alignment(best, labels, spans)


def _viterbi(
    scores: np.ndarray, states: np.ndarray, last: np.ndarray, frames: np.ndarray, blank: int
) -> tuple[np.ndarray, np.ndarray]:
    """The score of the best path of each sample, (N,), and its states, (N, T)."""
    (time, batch, _), samples = scores.shape, np.arange(len(frames))
    steps = np.zeros((time, *states.shape), np.int8)
    reached = np.full(states.shape, -np.inf)
    reached[:, :1] = 0.0
    skips = may_skip(states, blank)
    for t in range(time):
        ways = np.full((3, *states.shape), -np.inf)  # from itself, from the state before, over a blank
        ways[0], ways[1, :, 1:] = reached, reached[:, :-1]
        ways[2, :, 2:] = np.where(skips[:, 2:], reached[:, :-2], -np.inf)
        steps[t] = ways.argmax(0)
        emitted = np.take_along_axis(scores[t], states, axis=1)
        reached = np.where((t < frames)[:, None], ways.max(0) + emitted, reached)
    final = np.where(last, reached, -np.inf)
    state = final.argmax(1)
    best, path = final[samples, state], np.zeros((batch, time), np.int64)
    for t in range(time)[::-1]:
        path[:, t] = state
        state = np.where(t < frames, state - steps[t, samples, state], state)
    return best, path
