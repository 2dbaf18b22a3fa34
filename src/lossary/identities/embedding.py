"""Identities of the losses of embeddings."""

import math
from typing import Any

import lossary.functional as F
from lossary.core.arrays import Array, full, namespace
from lossary.identities import domains
from lossary.identities.identity import Identity


def _temperature(rng: domains.Rng, extreme: bool) -> float:
    return float(rng.choice([0.25, 1.0, 4.0]))


PAIRS = domains.with_option(domains.EMBEDDINGS, "temperature", "temperature > 0", _temperature)
TWO_PAIRS = domains.with_option(domains.TWO_EMBEDDINGS, "temperature", "temperature > 0", _temperature)


def _info_nce(x: Array, y: Array, temperature: float, **options: Any) -> Array:
    return F.info_nce_loss(x, y, temperature=temperature, reduction="none", **options)


def _units(x: Array) -> Array:
    """Rows of length 1, whose squares must not overflow."""
    xp = namespace(x)
    x = x / xp.max(xp.abs(x), axis=-1, keepdims=True)
    return x / xp.sqrt(xp.sum(x * x, axis=-1, keepdims=True))


def _similarities(x: Array, y: Array) -> Array:
    return namespace(x).matmul(_units(x), _units(y).T)


def _own(x: Array) -> Array:
    return namespace(x).arange(x.shape[0])


def _softplus_of_gap(x: Array, y: Array, temperature: float) -> Array:
    s = _similarities(x, y) / temperature
    xp = namespace(s)
    gap = xp.stack([s[0, 1] - s[0, 0], s[1, 0] - s[1, 1]])
    return F.binary_cross_entropy_with_logits(gap, xp.zeros_like(gap), reduction="none")


def _least(x: Array, y: Array, temperature: float) -> Array:
    return full((x.shape[0],), math.log1p((y.shape[0] - 1) * math.exp(-2 / temperature)), x)


EMBEDDING = (
    Identity(
        name="info_nce_is_linear_cross_entropy",
        statement="InfoNCE = linear cross-entropy of unit rows, the candidates being the layer's weights.",
        formula=r"\mathrm{InfoNCE}_T(x, y) = \mathrm{LCE}_T(x / |x|, y / |y|, (1, ..., N))",
        inputs=PAIRS,
        relation="equal",
        left=_info_nce,
        right=lambda x, y, temperature: F.linear_cross_entropy(
            _units(x), _units(y), _own(x), temperature=temperature, reduction="none"
        ),
        losses=("info_nce_loss", "linear_cross_entropy"),
    ),
    Identity(
        name="info_nce_is_cross_entropy_of_similarities",
        statement="InfoNCE of dot products = cross-entropy of the similarities over the temperature.",
        formula=r"\mathrm{InfoNCE}_T(x, y) = \mathrm{CE}(x y^T / T, (1, ..., N))",
        inputs=PAIRS,
        relation="equal",
        left=lambda x, y, temperature: _info_nce(_units(x), _units(y), temperature, normalize=False),
        right=lambda x, y, temperature: F.cross_entropy(_similarities(x, y) / temperature, _own(x), reduction="none"),
        losses=("info_nce_loss", "cross_entropy"),
    ),
    Identity(
        name="symmetric_info_nce_is_the_mean_of_both_directions",
        statement="Symmetric InfoNCE, CLIP's loss = the mean of InfoNCE of rows among candidates and of candidates "
        "among rows.",
        formula=r"\mathrm{CLIP}_T(x, y) = \tfrac12 (\mathrm{InfoNCE}_T(x, y) + \mathrm{InfoNCE}_T(y, x))",
        inputs=PAIRS,
        relation="equal",
        left=lambda x, y, temperature: _info_nce(x, y, temperature, symmetric=True),
        right=lambda x, y, temperature: (_info_nce(x, y, temperature) + _info_nce(y, x, temperature)) / 2,
        losses=("info_nce_loss",),
    ),
    Identity(
        name="symmetric_info_nce_is_symmetric",
        statement="Symmetric InfoNCE stays when rows and candidates change places.",
        formula=r"\mathrm{CLIP}_T(x, y) = \mathrm{CLIP}_T(y, x)",
        inputs=PAIRS,
        relation="equal",
        left=lambda x, y, temperature: _info_nce(x, y, temperature, symmetric=True),
        right=lambda x, y, temperature: _info_nce(y, x, temperature, symmetric=True),
        losses=("info_nce_loss",),
    ),
    Identity(
        name="info_nce_does_not_see_lengths",
        statement="Of cosines, InfoNCE stays when each row and each candidate is given another length.",
        formula=r"\mathrm{InfoNCE}_T(a_i x_i, b_j y_j) = \mathrm{InfoNCE}_T(x_i, y_j)",
        inputs=PAIRS,
        relation="equal",
        left=_info_nce,
        right=lambda x, y, temperature: _info_nce(_units(x), 3.0 * _units(y), temperature),
        losses=("info_nce_loss",),
    ),
    Identity(
        name="info_nce_of_two_is_softplus",
        statement="InfoNCE among two candidates = softplus of how far the rival's similarity leads, over the "
        "temperature.",
        formula=r"\mathrm{InfoNCE}_T(x, (y_1, y_2)) = \log(1 + e^{(s_{12} - s_{11}) / T})",
        inputs=TWO_PAIRS,
        relation="equal",
        left=_info_nce,
        right=_softplus_of_gap,
        losses=("info_nce_loss", "binary_cross_entropy_with_logits"),
    ),
    Identity(
        name="info_nce_tends_to_log_m",
        statement="InfoNCE at a high temperature = log M, the loss of a guess.",
        formula=r"\lim_{T \to \infty} \mathrm{InfoNCE}_T(x, y) = \log M",
        inputs=domains.EMBEDDINGS,
        relation="equal",
        left=lambda x, y: _info_nce(x, y, 1e18),
        right=lambda x, y: full((x.shape[0],), math.log(y.shape[0]), x),
        losses=("info_nce_loss",),
    ),
    Identity(
        name="info_nce_has_a_floor",
        statement="Of cosines, which differ by at most 2, InfoNCE is at least log(1 + (M - 1) exp(-2 / T)).",
        formula=r"\mathrm{InfoNCE}_T(x, y) \ge \log(1 + (M - 1) e^{-2 / T})",
        inputs=PAIRS,
        relation="at_least",
        left=_info_nce,
        right=_least,
        losses=("info_nce_loss",),
    ),
    Identity(
        name="more_candidates_cost_more",
        statement="More candidates never lower InfoNCE.",
        formula=r"\mathrm{InfoNCE}_T(x, (y, z)) \ge \mathrm{InfoNCE}_T(x, y)",
        inputs=PAIRS,
        relation="at_least",
        left=lambda x, y, temperature: _info_nce(x, namespace(x).concat([y, -y]), temperature),
        right=_info_nce,
        losses=("info_nce_loss",),
    ),
)
