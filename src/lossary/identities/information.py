"""Identities of information, entropy and divergence."""

import math

from lossary import information
from lossary.core.arrays import Array, namespace
from lossary.core.elementary import times
from lossary.identities import domains
from lossary.identities.identity import Identity


def _squared_l1(p: Array, q: Array) -> Array:
    xp = namespace(p)
    return xp.sum(xp.abs(p - q), axis=-1) ** 2


INFORMATION = (
    Identity(
        name="information_adds",
        statement="The information of two independent events adds up.",
        formula=r"I(p q) = I(p) + I(q)",
        inputs=domains.EVENTS,
        relation="equal",
        left=lambda p, q: information.self_information(p * q),
        right=lambda p, q: information.self_information(p) + information.self_information(q),
    ),
    Identity(
        name="rarer_is_more_informative",
        statement="The rarer an event, the larger its information.",
        formula=r"p < q \implies I(q) < I(p)",
        inputs=domains.ORDERED_EVENTS,
        relation="less",
        left=lambda rare, likely: information.self_information(likely),
        right=lambda rare, likely: information.self_information(rare),
    ),
    Identity(
        name="entropy_is_expected_information",
        statement="Entropy is the mean information of the classes.",
        formula=r"H(p) = \sum_c p_c \, I(p_c)",
        inputs=domains.DISTRIBUTIONS,
        relation="equal",
        left=lambda p: information.entropy(p),
        right=lambda p: namespace(p).sum(times(p, information.self_information(p)), axis=-1),
    ),
    Identity(
        name="entropy_of_one_hot_is_zero",
        statement="A one-hot distribution has no entropy.",
        formula=r"H(e_c) = 0",
        inputs=domains.ONE_HOT,
        relation="equal",
        left=lambda p: information.entropy(p),
        right=lambda p: 0.0,
    ),
    Identity(
        name="uniform_has_most_entropy",
        statement="No distribution over C classes has more entropy than the uniform one, log C.",
        formula=r"H(p) \le \log C",
        inputs=domains.DISTRIBUTIONS,
        relation="at_least",
        left=lambda p: information.entropy(namespace(p).ones_like(p) / p.shape[-1]),
        right=lambda p: information.entropy(p),
    ),
    Identity(
        name="bits_are_nats",
        statement="A bit is log 2 nats.",
        formula=r"H_{\mathrm{nats}}(p) = \log 2 \cdot H_{\mathrm{bits}}(p)",
        inputs=domains.DISTRIBUTIONS,
        relation="equal",
        left=lambda p: information.entropy(p),
        right=lambda p: math.log(2) * information.entropy(p, base="bits"),
    ),
    Identity(
        name="relative_entropy_is_nonnegative",
        statement="Relative entropy (KL) is never negative.",
        formula=r"D(p \,\|\, q) \ge 0",
        inputs=domains.PAIRS,
        relation="at_least",
        left=lambda p, q: information.relative_entropy(p, q),
        right=lambda p, q: 0.0,
    ),
    Identity(
        name="relative_entropy_of_equal_is_zero",
        statement="Relative entropy is 0 for equal distributions.",
        formula=r"D(p \,\|\, p) = 0",
        inputs=domains.DISTRIBUTIONS,
        relation="equal",
        left=lambda p: information.relative_entropy(p, p),
        right=lambda p: 0.0,
    ),
    Identity(
        name="relative_entropy_is_zero_only_for_equal",
        statement="Relative entropy is at least half the squared L1 distance (Pinsker): 0 only for equal ones.",
        formula=r"D(p \,\|\, q) \ge \tfrac12 \| p - q \|_1^2",
        inputs=domains.PAIRS,
        relation="at_least",
        left=lambda p, q: information.relative_entropy(p, q),
        right=lambda p, q: _squared_l1(p, q) / 2,
    ),
    Identity(
        name="relative_entropy_is_not_symmetric",
        statement="Relative entropy is not symmetric.",
        formula=r"D(p \,\|\, q) \ne D(q \,\|\, p)",
        inputs=domains.DIFFERENT_PAIRS,
        relation="differs",
        left=lambda p, q: information.relative_entropy(p, q),
        right=lambda p, q: information.relative_entropy(q, p),
    ),
    Identity(
        name="jensen_shannon_is_symmetric",
        statement="The Jensen-Shannon divergence is symmetric.",
        formula=r"\mathrm{JS}(p, q) = \mathrm{JS}(q, p)",
        inputs=domains.PAIRS,
        relation="equal",
        left=lambda p, q: information.jensen_shannon(p, q),
        right=lambda p, q: information.jensen_shannon(q, p),
    ),
    Identity(
        name="jensen_shannon_is_at_most_log_2",
        statement="The Jensen-Shannon divergence is at most log 2: 1 bit, for distributions that share no class.",
        formula=r"\mathrm{JS}(p, q) \le \log 2",
        inputs=domains.PAIRS,
        relation="at_least",
        left=lambda p, q: math.log(2) + 0 * information.jensen_shannon(p, q),
        right=lambda p, q: information.jensen_shannon(p, q),
    ),
)
