"""Identities of the losses over real numbers and vectors."""

import math

import lossary.functional as F
from lossary.core.arrays import Array, namespace
from lossary.identities import domains
from lossary.identities.domains import Rng
from lossary.identities.identity import Identity, gradient


def _threshold(rng: Rng, extreme: bool) -> float:
    return float(10 ** (rng.uniform(-6, 6) if extreme else rng.uniform(-2, 2)))


def _gaussian_density(error: Array, scale: float) -> Array:
    return namespace(error).exp(-(error**2) / (2 * scale**2)) / (scale * math.sqrt(2 * math.pi))


def _level(rng: Rng, extreme: bool) -> float:
    return float(rng.choice([1e-6, 1 - 1e-6]) if extreme else rng.uniform(0.01, 0.99))


def _ranked_probability_score(members: Array, target: Array) -> Array:
    """Of the distribution that has a step at each member (Gneiting and Raftery, 2007)."""
    mean = namespace(members).mean
    apart = mean(mean(abs(members[:, :, None] - members[:, None, :]), axis=2), axis=1)
    return mean(abs(members - target[:, None]), axis=1) - apart / 2


def _of_rows(values: Array) -> Array:
    """The sum of each row; of a file's numbers each is a row."""
    return values if values.ndim == 1 else namespace(values).sum(values, axis=1)


def _laplace_density(error: Array, scale: float) -> Array:
    return namespace(error).exp(-abs(error) / scale) / (2 * scale)


def _log_cosh(input: Array, target: Array) -> Array:
    return F.log_cosh_loss(input, target, reduction="none")


def _cosine_loss(x: Array, y: Array) -> Array:
    return F.cosine_embedding_loss(x, y, namespace(x).ones_like(x[:, 0]), reduction="none")


def _reversed(x: Array) -> Array:
    """Another vector of the same norm."""
    return namespace(x).flip(x, axis=1)


def _dot(x: Array, y: Array) -> Array:
    return namespace(x).sum(x * y, axis=1)


def _scaled(x: Array) -> Array:
    """Scaled so that the squares neither overflow nor underflow."""
    xp = namespace(x)
    return x / xp.max(xp.abs(x), axis=1, keepdims=True)


LEVELS = tuple((k + 0.5) / domains.CLASSES for k in range(domains.CLASSES))
"""Of the members of an ensemble: the middles of equal parts."""

BETA = domains.with_option(domains.REALS, "beta", "beta > 0", _threshold)
LEVEL = domains.with_option(domains.REALS, "q", "0 < q < 1", _level)
DELTA = domains.with_option(domains.REALS, "delta", "delta > 0", _threshold)

