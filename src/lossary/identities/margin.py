"""Identities of the losses that ask for a margin."""

import lossary.functional as F
from lossary.core.arrays import Array
from lossary.identities import domains
from lossary.identities.identity import Identity


def _hinge(logits: Array, target: Array, margin: float) -> Array:
    return F.hinge_loss(logits, 2 * target - 1, margin=margin, reduction="none")


def _margin(rng: domains.Rng, extreme: bool) -> float:
    return float(rng.choice([0.0, 1.0, 2.5]))


OF_LABELS = domains.with_option(domains.BINARY_LOGITS, "margin", "margin >= 0", _margin, default=1.0)

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
)
