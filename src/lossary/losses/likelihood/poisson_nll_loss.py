import math
from typing import Annotated

import numpy as np

from lossary.core.arrays import A, Array, Impl, Reduction, namespace
from lossary.core.contract import Flag, Range, counts, log_rates, rates
from lossary.core.elementary import times
from lossary.core.minimisers import log_mean
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


def stirling(n: Array) -> Array:
    """Stirling's approximation of log n!, and 0 up to n = 1, as in torch."""
    xp = namespace(n)
    few = n <= 1
    many = xp.where(few, 2.0, n)
    return xp.where(few, 0.0, many * xp.log(many) - many + 0.5 * xp.log(2 * math.pi * many))


@loss(
    family="likelihood",
    title="Poisson negative log-likelihood: regression of counts",
    formula=r"\ell_i = \begin{cases} e^{x_i} - t_i x_i & \text{log\_input=True} \\ "
    r"x_i - t_i \log(x_i + \epsilon) & \text{otherwise} \end{cases}",
    symbols={"x": "input", "t": "target", r"\epsilon": "eps"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = \begin{cases} e^{x_i} - t_i & \text{log\_input=True} \\ "
    r"1 - \frac{t_i}{x_i + \epsilon} & \text{otherwise} \end{cases}",
    derivation=r"The probability of the count $t$ at the rate $\lambda$ is $\frac{\lambda^t e^{-\lambda}}{t!}$: minus "
    r"its logarithm is $\lambda - t \log \lambda$, and $\log t!$, which the rate does not change. With "
    r"$\lambda = e^x$ the derivative is $\lambda - t$, predicted less counted, as for every log-likelihood whose "
    r"input is the natural parameter. By the rate itself it is $1 - \frac{t}{\lambda}$: the relative error counts, "
    r"and a rate near 0 has a huge gradient.",
    unreduced="*s",
    sources=(Source("McCullagh and Nelder, Generalized Linear Models, 2nd edition, 1989"),),
    properties=("convex", "permutation_invariant", "proper"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.poisson_nll_loss"),
        Elsewhere("keras", "keras.losses.Poisson", "with log_input=False; its mean is over the last axis first"),
        Elsewhere("scikit-learn", "sklearn.metrics.mean_poisson_deviance", "twice the loss less that of λ = t"),
    ),
    examples=(
        Example({"input": [0.0, 0.0], "target": [0.0, 5.0]}, 1.0, "e^0 - t·0 = 1"),
        Example({"input": [2.0], "target": [0.0], "log_input": False}, 2.0, "2 - 0·log 2"),
    ),
    use_when=(
        "Targets are numbers of events: clicks, calls, claims, photons, spikes.",
        "Effects multiply the rate, and exposures differ: add log exposure to the predicted logarithm.",
    ),
    not_when=(
        "Targets can be negative, or are measured rather than counted: mse_loss or gaussian_nll_loss.",
        "A count is one of a few classes, such as 0 to 5 stars: cross_entropy.",
        "An event happens or not, and never twice: binary_cross_entropy_with_logits.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0, 0.0], "target": [0.0, 3.0]},
            1.0,
            "a logarithm of 0, the rate 1: e^0 - t·0, whatever the counts",
        ),
        "t - t log t at the logarithm log t of each count: 1 at counts of 1, 0 at counts of 0, and negative from "
        "counts of 3 on.",
    ),
    minimiser=Minimiser(
        "The logarithm of the mean count; with log_input=False the mean count less eps.",
        lambda target, log_input=True, eps=1e-8: (
            log_mean(np.ravel(target)) if log_input else max(float(np.mean(target)) - eps, 0.0)
        ),
    ),
    aliases=(
        "PoissonNLLLoss",
        "Poisson",
        "mean_poisson_deviance",
        "Poisson regression",
        "count regression",
        "泊松负对数似然",
        "泊松回归",
        "计数回归",
    ),
    pitfalls=(
        "By default the input is the logarithm of the rate. A rate passed as a logarithm is exponentiated: 10 becomes "
        "22026.",
        "Without full=True the loss leaves out log t!: it can be negative, and is no likelihood to compare models of "
        "different noise with.",
        "With log_input=False the rate must be positive: end the model in softplus or exp, not in relu, whose zeros "
        "cost t · 18.4 and have gradients near -t / eps.",
        "Counts that vary more than their mean (overdispersion) make its errors look too certain.",
    ),
    plot=Plot(-3.0, 3.0, {}, {"target": (0.0, 1.0, 3.0)}, axis="log rate"),
    domains=lambda values: {} if values["log_input"] else {"input": rates("*s").domain},
    kernel=Elementwise(lambda o: ("PoissonOfLogRates",) if o["log_input"] else ("PoissonOfRates", o["eps"])),
)
def poisson_nll_loss(
    input: Annotated[A, log_rates("*s")],
    target: Annotated[A, counts("*s", broadcasts=True)],
    log_input: Annotated[bool, Flag()] = True,
    full: Annotated[bool, Flag()] = False,
    size_average: bool | None = None,
    eps: Annotated[Array | float, Range(0.0, voids_properties=("proper",))] = 1e-8,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Minus the log-probability of counts under Poisson distributions, in nats, up to a constant.

    Use it to predict counts or rates of events: its noise grows with the mean, as that of counts does, where
    `mse_loss` believes the noise of large and small counts alike.

    Parameters
    ----------
    input : floating array of any shape
        Logarithms of the rates; the rates themselves with log_input=False.
    target : array that broadcasts to the shape of `input`
        Counts, of any integer or floating dtype.
    log_input : bool
        Whether `input` holds logarithms. Prefer it: no rate can then be negative, and the loss is smooth.
    full : bool
        Whether to add Stirling's approximation of log t!, t log t - t + ½ log(2πt), for t > 1. It depends on the
        target alone.
    eps : float in [0, inf)
        Added to the rate inside the logarithm with log_input=False.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    A rate of 0 costs 0 at a count of 0, also as a logarithm of -inf, and at eps=0; at another count it costs inf (with
    eps, -t log eps). An infinite rate costs inf.

    Differs from torch
    ------------------
    - a log-rate of -inf, or with eps=0 a rate of 0, at a count of 0: 0; torch: NaN (#3336)
    - an infinite rate: inf; torch: NaN
    - a negative rate: `ValueError` on the CPU; torch: NaN (#184030)
    - gradient of full=True with respect to a count of 0: finite; torch: NaN (Lightning-AI/torchmetrics#846)

    Raises
    ------
    ValueError, TypeError
        On the CPU where a rate is negative; where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> poisson_nll_loss(np.array([0.0, 0.0]), np.array([0, 5]), reduction="none").tolist()
    [1.0, 1.0]
    """
    xp = namespace(input)
    if log_input:
        rate = xp.exp(input)
        nll = rate - times(target, xp.where(rate == xp.inf, 0.0, input))  # the rate, and not t log rate, decides
    else:
        rate = xp.where(input == xp.inf, 1.0, input) + eps
        nothing = (rate == 0) & (target == 0)  # 0 log 0 = 0, in the derivatives too
        nll = input - times(target, xp.log(xp.where(nothing, 1.0, rate)))
    return nll + stirling(target) if full else nll
