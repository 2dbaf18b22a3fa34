"""How losses are weighed and added up."""

from collections.abc import Iterator
from math import log, prod

import numpy as np

from lossary.misuse.call import Call, Unchecked
from lossary.misuse.measures import are_distributions, logsumexp
from lossary.misuse.rule import Seen, rule
from lossary.misuse.wording import paste, share

HEAVY = 1e4
"""Ratio of class weights from which one class is all that counts."""


@rule(
    "LS150",
    "weights along the wrong dimension",
    "warning",
    words=("weights",),
    when=lambda call, name: name == "pos_weight",
    why="a weight for each class broadcasts along the last dimension: it weighs positions instead",
    fix="give it a dimension of size 1 for each dimension after the classes: pos_weight[:, None]",
)
def weights_along(call: Call, name: str) -> Iterator[Seen]:
    weight, shape = call.host(name), call.rows_shape
    if weight.ndim != 1 or len(shape) < 3 or weight.size < 2 or not weight.size == shape[1] == shape[-1]:
        return
    target = call.aligned(call.named("target probabilities")[0])
    by_class, by_last = (_odds_distance(weight, target, axis) for axis in (1, target.ndim - 1))
    if not np.isfinite(by_class) or not np.isfinite(by_last):
        raise Unchecked("a class without positives has no weight to compare with")
    if not by_class < 0.5 * by_last:
        return
    spread = "(" + ", ".join(["-1", *("1" for _ in shape[2:])]) + ")"
    yield Seen(
        f"dimension 1 and the last of {call.first} {shape} are equal, and the weights are the ratios of negatives to "
        "positives along dimension 1",
        f"they are applied along the last dimension, where those ratios are off by a factor of {np.exp(by_last):.3g}",
        paste(call, **{name: f"{name}.reshape{spread}"}),
    )


def _odds_distance(weight: np.ndarray, target: np.ndarray, axis: int) -> float:
    """Mean distance of the weights from negatives / positives along an axis, in factors of e."""
    rate = np.moveaxis(target, axis, 0).reshape(weight.size, -1).mean(axis=1)
    return float(np.mean(np.abs(np.log(weight) - np.log((1 - rate) / rate))))


@rule(
    "LS151",
    "a divergence divided by its number of elements",
    "warning",
    when=lambda call, name: "batchmean" in call.loss.reductions and not call.has_classes(call.first),
    why="the mean over elements is the divergence of a row divided by its number of classes",
    fix='reduction="batchmean" divides by the number of rows',
)
def mean_of_elements(call: Call, name: str) -> Iterator[Seen]:
    shape = call.rows_shape
    if call.reduction != "mean" or not shape or call.option("normalizer") is not None:
        return
    rest = prod(shape[1:]) if len(shape) > 1 else prod(shape)
    fix = paste(call, reduction='"batchmean"' if len(shape) > 1 else '"sum"')
    yield Seen(
        f'reduction="mean" on {shape}',
        f"it divides by all {prod(shape):,} elements: the loss is the divergence of a row divided by {rest:,}",
        fix,
    )


@rule(
    "LS152",
    "weights that are negative or far apart",
    "warning",
    words=("weights",),
    when=lambda call, name: name == "pos_weight" or call.names(name) == ["C"],
    why="a negative weight rewards mistakes; one that is many times the others is all that the loss sees",
    fix="weights from counts: lossary.class_weights, lossary.pos_weight",
)
def odd_weights(call: Call, name: str) -> Iterator[Seen]:
    weight = call.host(name)
    positive = weight[weight > 0]
    if (weight < 0).any():
        seen = f"{share(weight < 0)} weights are negative, down to {weight.min():.4g}"
        yield Seen(seen, "with a negative weight the loss falls as predictions get worse")
    elif weight.size and not positive.size:
        yield Seen("every weight is 0", "the loss is 0 with gradient 0")
    elif name == "pos_weight" and positive.max(initial=0) > HEAVY:
        shift = log(positive.max())
        why = f"a weight of w shifts the fitted log-odds by log w, here by {shift:.4g}: every answer becomes yes"
        yield Seen(f"up to {positive.max():.4g}", why)
    elif name != "pos_weight" and positive.size and positive.max() / positive.min() > HEAVY:
        ratio = positive.max() / positive.min()
        seen = f"from {positive.min():.4g} to {positive.max():.4g}, a ratio of {ratio:.3g}"
        effective = weight.sum() ** 2 / np.sum(weight**2)
        yield Seen(seen, f"the {weight.size} classes count as {effective:.3g} would")


@rule(
    "LS153",
    "batchmean over what is no batch of rows",
    "warning",
    when=lambda call, name: "batchmean" in call.loss.reductions,
    why="batchmean divides by the first dimension alone",
    fix="flatten to (rows, classes) first",
)
def batchmean_of_sequences(call: Call, name: str) -> Iterator[Seen]:
    shape = call.rows_shape
    if call.reduction != "batchmean" or not shape or call.option("normalizer") is not None:
        return
    first, *others = (n for n in call.loss.data if call.is_required(n))
    if len(shape) == 1:
        whole = [call.aligned(n)[None] for n in (first, *others)]
        if any(are_distributions(x) or (x.size and abs(float(logsumexp(x)[0])) < 1e-4) for x in whole) and shape[0] > 1:
            yield Seen(
                f'reduction="batchmean" on {shape}, a single distribution',
                f"it divides by the {shape[0]:,} classes",
                paste(call, reduction='"sum"'),
            )
        return
    positions = prod(shape[1:-1])
    if positions > 1:
        both = {n: f"{n}.reshape(-1, {shape[-1]})" for n in (first, *others)}
        yield Seen(
            f'reduction="batchmean" on {shape}',
            f"it divides by {shape[0]:,} and not by the {shape[0] * positions:,} rows: the loss is that of a row times "
            f"{positions:,}",
            paste(call, **both),
        )
