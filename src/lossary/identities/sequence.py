"""Identities of the losses over sequences."""

import itertools
import math

import numpy as np

import lossary.functional as F
from lossary.core.arrays import Array, as_array, namespace, to_numpy
from lossary.core.elementary import log_softmax, logsumexp
from lossary.identities.domains import Rng
from lossary.identities.identity import Domain, Identity, Inputs

BLANK = 0


def _log_probs(rng: Rng, extreme: bool, frames: int, batch: int, classes: int) -> np.ndarray:
    return log_softmax(rng.normal(0, 50 if extreme else 1, (frames, batch, classes)), 2)


def _single_frame(rng: Rng, extreme: bool) -> Inputs:
    return {"log_probs": _log_probs(rng, extreme, 1, 6, 4), "labels": rng.integers(1, 4, 6)}


def _short_sequences(rng: Rng, extreme: bool) -> Inputs:
    """All that a target can be: empty, single, with and without a repeat, too long for its frames."""
    return {
        "log_probs": _log_probs(rng, extreme, 4, 6, 3),
        "targets": np.array([[1, 0, 0], [2, 0, 0], [1, 2, 0], [1, 1, 0], [2, 2, 1], [2, 1, 2]]),
        "input_lengths": np.array([4, 3, 4, 3, 4, 2]),
        "target_lengths": np.array([0, 1, 2, 2, 3, 3]),
    }


def _logits_of_sequences(rng: Rng, extreme: bool) -> Inputs:
    sequences = _short_sequences(rng, extreme)
    return {"logits": sequences.pop("log_probs") + rng.normal(0, 5, (4, 6, 1)), **sequences}


def _spelling(path: tuple[int, ...], frames: int) -> list[int] | None:
    """What the first frames of a path say: repeats merged, then blanks dropped (Graves et al. 2006, section 3.1).

    None where the path goes on after them, so that each short path counts once.
    """
    if any(path[frames:]):
        return None
    return [label for label, _ in itertools.groupby(path[:frames]) if label != BLANK]


def _over_all_alignments(log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array) -> Array:
    xp = namespace(log_probs)
    frames = log_probs.shape[0]
    paths = list(itertools.product(range(log_probs.shape[2]), repeat=frames))
    lengths = zip(to_numpy(targets), to_numpy(input_lengths), to_numpy(target_lengths), strict=True)
    spells = np.array([[_spelling(p, used) == target[:n].tolist() for p in paths] for target, used, n in lengths])
    scores = 0.0
    for t in range(frames):
        emitted = xp.take(log_probs[t, :, :], xp.asarray([path[t] for path in paths]), axis=1)
        scores = scores + xp.where(input_lengths[:, None] > t, emitted, 0.0)
    return -logsumexp(xp.where(xp.asarray(spells), scores, -xp.inf), 1)


def _places(rng: Rng, extreme: bool, frames: int, labels: int, classes: int) -> np.ndarray:
    """Logits of a transducer, for 6 samples."""
    return rng.normal(0, 50 if extreme else 1, (6, frames, labels + 1, classes))


def _one_frame(rng: Rng, extreme: bool) -> Inputs:
    return {"logits": _places(rng, extreme, 1, 3, 5), "targets": rng.integers(0, 4, (6, 3))}


def _no_labels(rng: Rng, extreme: bool) -> Inputs:
    return {"logits": _places(rng, extreme, 4, 0, 5)}


def _alike(rng: Rng, extreme: bool) -> Inputs:
    """Every class alike at every place, with any number of frames and labels."""
    level = rng.normal(0, 50 if extreme else 1, (6, 1, 1, 1))
    frames, labels = rng.integers(1, 7, 6), rng.integers(0, 6, 6)
    return {"logits": level + np.zeros((6, 6, 6, 4)), "frames": frames, "labels": labels}


def _two_labels_of_six(rng: Rng, extreme: bool) -> Inputs:
    return {"logits": _places(rng, extreme, 4, 3, 6), "targets": rng.integers(0, 2, (6, 3))}


def _transduced(logits: Array, targets: Array) -> Array:
    samples, frames, places, _ = logits.shape
    return F.rnnt_loss(logits, targets, (frames,) * samples, (places - 1,) * samples, reduction="none")


def _said(logits: Array, targets: Array) -> Array:
    """The cross-entropy of each label in its place, then of the blank, which is the last class."""
    xp = namespace(logits)
    blank = xp.full_like(targets[:, :1], logits.shape[3] - 1)
    rows = xp.permute_dims(logits[:, 0, :, :], (0, 2, 1))
    return xp.sum(F.cross_entropy(rows, xp.concat([targets, blank], axis=1), reduction="none"), axis=1)


def _log_of_count(logits: Array, frames: Array, labels: Array) -> Array:
    counts = [math.comb(t - 1 + u, u) for t, u in zip(to_numpy(frames), to_numpy(labels), strict=True)]
    steps = to_numpy(frames) + to_numpy(labels)
    logs = steps * math.log(logits.shape[3]) - np.log(np.array(counts, dtype=np.float64))
    return as_array(logs, like=logits) + 0 * logits[:, 0, 0, 0]


