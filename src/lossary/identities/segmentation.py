"""Identities of the losses of overlap, with the rows of a batch for the pixels of an image."""

from typing import Any

import lossary.functional as F
from lossary.core.arrays import Array, namespace
from lossary.identities import domains
from lossary.identities.identity import Identity


def _image(rows: Array) -> Array:
    """(N, C) as one sample of N pixels, (1, C, N)."""
    xp = namespace(rows)
    return xp.expand_dims(xp.permute_dims(rows, (1, 0)), axis=0)


def _of_labels(loss: Any, logits: Array, labels: Array, **options: Any) -> Array:
    xp = namespace(logits)
    return loss(_image(logits), xp.expand_dims(labels, axis=0), reduction="none", **options)


def _of_masks(loss: Any, p: Array, q: Array, **options: Any) -> Array:
    return loss(_image(p), _image(q), reduction="none", activation="none", **options)


def _hard(labels: Array, logits: Array) -> tuple[Array, Array]:
    """The classes that are predicted, and those that are true, of each pixel, as masks."""
    xp, classes = namespace(logits), range(logits.shape[1])
    most = xp.argmax(logits, axis=1)
    predicted, true = (xp.stack([xp.astype(x == c, logits.dtype) for c in classes], axis=1) for x in (most, labels))
    return predicted, true


def _one_less_f1(logits: Array, labels: Array) -> Array:
    predicted, true = _hard(labels, logits)
    xp = namespace(logits)
    hits, both = xp.sum(predicted * true, axis=0), xp.sum(predicted + true, axis=0)
    return xp.expand_dims(1 - 2 * hits / xp.where(both == 0, 1.0, both) - xp.astype(both == 0, hits.dtype), axis=0)


def _dice_of_decisions(logits: Array, labels: Array, **options: Any) -> Array:
    return _of_masks(F.dice_loss, *_hard(labels, logits), smooth=0.0, **options)


def _twice(rows: Array) -> Array:
    return namespace(rows).concat([rows, rows])


def _smooth(rng: domains.Rng, extreme: bool) -> float:
    return float(rng.choice([0.0, 1e-5, 1.0, 20.0]))


def _alpha(rng: domains.Rng, extreme: bool) -> float:
    return float(rng.uniform(0.0, 2.0))


SMOOTHED = domains.with_option(domains.CLASS_TARGETS, "smooth", "smooth >= 0", _smooth, default=1.0)
WEIGHED = domains.with_option(domains.PAIRS, "alpha", "alpha >= 0", _alpha, default=0.3)
FOCUSED = domains.with_option(
    domains.CLASS_TARGETS, "gamma", "gamma > 0", lambda rng, extreme: float(rng.uniform(0.5, 3.0)), default=0.75
)

