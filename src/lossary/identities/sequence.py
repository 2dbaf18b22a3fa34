"""Identities of the losses over sequences."""

import itertools

import numpy as np

import lossary.functional as F
from lossary.core.arrays import Array, namespace, to_numpy
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
)
