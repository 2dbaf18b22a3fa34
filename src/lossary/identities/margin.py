"""Identities of the losses that ask for a margin."""

import lossary.functional as F
from lossary.core.arrays import Array, namespace
from lossary.identities import domains
from lossary.identities.identity import Identity


def _hinge(logits: Array, target: Array, margin: float) -> Array:
    return F.hinge_loss(logits, 2 * target - 1, margin=margin, reduction="none")


def _categorical_hinge(logits: Array, labels: Array, margin: float) -> Array:
    return F.categorical_hinge_loss(logits, labels, margin=margin, reduction="none")


def _margin(rng: domains.Rng, extreme: bool) -> float:
    return float(rng.choice([0.0, 1.0, 2.5]))


OF_LABELS = domains.with_option(domains.BINARY_LOGITS, "margin", "margin >= 0", _margin, default=1.0)
OF_TWO_CLASSES = domains.with_option(domains.TWO_LOGITS, "margin", "margin >= 0", _margin)

MARGIN = (
    Identity(
        name="hinge_is_a_ranking_against_zero",
        statement="Hinge loss = margin ranking loss of the score against 0.",
        formula=r"\mathrm{Hinge}_m(x, y) = \mathrm{MarginRanking}_m(x, 0, y)",
        inputs=OF_LABELS,
        relation="equal",
        left=_hinge,
        right=lambda logits, target, margin: F.margin_ranking_loss(
            logits, 0 * logits, 2 * target - 1, margin=margin, reduction="none"
        ),
        losses=("hinge_loss", "margin_ranking_loss"),
        ulps=0.0,
    ),
    Identity(
        name="squared_hinge_is_hinge_squared",
        statement="Squared hinge loss = the square of hinge loss.",
        formula=r"\mathrm{SquaredHinge}_m(x, y) = \mathrm{Hinge}_m(x, y)^2",
        inputs=OF_LABELS,
        relation="equal",
        left=lambda logits, target, margin: F.squared_hinge_loss(
            logits, 2 * target - 1, margin=margin, reduction="none"
        ),
        right=lambda logits, target, margin: _hinge(logits, target, margin) ** 2,
        losses=("squared_hinge_loss", "hinge_loss"),
        unit=0.0,
    ),
    Identity(
        name="categorical_hinge_of_two_classes_is_hinge",
        statement="Categorical hinge loss of two classes = hinge loss of the difference of their scores.",
        formula=r"\mathrm{CategoricalHinge}_m((a, b), y) = \mathrm{Hinge}_m(b - a, 2 y - 1)",
        inputs=OF_TWO_CLASSES,
        relation="equal",
        left=_categorical_hinge,
        right=lambda logits, labels, margin: _hinge(
            logits[:, 1] - logits[:, 0], namespace(logits).astype(labels, logits.dtype), margin
        ),
        losses=("categorical_hinge_loss", "hinge_loss"),
    ),
    Identity(
        name="categorical_hinge_of_two_classes_is_multi_margin",
        statement="Categorical hinge loss of two classes = twice the multi-class margin loss.",
        formula=r"\mathrm{CategoricalHinge}_m((a, b), y) = 2 \, \mathrm{MultiMargin}_m((a, b), y)",
        inputs=OF_TWO_CLASSES,
        relation="equal",
        left=_categorical_hinge,
        right=lambda logits, labels, margin: 2 * F.multi_margin_loss(logits, labels, margin=margin, reduction="none"),
        losses=("categorical_hinge_loss", "multi_margin_loss"),
    ),
    Identity(
        name="categorical_hinge_is_at_most_multi_margin",
        statement="Categorical hinge loss, of the strongest rival, is at most C times the multi-class margin loss, "
        "the sum over all.",
        formula=r"\mathrm{CategoricalHinge}(x, y) \le C \, \mathrm{MultiMargin}(x, y)",
        inputs=domains.CLASS_TARGETS,
        relation="at_least",
        left=lambda logits, labels: logits.shape[1] * F.multi_margin_loss(logits, labels, reduction="none"),
        right=lambda logits, labels: F.categorical_hinge_loss(logits, labels, reduction="none"),
        losses=("categorical_hinge_loss", "multi_margin_loss"),
    ),
)