REGRESSION = (
    Identity(
        name="smooth_l1_is_at_most_l1",
        statement="Smooth L1 is at most L1.",
        formula=r"\mathrm{SmoothL1}_\beta(x, y) \le |x - y|",
        inputs=BETA,
        relation="at_least",
        left=lambda input, target, beta: F.l1_loss(input, target, reduction="none"),
        right=lambda input, target, beta: F.smooth_l1_loss(input, target, beta=beta, reduction="none"),
        losses=("smooth_l1_loss", "l1_loss"),
        unit=0.0,
    ),
    Identity(
        name="smooth_l1_tends_to_l1",
        statement="Smooth L1 is at least L1 - beta / 2, so that it tends to L1 as beta tends to 0.",
        formula=r"\mathrm{SmoothL1}_\beta(x, y) + \tfrac{\beta}{2} \ge |x - y|",
        inputs=BETA,
        relation="at_least",
        left=lambda input, target, beta: F.smooth_l1_loss(input, target, beta=beta, reduction="none") + beta / 2,
        right=lambda input, target, beta: F.l1_loss(input, target, reduction="none"),
        losses=("smooth_l1_loss", "l1_loss"),
        unit=0.0,
    ),
    Identity(
        name="huber_is_scaled_smooth_l1",
        statement="Huber = delta times smooth L1 with beta = delta.",
        formula=r"\mathrm{Huber}_\delta(x, y) = \delta \cdot \mathrm{SmoothL1}_\delta(x, y)",
        inputs=DELTA,
        relation="equal",
        left=lambda input, target, delta: F.huber_loss(input, target, delta=delta, reduction="none"),
        right=lambda input, target, delta: delta * F.smooth_l1_loss(input, target, beta=delta, reduction="none"),
        losses=("huber_loss", "smooth_l1_loss"),
        unit=0.0,
    ),
    Identity(
        name="huber_tends_to_half_squared_error",
        statement="Huber is half the squared error where delta exceeds the error: its limit as delta grows.",
        formula=r"\delta \ge |x - y| \implies \mathrm{Huber}_\delta(x, y) = \tfrac12 (x - y)^2",
        inputs=domains.WITHIN_DELTA,
        relation="equal",
        left=lambda input, target, delta: F.huber_loss(input, target, delta=delta, reduction="none"),
        right=lambda input, target, delta: F.mse_loss(input, target, reduction="none") / 2,
        losses=("huber_loss", "mse_loss"),
        unit=0.0,
    ),
    Identity(
        name="log_cosh_is_at_most_half_squared_error",
        statement="Log-cosh is at most half the squared error, which it tends to at small errors.",
        formula=r"\log \cosh (x - y) \le \tfrac12 (x - y)^2",
        inputs=domains.REALS,
        relation="at_least",
        left=lambda input, target: F.mse_loss(input, target, reduction="none") / 2,
        right=_log_cosh,
        losses=("log_cosh_loss", "mse_loss"),
        unit=0.0,
    ),
    Identity(
        name="log_cosh_is_near_absolute_error",
        statement="Log-cosh is at least the absolute error less log 2, which it tends to at large errors.",
        formula=r"\log \cosh (x - y) \ge |x - y| - \log 2",
        inputs=domains.REALS,
        relation="at_least",
        left=_log_cosh,
        right=lambda input, target: F.l1_loss(input, target, reduction="none") - math.log(2),
        losses=("log_cosh_loss", "l1_loss"),
    ),
    Identity(
        name="log_cosh_is_logistic",
        statement="Log-cosh = the soft margin loss of twice the error on the wrong side, less the error and log 2.",
        formula=r"\log \cosh e = \log(1 + e^{2 e}) - e - \log 2, \qquad e = x - y",
        inputs=domains.REALS,
        relation="equal",
        left=_log_cosh,
        right=lambda input, target: (
            F.soft_margin_loss(2 * (input - target), 0 * input - 1, reduction="none") - (input - target) - math.log(2)
        ),
        losses=("log_cosh_loss", "soft_margin_loss"),
    ),
    Identity(
        name="log_cosh_gradient",
        statement="The gradient of log-cosh is the hyperbolic tangent of the error.",
        formula=r"\partial_x \log \cosh (x - y) = \tanh(x - y)",
        inputs=domains.NEAR_60_SCALES,
        relation="equal",
        left=lambda input, target, scale: (
            scale * gradient(lambda x: _of_rows(_log_cosh(x / scale, target / scale)), input)
        ),
        right=lambda input, target, scale: namespace(input).tanh((input - target) / scale),
        losses=("log_cosh_loss",),
        differentiates=True,
    ),
    Identity(
        name="squared_error_is_gaussian_likelihood",
        statement="Squared error is the negative log-likelihood of Gaussian noise, up to scale and constant.",
        formula=r"\frac{(x - y)^2}{2 \sigma^2} + \log \sigma + \tfrac12 \log 2 \pi = -\log \mathcal{N}(y; x, \sigma^2)",
        inputs=domains.NEAR_6_SCALES,
        relation="equal",
        left=lambda input, target, scale: (
            F.mse_loss(input, target, reduction="none") / (2 * scale**2) + math.log(scale) + math.log(2 * math.pi) / 2
        ),
        right=lambda input, target, scale: -namespace(input).log(_gaussian_density(target - input, scale)),
        losses=("mse_loss",),
        ulps=64.0,
        reason="the exponential magnifies the rounding of its argument, 18 at 6 scales and 72 at 12",
    ),
    Identity(
        name="absolute_error_is_laplace_likelihood",
        statement="Absolute error is the negative log-likelihood of Laplace noise, up to scale and constant.",
        formula=r"\frac{|x - y|}{b} + \log 2 b = -\log \mathrm{Laplace}(y; x, b)",
        inputs=domains.NEAR_60_SCALES,
        relation="equal",
        left=lambda input, target, scale: F.l1_loss(input, target, reduction="none") / scale + math.log(2 * scale),
        right=lambda input, target, scale: -namespace(input).log(_laplace_density(target - input, scale)),
        losses=("l1_loss",),
        ulps=64.0,
        reason="the exponential magnifies the rounding of its argument, 60 at 60 scales",
    ),
    Identity(
        name="quantile_loss_of_the_median_is_half_l1",
        statement="The quantile loss of the median is half the absolute error.",
        formula=r"\ell_{1/2}(x, y) = \tfrac12 |x - y|",
        inputs=domains.REALS,
        relation="equal",
        left=lambda input, target: F.quantile_loss(input, target, 0.5, reduction="none"),
        right=lambda input, target: F.l1_loss(input, target, reduction="none") / 2,
        losses=("quantile_loss", "l1_loss"),
        unit=0.0,
    ),
    Identity(
        name="quantile_losses_of_q_and_1_less_q_add_up",
        statement="The quantile losses of q and of 1 - q add up to the absolute error.",
        formula=r"\ell_q(x, y) + \ell_{1-q}(x, y) = |x - y|",
        inputs=LEVEL,
        relation="equal",
        left=lambda input, target, q: (
            F.quantile_loss(input, target, q, reduction="none")
            + F.quantile_loss(input, target, 1 - q, reduction="none")
        ),
        right=lambda input, target, q: F.l1_loss(input, target, reduction="none"),
        losses=("quantile_loss", "l1_loss"),
        unit=0.0,
    ),
    Identity(
        name="quantile_loss_scales",
        statement="The quantile loss is as many times larger as predictions and targets are.",
        formula=r"\ell_q(4 x, 4 y) = 4 \, \ell_q(x, y)",
        inputs=LEVEL,
        relation="equal",
        left=lambda input, target, q: F.quantile_loss(4 * input, 4 * target, q, reduction="none"),
        right=lambda input, target, q: 4 * F.quantile_loss(input, target, q, reduction="none"),
        losses=("quantile_loss",),
        unit=0.0,
    ),
    Identity(
        name="quantile_losses_are_the_ranked_probability_score",
        statement="Twice the mean quantile loss of the quantiles of an ensemble is its continuous ranked probability "
        "score.",
        formula=r"\frac2n \sum_k \ell_{(k - 1/2) / n}(x_k, y) = \frac1n \sum_k |x_k - y| "
        r"- \frac{1}{2 n^2} \sum_{j,k} |x_j - x_k|",
        inputs=domains.MEMBERS,
        relation="equal",
        left=lambda members, target: (
            2 * namespace(members).mean(F.quantile_loss(members, target, LEVELS, reduction="none"), axis=1)
        ),
        right=lambda members, target: _ranked_probability_score(members, target),
        losses=("quantile_loss",),
        ulps=64.0,
        reason="the two sums of the score cancel",
    ),
    Identity(
        name="cosine_with_itself_is_zero",
        statement="The cosine loss of a vector with itself is 0, however short or long it is.",
        formula=r"1 - \cos(x, x) = 0",
        inputs=domains.VECTORS,
        relation="equal",
        left=lambda x: _cosine_loss(x, x),
        right=lambda x: 0.0,
        losses=("cosine_embedding_loss",),
    ),
    Identity(
        name="cosine_written_out",
        statement="The cosine loss of a pair is 1 less the dot product over the product of the norms.",
        formula=r"1 - \cos(x, y) = 1 - \frac{x \cdot y}{\|x\| \, \|y\|}",
        inputs=domains.VECTORS,
        relation="equal",
        left=lambda x: _cosine_loss(x, _reversed(x)),
        right=lambda x: 1 - _dot(_scaled(x), _reversed(_scaled(x))) / _dot(_scaled(x), _scaled(x)),
        losses=("cosine_embedding_loss",),
    ),
    Identity(
        name="cosine_ignores_length",
        statement="The cosine loss does not change when a vector is stretched.",
        formula=r"1 - \cos(x, 3 y) = 1 - \cos(x, y)",
        inputs=domains.VECTORS,
        relation="equal",
        left=lambda x: _cosine_loss(x, 3 * _reversed(x)),
        right=lambda x: _cosine_loss(x, _reversed(x)),
        losses=("cosine_embedding_loss",),
    ),
)