SEQUENCE = (
    Identity(
        name="ctc_of_one_frame_is_nll",
        statement="CTC of a single label in a single frame = negative log-likelihood.",
        formula=r"\mathrm{CTC}(\log p, (y)) = \mathrm{NLL}(\log p, y) \quad (T = 1)",
        inputs=Domain("log_probs: rows of log-probabilities, one frame; labels: classes, not blank", _single_frame),
        relation="equal",
        left=lambda log_probs, labels: F.ctc_loss(
            log_probs, labels[:, None], (1,) * labels.shape[0], (1,) * labels.shape[0], reduction="none"
        ),
        right=lambda log_probs, labels: F.nll_loss(log_probs[0, :, :], labels, reduction="none"),
        losses=("ctc_loss", "nll_loss"),
    ),
    Identity(
        name="ctc_sums_over_alignments",
        statement="CTC = minus the log of the summed probability of all alignments, by brute force.",
        formula=r"\mathrm{CTC}(\log p, y) = -\log \sum_{\pi:\, \mathcal{B}(\pi) = y} \prod_t p_{t, \pi_t}",
        inputs=Domain("log_probs: rows of log-probabilities, 4 frames, 3 classes; any targets", _short_sequences),
        relation="equal",
        left=lambda log_probs, targets, input_lengths, target_lengths: F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, reduction="none"
        ),
        right=_over_all_alignments,
        losses=("ctc_loss",),
    ),
    Identity(
        name="ctc_of_logits_is_ctc_of_log_softmax",
        statement="CTC of logits = CTC of their log-softmax.",
        formula=r"\mathrm{CTC}(x, y) = \mathrm{CTC}(\log \mathrm{softmax}(x), y)",
        inputs=Domain("logits: 4 frames, 3 classes; any targets", _logits_of_sequences),
        relation="equal",
        left=lambda logits, targets, input_lengths, target_lengths: F.ctc_loss_with_logits(
            logits, targets, input_lengths, target_lengths, reduction="none"
        ),
        right=lambda logits, targets, input_lengths, target_lengths: F.ctc_loss(
            log_softmax(logits, 2), targets, input_lengths, target_lengths, reduction="none"
        ),
        losses=("ctc_loss_with_logits", "ctc_loss"),
    ),
    Identity(
        name="rnnt_of_one_frame_is_cross_entropy",
        statement="The transducer loss of one frame = the cross-entropies of its labels and of the blank, summed.",
        formula=r"\mathrm{RNNT}(x, y) = \sum_u \mathrm{CE}(x_{1,u}, y_{u+1}), \quad y_{U+1} = \varnothing, \ T = 1",
        inputs=Domain("logits: one frame, 3 labels, 5 classes; targets: not blank", _one_frame),
        relation="equal",
        left=_transduced,
        right=_said,
        losses=("rnnt_loss", "cross_entropy"),
    ),
    Identity(
        name="rnnt_of_no_labels_is_cross_entropy_of_blanks",
        statement="The transducer loss of no labels = the cross-entropies of a blank in each frame, summed.",
        formula=r"\mathrm{RNNT}(x, ()) = \sum_t \mathrm{CE}(x_{t,0}, \varnothing)",
        inputs=Domain("logits: 4 frames, no labels, 5 classes", _no_labels),
        relation="equal",
        left=lambda logits: F.rnnt_loss(
            logits, as_array(np.zeros((6, 0), np.int64), like=logits), (4,) * 6, (0,) * 6, reduction="none"
        ),
        right=lambda logits: namespace(logits).sum(
            F.cross_entropy(
                namespace(logits).permute_dims(logits[:, :, 0, :], (0, 2, 1)),
                as_array(np.full((6, 4), 4), like=logits),
                reduction="none",
            ),
            axis=1,
        ),
        losses=("rnnt_loss", "cross_entropy"),
    ),
    Identity(
        name="rnnt_counts_paths",
        statement="Where all classes are alike the transducer loss counts paths: U labels among T - 1 + U steps.",
        formula=r"\mathrm{RNNT}(c, y) = (T + U) \log C - \log \binom{T - 1 + U}{U}",
        inputs=Domain("logits: of each sample one number; frames: 1 to 6; labels: 0 to 5", _alike),
        relation="equal",
        left=lambda logits, frames, labels: F.rnnt_loss(
            logits, as_array(np.zeros((6, 5), np.int64), like=frames), frames, labels, reduction="none"
        ),
        right=_log_of_count,
        losses=("rnnt_loss",),
    ),
    Identity(
        name="rnnt_takes_other_classes_alike",
        statement="The transducer loss is blind to the order of the classes that are no label and not the blank.",
        formula=r"\mathrm{RNNT}(x, y) = \mathrm{RNNT}(x_\sigma, y), \ \sigma \text{ keeps } y_u, \varnothing",
        inputs=Domain("logits: 4 frames, 3 labels, 6 classes; targets: classes 0 and 1", _two_labels_of_six),
        relation="equal",
        left=_transduced,
        right=lambda logits, targets: _transduced(
            namespace(logits).take(logits, as_array(np.array([0, 1, 4, 2, 3, 5]), like=logits), axis=3), targets
        ),
        losses=("rnnt_loss",),
    ),
)
