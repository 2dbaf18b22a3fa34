from typing import Annotated, Literal

import numpy as np

from lossary.core.arrays import A, Array, Impl, namespace
from lossary.core.check import Checked, warn
from lossary.core.contract import Flag, log_probabilities, target_distribution, target_probabilities
from lossary.core.elementary import times, xlogx
from lossary.core.minimisers import log_mean
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


def _check(call: Checked) -> None:
    if call.reduction == "mean":
        warn(
            "kl_div: reduction='mean' divides by the number of elements, so it is not the KL divergence; "
            "write reduction='batchmean' to divide by the number of rows"
        )


@loss(
    family="divergence",
    title="Kullback-Leibler divergence of a target distribution from a predicted one",
    formula=r"\ell_i = t_i \, (\log t_i - x_i), \qquad x_i = \log q_i",
    symbols={"x": "input", "t": "target", "q": "the predicted probability"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = -t_i",
    derivation=r"The loss is linear in the log-probability $x_i$, and the target's entropy does not depend on it. "
    r"Alone the gradient would raise every $x_i$ for ever; the predicted probabilities sum to 1, which holds it. "
    r"Through $x = \mathrm{log\_softmax}(z)$ it becomes $q_i \sum_c t_c - t_i = q_i - t_i$ for a target that sums to "
    r"1: the gradient of cross-entropy, which ends where the prediction is the target.",
    unreduced="*s",
    sources=(
        Source(
            "Kullback and Leibler, On Information and Sufficiency, 1951", "sec. 2", "doi.org/10.1214/aoms/1177729694"
        ),
    ),
    properties=("convex", "zero_at_target", "permutation_invariant", "proper"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.kl_div"),
        Elsewhere("optax", "optax.kl_divergence", "summed over the last axis"),
        Elsewhere("keras", "keras.losses.KLDivergence", "takes (target, prediction), both probabilities"),
        Elsewhere("scipy", "scipy.special.rel_entr", "rel_entr(t, q) with q = exp(input)"),
    ),
    examples=(
        Example(
            {"input": [[-0.6931471805599453] * 2], "target": [[1.0, 0.0]], "reduction": "batchmean"},
            0.6931471805599453,
            "1·(log 1 - log ½) + 0 = log 2",
        ),
        Example(
            {"input": [[-0.6931471805599453] * 2], "target": [[0.5, 0.5]], "reduction": "sum"},
            0.0,
            "equal distributions",
        ),
    ),
    use_when=(
        "The target is a whole distribution, and the distance to it is to be read: 0 means that it is reached.",
        "A posterior is held to a prior, each given by its probabilities.",
    ),
    not_when=(
        "Both sides are logits: kl_div_with_logits, which stores no probabilities and keeps small divergences.",
        "Targets are classes: cross_entropy of logits, nll_loss of log-probabilities.",
    ),
    expect=Expect(
        Example(
            {"input": [[-1.3862943611198906] * 4], "target": [[1.0, 0.0, 0.0, 0.0]], "reduction": "batchmean"},
            1.3862943611198906,
            "4 classes predicted alike, a certain target: log 4, less the entropy of the target, which is 0",
        ),
        "0 for each row, where the prediction is the target. Single elements may be negative; a negative row means "
        "that input or target does not sum to 1.",
    ),
    minimiser=Minimiser(
        "The logarithms of the mean target: of one-hot rows, of the shares of the classes. It is meant among "
        "predictions that sum to 1; without that, the loss falls for ever as the input grows.",
        lambda target, log_target=False: log_mean(np.exp(target) if log_target else target),
    ),
    aliases=(
        "KLDivLoss",
        "KLDivergence",
        "kl_divergence",
        "KL",
        "KLD",
        "relative entropy",
        "rel_entr",
        "KL 散度",
        "相对熵",
    ),
    pitfalls=(
        "The input is log-probabilities: the output of log_softmax, not of softmax and not logits. Otherwise the loss "
        "can be negative and means nothing.",
        "reduction='mean' divides by rows times classes; the divergence per row is reduction='batchmean'. On "
        "(batch, time, classes), batchmean divides by the batch alone: reshape to (batch · time, classes).",
        "The order of arguments is KL(target ‖ input): the expectation is under the target.",
        "If the target is log-probabilities too, say log_target=True; without it the logarithm of a negative number "
        "is NaN.",
        "In distillation with temperature T, gradients shrink by T²: multiply the loss by T².",
    ),
    plot=Plot(
        0.001,
        0.999,
        {},
        {"target": ([[0.1, 0.9]], [[0.5, 0.5]], [[0.8, 0.2]])},
        axis="q of the first of two classes",
        embed=lambda q: namespace(q).log(namespace(q).stack([q, 1 - q], axis=-1)),
    ),
    reductions=("none", "batchmean", "mean", "sum"),
    check=_check,
    domains=lambda values: {} if values["log_target"] else {"target": target_probabilities("*s").domain},
    kernel=Elementwise(lambda o: ("KLDivOfLogTargets",) if o["log_target"] else ("KLDiv",)),
)
def kl_div(
    input: Annotated[A, log_probabilities("*s")],
    target: Annotated[A, target_distribution("*s", broadcasts=True)],
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Literal["none", "batchmean", "mean", "sum"] = "mean",
    log_target: Annotated[bool, Flag()] = False,
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Pointwise Kullback-Leibler divergence KL(target ‖ exp(input)), in nats.

    Use it to pull a predicted distribution toward a given one: distillation, label distributions, variational bounds.
    For one-hot targets it is `cross_entropy`; for others it differs from it by the entropy of the target, which has no
    gradient with respect to the input. From logits, `cross_entropy` with probabilities has the same gradient.

    Parameters
    ----------
    input : floating array of any shape
        Log-probabilities of the prediction.
    target : array that broadcasts to the shape of `input`
        Probabilities, or log-probabilities if `log_target`.
    log_target : bool
        Whether the target is log-probabilities.
    reduction : "mean", "batchmean", "sum" or "none"
        "mean" divides by the number of elements and warns, as in torch; "batchmean" divides by the first dimension.
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md). With "batchmean" a row counts as much as its weights sum to.

    Edge cases
    ----------
    A target of 0 (or log-target of -inf) contributes exactly 0, whatever the input holds but NaN; in the gradient with
    respect to that target, the slope of t log t is 0, where the mathematics has -inf. A positive target against an
    input of -inf is inf.

    Differs from torch
    ------------------
    - a target of 0 at a log-probability of -inf: 0; torch: NaN (google-deepmind/optax#1786)
    - a log-target of -inf: 0, gradient 0; torch: NaN (google-deepmind/optax#1786)
    - gradient with respect to a target of 0: finite; torch: NaN (#89558)
    - targets outside [0, 1]: `ValueError` on the CPU; torch: accepted above 1, NaN below 0 (#69230)

    Raises
    ------
    ValueError, TypeError
        Where the target is not a probability, or shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(kl_div(np.log([[0.5, 0.5]]), np.array([[1.0, 0.0]]), reduction="batchmean"))
    0.6931471805599453
    """
    xp = namespace(input)
    if log_target:
        gone = xp.exp(target) == 0  # -inf, or so far down that the probability is 0 in this dtype
        log_ratio = xp.where(gone, 0.0, target) - xp.where(gone & xp.isinf(input), 0.0, input)
        return xp.where(gone, 0.0, xp.exp(xp.where(gone, 0.0, target))) * log_ratio
    return xlogx(target) - times(target, input)
