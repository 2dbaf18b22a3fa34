from collections.abc import Callable
from typing import Annotated, Literal

from lossary.core.arrays import (
    A,
    Array,
    Impl,
    Reduction,
    arange,
    cast,
    cast_index,
    cumulative_sum,
    full,
    kind,
    namespace,
)
from lossary.core.contract import Choice, durations, events, labels, log_hazards
from lossary.core.elementary import logsumexp
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Source
from lossary.core.reduce import Unreduced
from lossary.dispatch.loss import loss
from lossary.kernels.families import Cox


@loss(
    family="survival",
    title="Cox's partial likelihood: each event against all that were still at risk",
    formula=r"\ell_i = \delta_i \left(\log \sum_{j: t_j \ge t_i} e^{x_j} - x_i\right)",
    symbols={
        "x": "input",
        "t": "duration",
        r"\delta": "event",
        "p": "probability that of those at risk it is this one",
    },
    gradient=r"\frac{\partial}{\partial x_k} \sum_i \ell_i = \sum_{i: t_i \le t_k} \delta_i p_{ik} - \delta_k \qquad "
    r"p_{ik} = \frac{e^{x_k}}{\sum_{j: t_j \ge t_i} e^{x_j}}",
    derivation="Each event is a cross-entropy over those at risk, whose gradient is the softmax less 1 for the row "
    "that had the event; a row is at risk in all events up to its own time. So its gradient is the number of events "
    "that the model expected of it, less the 1 that it had, or 0 if it was censored: a martingale residual. With "
    "ties='efron' $p_{ik}$ is the mean over the events of a group, at which those tied count ever less.",
    unreduced="N",
    sources=(
        Source("Cox, Regression Models and Life-Tables, 1972", url="doi.org/10.1111/j.2517-6161.1972.tb00899.x"),
        Source("Breslow, Covariance Analysis of Censored Survival Data, 1974", "ties", "doi.org/10.2307/2529620"),
        Source("Efron, The Efficiency of Cox's Likelihood Function for Censored Data, 1977", "ties"),
        Source("Katzman et al., DeepSurv, 2018", "eq. (4): of networks", "arxiv.org/abs/1606.00931"),
    ),
    properties=("convex", "nonnegative", "shift_invariant", "permutation_invariant"),
    rows_independent=False,
    elsewhere=(
        Elsewhere(
            "pycox",
            "pycox.models.loss.cox_ph_loss",
            "ties count by the order of rows; an eps of 1e-7 in the logarithm; NaN without events",
        ),
        Elsewhere("torchsurv", "torchsurv.loss.cox.neg_partial_log_likelihood", "event first, of bool"),
        Elsewhere(
            "scikit-survival", "sksurv.linear_model.CoxPHSurvivalAnalysis", "of a linear model; ties the same words"
        ),
        Elsewhere("lossary", "cross_entropy", "of a single event: the row's class among the rows at risk"),
    ),
    examples=(
        Example(
            {"input": [0.0, 0.0, 0.0], "duration": [1.0, 2.0, 3.0], "event": [1.0, 1.0, 0.0]},
            0.8958797346140276,
            "three at risk, then two: (log 3 + log 2) / 2",
        ),
        Example(
            {"input": [0.0, 0.0, 0.0], "duration": [1.0, 1.0, 2.0], "event": [1.0, 1.0, 0.0]},
            1.0986122886681098,
            "both events see all three: log 3",
        ),
        Example(
            {"input": [0.0, 0.0, 0.0], "duration": [1.0, 1.0, 2.0], "event": [1.0, 1.0, 0.0], "ties": "efron"},
            0.8958797346140276,
            "the second of two tied events sees half of both less: (log 3 + log 2) / 2",
        ),
    ),
    use_when=(
        "For some it is only known that the event had not come when they were last seen.",
        "The order of risks is wanted, as for the concordance index, and not the times themselves.",
    ),
    not_when=(
        "All times are known, and are what should be predicted: quantile_loss, or gaussian_nll_loss of their "
        "logarithms.",
        "All were watched up to one date, and only whether counts: binary_cross_entropy_with_logits.",
        "Events are counted over a known time: poisson_nll_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0] * 4, "duration": [1.0, 2.0, 3.0, 4.0], "event": [1.0, 0.0, 1.0, 1.0]},
            0.6931471805599453,
            "all log-hazards alike, 4, 2 and 1 at risk at the three events: (log 4 + log 2 + log 1) / 3",
        ),
        "0, neared where each event's row leads all others at risk by far. With ties='breslow' tied events cost at "
        "least the logarithm of how many they are; with 'efron' the loss may be negative.",
    ),
    minimiser=Minimiser(
        "none: only differences count. Every constant costs as much: the mean logarithm of how many were at risk at "
        "each event."
    ),
    aliases=(
        "CoxLoss",
        "CoxPHLoss",
        "cox_ph_loss",
        "CoxPH",
        "neg_partial_log_likelihood",
        "partial likelihood",
        "proportional hazards",
        "DeepSurv",
        "Cox 偏似然",
        "Cox 比例风险",
        "生存分析损失",
    ),
    pitfalls=(
        "The risk set is the batch: small batches estimate another loss, and a batch of one row costs 0.",
        "Only differences of log-hazards count: an output bias has no gradient, and absolute risks need a baseline.",
        "event is 1 where the event was seen, 0 where the row was censored: turned round, it is learned who drops out.",
        "A higher output means an earlier event. Concordance with times has the other sign.",
        "sample_weight weighs events, not who is at risk; case weights that stand for copies weigh both.",
    ),
    kernel=Cox(),
)
def cox_loss(
    input: Annotated[A, log_hazards("N")],
    duration: Annotated[Array, durations("N")],
    event: Annotated[Array, events("N")],
    reduction: Reduction = "mean",
    *,
    ties: Annotated[Literal["breslow", "efron"], Choice(voids_properties=("nonnegative",))] = "breslow",
    strata: Annotated[Array | None, labels("N")] = None,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Minus the log-probability that of all rows at risk it was this one to have its event, in nats.

    Use it to learn who is at higher risk from times to an event, some of them censored: survival, churn, failures. The
    baseline hazard needs no model, since it cancels; what times there are does not matter, only their order.

    Parameters
    ----------
    input : floating array (N,)
        Log-hazards, up to a common constant: higher is earlier.
    duration : array (N,) of any real dtype
        How long each row was seen, in any unit: 0 or more. Compared in its own dtype.
    event : array (N,)
        1 or True where that time ended in the event, 0 or False where it was censored.
    reduction : "mean", "sum" or "none"
        "mean" divides by the number of events.
    ties : "breslow" or "efron"
        What events at the same time see: all of them at risk, or, averaged over the orders in which they may have
        happened, ever fewer of each other. Without ties both are the same. A tied event has the mean of its group.
    strata : integer array (N,), optional
        Groups with a baseline hazard of their own: only rows of the same group are at risk together.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row, the denominator of the mean, and the implementation
        (docs/conventions.md). A row of weight 0 is not in the batch: neither an event nor at risk. Other weights weigh
        events.

    Edge cases
    ----------
    Without events the loss is 0, with gradient 0. A row that is censored at the time of an event is at risk. One that
    is alone at risk costs 0. A log-hazard of -inf is of no risk: its event is inf. An infinite one is certain. A
    duration of NaN makes all events of its stratum NaN: its row may have been at risk.

    Differs from torch
    ------------------
    torch has no such loss. From other libraries:

    - a batch without events: 0; pycox: NaN (havakv/pycox#124)
    - ties: by their definition; pycox: by the order of rows
    - large log-hazards: exact; pycox: an eps that outweighs all who are at risk, where another row is 17 above them

    Raises
    ------
    ValueError, TypeError
        On the CPU where a duration is negative or an event is neither 0 nor 1; where shapes, dtypes or options do not
        fit.

    Examples
    --------
    >>> import numpy as np
    >>> round(float(cox_loss(np.zeros(3), np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0]))), 12)  # (log 3 + log 2) / 2
    0.895879734614
    """
    xp, rows = namespace(input), input.shape[0]
    if rows == 0:
        return Unreduced(input)  # pyright: ignore[reportReturnType]
    died, x = event != 0, input
    if kind(duration) == "float":
        x = xp.where(xp.isnan(duration), xp.nan, x)
    if sample_weight is not None:
        in_batch = xp.broadcast_to(sample_weight != 0, (rows,))
        died, x = died & in_batch, xp.where(in_batch, x, -xp.inf)
    order = _by_time(duration, strata)
    tied, last_together = _groups(order, duration, strata)
    x, dies = xp.take(x, order, axis=0), xp.take(died, order, axis=0)

    at_risk = xp.take(_over(x, last_together, logsumexp, -xp.inf), _first(tied), axis=0)
    values = xp.where(x == xp.inf, 0.0, at_risk - x)
    if ties == "efron":
        values = values + _fewer_of_each_other(x, dies, at_risk, tied)
    values = xp.take(xp.where(dies, values, 0.0), xp.argsort(order), axis=0)
    return Unreduced(values, denominator=cast(died, values.dtype))  # pyright: ignore[reportReturnType]


def _by_time(duration: Array, strata: Array | None) -> Array:
    """The rows by stratum and duration; those of NaN are the last."""
    xp = namespace(duration)
    order = xp.argsort(duration, stable=True)
    return order if strata is None else xp.take(order, xp.argsort(xp.take(strata, order, axis=0), stable=True), axis=0)


def _groups(order: Array, duration: Array, strata: Array | None) -> tuple[Array, Array]:
    """Of each place in order of time the number of its group of ties, and the last place at risk with it."""
    xp = namespace(order)
    time = xp.take(duration, order, axis=0)
    parted = time[1:] != time[:-1]
    if strata is None:
        return _numbered(parted, order), full(order.shape, order.shape[0] - 1, like=order)
    stratum = xp.take(strata, order, axis=0)
    apart = stratum[1:] != stratum[:-1]
    return _numbered(parted | apart, order), _last(_numbered(apart, order))


def _numbered(parted: Array, order: Array) -> Array:
    """Groups that end wherever the next place is of another, counted."""
    return cumulative_sum(namespace(order).concat([full((1,), 0, like=order), cast(parted, order.dtype)]))


def _first(group: Array) -> Array:
    """The first place of the group of each place; groups are numbered in order."""
    return cast_index(namespace(group).searchsorted(group, group, side="left"), group)


def _last(group: Array) -> Array:
    return cast_index(namespace(group).searchsorted(group, group, side="right"), group) - 1


def _over(x: Array, last: Array, combine: Callable[[Array, int], Array], nothing: float) -> Array:
    """What each place makes with those after it, up to the last of its group, in log N steps."""
    xp, rows, step = namespace(x), x.shape[0], 1
    place = arange(rows, like=last)
    while step < rows:
        ahead = xp.concat([x[step:], full((step,), nothing, like=x)])
        x = xp.where(place + step <= last, combine(xp.stack([x, ahead]), 0), x)
        step *= 2
    return x


def _fewer_of_each_other(x: Array, dies: Array, at_risk: Array, tied: Array) -> Array:
    """What Efron's denominators R - l/m D have less than R, the mean of their logarithms over l = 0, ..., m - 1."""
    xp, first, last = namespace(x), _first(tied), _last(tied)
    counted = cast(dies, tied.dtype)
    ended = cumulative_sum(counted)
    begun = xp.take(ended - counted, first, axis=0)
    events = xp.take(ended, last, axis=0) - begun
    of_events = xp.take(_over(xp.where(dies, x, -xp.inf), last, logsumexp, -xp.inf), first, axis=0)
    share = cast(ended - counted - begun, x.dtype) / cast(xp.where(events > 0, events, 1), x.dtype)
    ratio = xp.exp(xp.where(of_events == at_risk, 0.0, of_events - at_risk))
    less = xp.where(dies & (share > 0), xp.log1p(-share * ratio), 0.0)
    total = xp.take(_over(less, last, _sum, 0.0), first, axis=0)
    return total / cast(xp.where(events > 0, events, 1), x.dtype)


def _sum(x: Array, axis: int) -> Array:
    return namespace(x).sum(x, axis=axis)
