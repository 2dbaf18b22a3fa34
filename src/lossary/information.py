"""Information, entropy and divergence of discrete distributions.

A distribution is an array of probabilities along `axis`, or `Logits(array)`: a wrapper and not a flag, because the
two distributions of one call may come in different forms. Log-probabilities are logits too.

Everything runs on NumPy, torch, JAX and other array API libraries, is differentiable (an entry of probability 0 adds
0 to value and gradient), computes half precision in fp32, and is infinite where the mathematics is.

Common to all functions: `axis` holds the classes; `base` is the unit, "nats" (natural logarithm), "bits" (base 2) or
"hartleys" (base 10). One of two distributions may broadcast to the other over the remaining axes. Values are checked
where reading them is free (on the CPU, outside compiled code): probabilities are not negative and add up to 1 within
max(1e-5, sqrt(eps)) of their dtype, or a ValueError names the place.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lossary.core.arrays import Array, cast, kind, namespace
from lossary.core.distributions import (
    Distribution,
    Logits,
    Rows,
    as_array,
    as_events,
    as_rows,
    check_kinds,
    classes_at,
    log,
    one_hot,
)
from lossary.core.elementary import generalised_kl, times

__all__ = [
    "Decomposition",
    "Logits",
    "cross_entropy",
    "decompose",
    "entropy",
    "jensen_shannon",
    "relative_entropy",
    "self_information",
]

Base = Literal["nats", "bits", "hartleys"]
_NATS = {"nats": 1.0, "bits": math.log(2), "hartleys": math.log(10)}


@dataclass(frozen=True)
class Decomposition:
    """Cross-entropy = entropy + relative entropy, for each sample, in nats.

    gradient: softmax(logits) - target, of the cross-entropy and of the relative entropy alike, with respect to each
    sample's logits. The entropy is the target's own: its gradient is 0.
    """

    cross_entropy: Array
    entropy: Array
    relative_entropy: Array
    gradient: Array


def self_information(p: Distribution, *, axis: int = -1, base: Base = "nats") -> Array:
    """-log p of each event: how surprising it is. Shape of `p`; infinite for an impossible event.

    `p` holds probabilities of any events, which need not add up to 1. Their mean is Shannon's H (1948, section 6).

    >>> self_information([1.0, 0.5, 0.125], base="bits")
    array([0., 1., 3.])
    """
    if isinstance(p, Logits):
        (P,), answer = as_rows("self_information", axis, p=p)
        log_prob = classes_at(axis, P.log_prob)
    else:
        events, answer = as_events("self_information", p)
        log_prob = log(events)
    return _in("self_information", base, 0.0 - log_prob, answer)


def entropy(p: Distribution, *, axis: int = -1, base: Base = "nats") -> Array:
    """H(p) = -Σ p log p: the expected surprise, from 0 (one-hot) to log C (uniform). Shape of `p` without `axis`.

    Source: Shannon 1948, "A Mathematical Theory of Communication", section 6, theorem 2.

    >>> float(entropy([0.5, 0.25, 0.25], base="bits"))
    1.5
    """
    (P,), answer = as_rows("entropy", axis, p=p)
    return _in("entropy", base, _cross_entropy(P.prob, P.log_prob), answer)


def cross_entropy(p: Distribution, q: Distribution, *, axis: int = -1, base: Base = "nats") -> Array:
    """H(p, q) = -Σ p log q: the code length of samples from `p` under a code made for `q`. At least H(p).

    Infinite where `q` excludes what `p` allows. For training, with class indices, weights and reductions, there is
    `lossary.cross_entropy`, whose first argument is the model's logits.

    >>> float(cross_entropy([0.5, 0.5], [0.25, 0.75], base="bits"))
    1.207518749639422
    """
    (P, Q), answer = as_rows("cross_entropy", axis, p=p, q=q)
    return _in("cross_entropy", base, _cross_entropy(P.prob, Q.log_prob), answer)


def relative_entropy(p: Distribution, q: Distribution, *, axis: int = -1, base: Base = "nats") -> Array:
    """D(p || q) = Σ p log(p / q), the Kullback-Leibler divergence: H(p, q) - H(p), 0 only where p = q, not symmetric.

    Source: Kullback and Leibler 1951, "On Information and Sufficiency", section 2.

    >>> float(relative_entropy([1.0, 0.0], [0.5, 0.5], base="bits"))
    1.0
    """
    (P, Q), answer = as_rows("relative_entropy", axis, p=p, q=q)
    return _in("relative_entropy", base, _relative_entropy(P, Q.log_prob), answer)


def jensen_shannon(p: Distribution, q: Distribution, *, axis: int = -1, base: Base = "nats") -> Array:
    """(D(p || m) + D(q || m)) / 2 with m = (p + q) / 2: symmetric, from 0 (equal) to 1 bit (disjoint), never infinite.

    Source: Lin 1991, "Divergence Measures Based on the Shannon Entropy", with equal weights,
    doi.org/10.1109/18.61115.

    >>> float(jensen_shannon([1.0, 0.0], [0.0, 1.0], base="bits"))
    1.0
    """
    (P, Q), answer = as_rows("jensen_shannon", axis, p=p, q=q)
    xp = namespace(P.prob)
    mixture = (P.prob + Q.prob) / 2
    # It is 0 where both are 0, or where half the smallest subnormal underflows: neither adds to the sum.
    log_mixture = xp.log(xp.where(mixture == 0, 1.0, mixture))
    halves = [_relative_entropy(rows, xp.where(mixture == 0, rows.log_prob, log_mixture)) for rows in (P, Q)]
    return _in("jensen_shannon", base, (halves[0] + halves[1]) / 2, answer)


def decompose(logits: Array, target: Array, *, axis: int = -1) -> Decomposition:
    """Split each sample's cross-entropy into the entropy of its target and what the model can still gain.

    `target` holds class indices (the shape of `logits` without `axis`), whose entropy is 0, or probabilities (the
    shape of `logits`). Raises IndexError for a class index out of range.

    >>> parts = decompose([[0.0, 0.0]], [[0.5, 0.5]])
    >>> float(parts.cross_entropy[0]), float(parts.entropy[0]), float(parts.relative_entropy[0])
    (0.6931471805599453, 0.6931471805599453, 0.0)
    """
    logits, target = as_array(logits), as_array(target)
    check_kinds("decompose", {"target": target, "logits": logits})
    if kind(target) == "integer" and target.ndim == logits.ndim - 1:
        target = one_hot("decompose", "target", target, logits, axis)
    if tuple(target.shape) != tuple(logits.shape):
        raise ValueError(
            f"decompose: target has shape {tuple(target.shape)} and logits {tuple(logits.shape)}; "
            "target must hold probabilities of that shape, or class indices of that shape without the class axis"
        )
    (P, Q), answer = as_rows("decompose", axis, target=target, logits=Logits(logits))
    return Decomposition(
        cross_entropy=cast(_cross_entropy(P.prob, Q.log_prob), answer),
        entropy=cast(_cross_entropy(P.prob, P.log_prob), answer),
        relative_entropy=cast(_relative_entropy(P, Q.log_prob), answer),
        gradient=cast(classes_at(axis, Q.prob - P.prob), answer),
    )


def _cross_entropy(p: Array, log_q: Array) -> Array:
    # 0 - x and not -x: the entropy of a certain event is 0, not -0.
    return 0.0 - namespace(p).sum(times(p, log_q), axis=-1)


def _relative_entropy(p: Rows, log_q: Array) -> Array:
    # Σ (p log(p / q) - p + q), where Σ q - Σ p is 0: no term is negative, so none cancels another.
    xp = namespace(log_q)
    log_p = xp.where(p.prob == 0, -xp.inf, p.log_prob)  # what underflows is 0
    return xp.sum(generalised_kl(log_p, log_q), axis=-1)


def _in(function: str, base: str, nats: Array, dtype: Any) -> Array:
    if base not in _NATS:
        raise ValueError(f"{function}: base is {base!r}; it must be one of {', '.join(get_args(Base))}")
    return cast(nats / _NATS[base], dtype)
