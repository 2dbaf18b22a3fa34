"""Parameters of distributions, rates and variances; and the scale of real numbers."""

from collections.abc import Iterator

import numpy as np

from lossary.misuse.call import Call
from lossary.misuse.rule import Seen, rule
from lossary.misuse.wording import applied, paste, share

SOME = 16
"""Values from which a mean says something."""
FAR = 30.0
"""Spread of a target in units of delta from which a Huber loss is an absolute error."""


@rule(
    "LS107",
    "rates passed as log-rates",
    "warning",
    words=("log-rates",),
    why="the loss takes the exponential of each rate: it asks for logarithms unless log_input=False",
    fix="pass log_input=False, or the logarithms of the rates",
)
def rates_as_logs(call: Call, name: str) -> Iterator[Seen]:
    x, counts = call.rows(name), call.rows(call.named("counts")[0])
    if x.size < SOME or not np.isfinite(x).all() or x.min() <= 0 or counts.sum() <= 0:
        return
    rates = np.exp(x)
    better = float(np.mean(rates - counts * x) - np.mean(x - counts * np.log(x)))
    # A model that is merely wrong seldom has logarithms whose sum is that of the counts.
    if not (rates.sum() > 5 * counts.sum() and 0.5 <= x.sum() / counts.sum() <= 2 and better > 1):
        return
    yield Seen(
        f"all are above 0, with a mean of {x.mean():.4g}; the targets have a mean of {counts.mean():.4g}",
        f"read as logarithms they are rates with a mean of {rates.mean():.4g}; read as rates the loss is {better:.4g} "
        "nats lower",
        paste(call, log_input="False"),
    )


@rule(
    "LS108",
    "variances that are none",
    "error",
    words=("variances",),
    refused=True,
    why="a negative variance has no logarithm; one below eps counts as eps, has no gradient, and weighs its residual "
    "with 1 / eps",
    fix="end the model in softplus or exp",
)
def odd_variances(call: Call, name: str) -> Iterator[Seen]:
    yield from _negative(call, name) if call.refusal else _at_the_floor(call, name)


def _negative(call: Call, name: str) -> Iterator[Seen]:
    x = call.host(name)
    if (x < 0).any():
        yield Seen(
            f"{share(x < 0)} are negative, from {x.min():.4g} to {x.max():.4g}",
            "a negative variance has no logarithm",
            f"logarithms of variances? {paste(call, **{name: applied(call, 'exp', name)})}",
        )


def _at_the_floor(call: Call, name: str) -> Iterator[Seen]:
    variance, eps = np.broadcast_to(call.rows(name), call.losses.shape), float(call.option("eps"))
    residual = call.rows(call.first) - call.rows("target")
    floored = variance <= eps
    if floored.sum() < SOME / 2 or floored.mean() < 0.5:
        return
    squared = float(np.mean(residual[floored] ** 2))
    if squared < 100 * eps:
        return
    yield Seen(
        f"{share(floored)} lie at or below eps = {eps:g}, where the mean squared residual is {squared:.4g}",
        f"they count as {eps:g} and have no gradient; the squared residuals are {squared / eps:.3g} times that",
    )


@rule(
    "LS180",
    "targets on another scale than the loss",
    "note",
    words=("real numbers",),
    when=lambda call, name: name == "target" and bool({"delta", "beta"} & set(call.loss.options)),
    why="nearly every residual lies beyond delta: the loss is an absolute error, and the quadratic part is never used",
    fix="standardise the targets, or choose delta from the spread of the residuals",
)
def other_scale(call: Call, name: str) -> Iterator[Seen]:
    option = "delta" if "delta" in call.loss.options else "beta"
    width, target = float(call.option(option)), call.rows(name)
    residual = np.abs(call.rows(call.first) - target)
    residual, target = residual[np.isfinite(residual)], target[np.isfinite(target)]
    if residual.size < SOME or width <= 0:
        return
    beyond, spread = residual > width, float(target.std())
    if beyond.mean() < 0.95 or spread < FAR * width:
        return
    # 1.345 robust standard deviations: 95 % as efficient as the mean if residuals are normal (Huber, 1981).
    advised = 1.345 * 1.4826 * float(np.median(residual))
    yield Seen(
        f"its standard deviation is {spread:.4g}, and {beyond.mean():.1%} of the residuals pass {option} = {width:g}",
        "there the gradient has the same size for every residual: the loss is an absolute error",
        paste(call, **{option: f"{advised:.3g}"}),
    )