SEGMENTATION = (
    Identity(
        name="dice_is_tversky",
        statement="Dice loss = Tversky loss with alpha = beta = 1/2.",
        formula=r"\mathrm{Dice}_s = \mathrm{Tversky}_{1/2, 1/2, s}",
        inputs=SMOOTHED,
        relation="equal",
        left=lambda logits, labels, smooth: _of_labels(F.dice_loss, logits, labels, smooth=smooth),
        right=lambda logits, labels, smooth: _of_labels(
            F.tversky_loss, logits, labels, smooth=smooth, alpha=0.5, beta=0.5
        ),
        losses=("dice_loss", "tversky_loss"),
        ulps=0.0,
    ),
    Identity(
        name="jaccard_is_tversky",
        statement="Jaccard loss = Tversky loss with alpha = beta = 1.",
        formula=r"\mathrm{Jaccard}_s = \mathrm{Tversky}_{1, 1, s}",
        inputs=SMOOTHED,
        relation="equal",
        left=lambda logits, labels, smooth: _of_labels(F.jaccard_loss, logits, labels, smooth=smooth),
        right=lambda logits, labels, smooth: _of_labels(
            F.tversky_loss, logits, labels, smooth=smooth, alpha=1.0, beta=1.0
        ),
        losses=("jaccard_loss", "tversky_loss"),
        ulps=0.0,
    ),
    Identity(
        name="jaccard_of_dice",
        statement="Without smoothing a Dice loss of d is a Jaccard loss of 2d / (1 + d).",
        formula=r"\mathrm{Jaccard} = \frac{2 \, \mathrm{Dice}}{1 + \mathrm{Dice}}",
        inputs=domains.CLASS_TARGETS,
        relation="equal",
        left=lambda logits, labels: _of_labels(F.jaccard_loss, logits, labels, smooth=0.0),
        right=lambda logits, labels: (
            2
            * _of_labels(F.dice_loss, logits, labels, smooth=0.0)
            / (1 + _of_labels(F.dice_loss, logits, labels, smooth=0.0))
        ),
        losses=("jaccard_loss", "dice_loss"),
    ),
    Identity(
        name="jaccard_is_at_least_dice",
        statement="Jaccard loss is at least Dice loss.",
        formula=r"\mathrm{Jaccard} \ge \mathrm{Dice}",
        inputs=SMOOTHED,
        relation="at_least",
        left=lambda logits, labels, smooth: _of_labels(F.jaccard_loss, logits, labels, smooth=smooth),
        right=lambda logits, labels, smooth: _of_labels(F.dice_loss, logits, labels, smooth=smooth),
        losses=("jaccard_loss", "dice_loss"),
    ),
    Identity(
        name="jaccard_is_at_most_twice_dice",
        statement="Jaccard loss is at most twice the Dice loss.",
        formula=r"\mathrm{Jaccard} \le 2 \, \mathrm{Dice}",
        inputs=SMOOTHED,
        relation="at_least",
        left=lambda logits, labels, smooth: 2 * _of_labels(F.dice_loss, logits, labels, smooth=smooth),
        right=lambda logits, labels, smooth: _of_labels(F.jaccard_loss, logits, labels, smooth=smooth),
        losses=("jaccard_loss", "dice_loss"),
    ),
    Identity(
        name="dice_of_decisions_is_one_less_f1",
        statement="Dice loss of hard masks = 1 - F1 score of each class.",
        formula=r"\mathrm{Dice} = 1 - \frac{2 \, TP}{2 \, TP + FP + FN}",
        inputs=domains.CLASS_TARGETS,
        relation="equal",
        left=_dice_of_decisions,
        right=_one_less_f1,
        losses=("dice_loss",),
    ),
    Identity(
        name="squares_of_decisions_are_themselves",
        statement="Of hard masks the squared form of Dice loss is the plain one.",
        formula=r"p, t \in \{0, 1\}: \mathrm{Dice}_{squared} = \mathrm{Dice}",
        inputs=domains.CLASS_TARGETS,
        relation="equal",
        left=lambda logits, labels: _dice_of_decisions(logits, labels, squared=True),
        right=_dice_of_decisions,
        losses=("dice_loss",),
    ),
    Identity(
        name="overlap_of_one_hot_is_that_of_classes",
        statement="Class indices are hard masks, of which the minimum and the product are the same.",
        formula=r"t \in \{0, 1\}: \min(p, t) = p \, t",
        inputs=SMOOTHED,
        relation="equal",
        left=lambda logits, labels, smooth: F.dice_loss(
            _image(logits), _image(_hard(labels, logits)[1]), reduction="none", smooth=smooth, overlap="minimum"
        ),
        right=lambda logits, labels, smooth: _of_labels(F.dice_loss, logits, labels, smooth=smooth, overlap="product"),
        losses=("dice_loss",),
    ),
    Identity(
        name="dice_is_symmetric",
        statement="Dice loss does not change when prediction and target change places.",
        formula=r"\mathrm{Dice}(p, q) = \mathrm{Dice}(q, p)",
        inputs=domains.PAIRS,
        relation="equal",
        left=lambda p, q: _of_masks(F.dice_loss, p, q),
        right=lambda p, q: _of_masks(F.dice_loss, q, p),
        losses=("dice_loss",),
    ),
    Identity(
        name="tversky_exchanges_its_weights",
        statement="When prediction and target change places, so do the weights of Tversky loss.",
        formula=r"\mathrm{Tversky}_{\alpha, \beta}(p, q) = \mathrm{Tversky}_{\beta, \alpha}(q, p)",
        inputs=WEIGHED,
        relation="equal",
        left=lambda p, q, alpha: _of_masks(F.tversky_loss, p, q, alpha=alpha, beta=0.7),
        right=lambda p, q, alpha: _of_masks(F.tversky_loss, q, p, alpha=0.7, beta=alpha),
        losses=("tversky_loss",),
    ),
    Identity(
        name="dice_of_itself_is_zero",
        statement="A soft mask that is predicted exactly costs nothing.",
        formula=r"\mathrm{Dice}(p, p) = 0",
        inputs=domains.DISTRIBUTIONS,
        relation="equal",
        left=lambda p: _of_masks(F.dice_loss, p, p),
        right=lambda p: namespace(p).zeros_like(_of_masks(F.dice_loss, p, p)),
        losses=("dice_loss",),
        ulps=0.0,
    ),
    Identity(
        name="jaccard_obeys_the_triangle_inequality",
        statement="Jaccard loss is a metric: by way of uniform masks no way is shorter.",
        formula=r"\mathrm{Jaccard}(p, u) + \mathrm{Jaccard}(u, q) \ge \mathrm{Jaccard}(p, q)",
        inputs=domains.PAIRS,
        relation="at_least",
        left=lambda p, q: (
            _of_masks(F.jaccard_loss, p, 0 * p + 0.5, smooth=0.0)
            + _of_masks(F.jaccard_loss, 0 * q + 0.5, q, smooth=0.0)
        ),
        right=lambda p, q: _of_masks(F.jaccard_loss, p, q, smooth=0.0),
        losses=("jaccard_loss",),
    ),
    Identity(
        name="tversky_falls_with_its_weights",
        statement="A false positive that weighs less costs less.",
        formula=r"\mathrm{Tversky}_{1 + \alpha, \beta} \ge \mathrm{Tversky}_{\alpha, \beta}",
        inputs=WEIGHED,
        relation="at_least",
        left=lambda p, q, alpha: _of_masks(F.tversky_loss, p, q, alpha=1 + alpha),
        right=lambda p, q, alpha: _of_masks(F.tversky_loss, p, q, alpha=alpha),
        losses=("tversky_loss",),
    ),
    Identity(
        name="focal_tversky_is_a_power",
        statement="Focal Tversky loss = Tversky loss to the power of gamma, each class on its own.",
        formula=r"\mathrm{Tversky}_\gamma = (\mathrm{Tversky}_1)^\gamma",
        inputs=FOCUSED,
        relation="equal",
        left=lambda logits, labels, gamma: _of_labels(F.tversky_loss, logits, labels, gamma=gamma),
        right=lambda logits, labels, gamma: _of_labels(F.tversky_loss, logits, labels) ** gamma,
        losses=("tversky_loss",),
    ),
    Identity(
        name="overlap_of_pixels_that_repeat",
        statement="Without smoothing it makes no difference whether every pixel is there twice.",
        formula=r"\mathrm{Dice}((p, p), (t, t)) = \mathrm{Dice}(p, t)",
        inputs=domains.CLASS_TARGETS,
        relation="equal",
        left=lambda logits, labels: _of_labels(F.dice_loss, _twice(logits), _twice(labels), smooth=0.0),
        right=lambda logits, labels: _of_labels(F.dice_loss, logits, labels, smooth=0.0),
        losses=("dice_loss",),
    ),
    Identity(
        name="pixel_weights_are_repetitions",
        statement="A weight of 2 for every pixel is every pixel twice.",
        formula=r"\mathrm{Dice}_{w = 2}(p, t) = \mathrm{Dice}((p, p), (t, t))",
        inputs=SMOOTHED,
        relation="equal",
        left=lambda logits, labels, smooth: _of_labels(
            F.dice_loss,
            logits,
            labels,
            smooth=smooth,
            pixel_weight=namespace(logits).full_like(logits[:, 0], 2.0)[None, :],
        ),
        right=lambda logits, labels, smooth: _of_labels(F.dice_loss, _twice(logits), _twice(labels), smooth=smooth),
        losses=("dice_loss",),
    ),
    Identity(
        name="overlap_over_the_batch_is_that_of_one_image",
        statement="With batch=True a batch is one image of all its pixels.",
        formula=r"\mathrm{Dice}_{batch}(x, y) = \mathrm{Dice}(\mathrm{all}(x), \mathrm{all}(y))",
        inputs=SMOOTHED,
        relation="equal",
        left=lambda logits, labels, smooth: F.dice_loss(logits, labels, reduction="none", smooth=smooth, batch=True),
        right=lambda logits, labels, smooth: _of_labels(F.dice_loss, logits, labels, smooth=smooth)[0, :],
        losses=("dice_loss",),
    ),
)
