"""The constant prediction that a record states is the best one: no other has a smaller mean loss."""

import inspect
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import letters
import numpy as np
import pytest

import lossary
from lossary.core.contract import Spec, axes
from lossary.core.minimisers import mean, median
from lossary.core.record import CATALOGUE, Loss
from lossary.testing.samples import Sample, ordinary

NONE = {
    "linear_cross_entropy": "its prediction is a projection; that of the logits is cross_entropy's",
    "cosine_embedding_loss": "a direction for each pair",
    "info_nce_loss": "rows that are all alike cannot tell their candidates apart",
    "triplet_margin_loss": "anchors that are all alike have no positives of their own",
    "triplet_margin_with_distance_loss": "anchors that are all alike have no positives of their own",
    "margin_ranking_loss": "a constant score ranks nothing",
    "ctc_loss": "the best frames depend on each other",
    "ctc_loss_with_logits": "the best frames depend on each other",
    "rnnt_loss": "the best frames depend on each other",
    "cox_loss": "a constant that all rows share changes nothing",
    "box_iou_loss": "the best box for many has no formula",
    "complete_box_iou_loss": "the best box for many has no formula",
    "distance_box_iou_loss": "the best box for many has no formula",
    "generalized_box_iou_loss": "the best box for many has no formula",
    "dice_loss": "one probability for all pixels is best at 0 or 1",
    "jaccard_loss": "one probability for all pixels is best at 0 or 1",
    "tversky_loss": "one probability for all pixels is best at 0 or 1",
    "dpo_loss": "it falls as the chosen answer's probability grows, without end",
}
"""Losses for which no constant prediction makes sense, each with the reason."""
ROWS = 31
SIZES = {"N": ROWS, "n": (ROWS,), "s": (ROWS,), "d": ()}
OF_DISTRIBUTIONS = {"kl_div": {"s": (ROWS, 3)}}
"""Losses of elements of which the last axis holds a distribution."""
DISTANCES = ("hinge_embedding_loss",)
"""Losses whose contract takes any numbers, and which are meant for those from 0 up."""
SAMPLES = 8
SATURATED = 40.0
"""A logit of which the sigmoid is 1, rounded."""
STEPS = (1e-3, 1e-2, 0.1, 1.0)
FAR = 100.0

Constant = Callable[..., Any]


def samples(loss: Loss, constant: Constant) -> Iterator[Sample]:
    """Many rows, with all arguments at their defaults but for those that the minimiser reads."""
    prediction, target = list(loss.data)[:2]
    read = inspect.signature(constant).parameters
    sizes = SIZES | OF_DISTRIBUTIONS.get(loss.name, {})
    for seed in range(200):
        sample = letters.at_defaults(loss, ordinary(loss, seed, sizes=sizes), lambda name, value: name in read)
        if sample is None:
            continue
        beside = {name: x for name, x in sample.arrays.items() if name not in (prediction, target, *read)}
        changes = {name: np.full_like(x, x.flat[0]) for name, x in beside.items()}
        x = sample.arrays[target]
        if sample.specs[target].domain.name == "real numbers":  # skewed: the mean is not the median
            x = np.random.default_rng([seed, 1]).exponential(4.0, x.shape)
        if loss.name in OF_DISTRIBUTIONS:
            x = log_normalised(x) if sample.arguments.get("log_target") else x / x.sum(-1, keepdims=True)
        changes[target] = x
        yield sample.but(**changes)


def sums_to_one(loss: Loss, spec: Spec) -> bool:
    return loss.name in OF_DISTRIBUTIONS or spec.domain.sums == "logarithms"


def log_normalised(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def others(loss: Loss, spec: Spec, best: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[float, np.ndarray]]:
    """Other predictions in the domain, with their distance: along coordinates, and in directions drawn at random."""
    low, high = (-SATURATED, SATURATED) if spec.domain.name == "logits" else (spec.domain.low, spec.domain.high)
    low = 0.0 if loss.name in DISTANCES else low
    ways = [*np.eye(best.size), *rng.normal(size=(8, best.size))]
    for step in (*STEPS, FAR):
        for way in (sign * np.reshape(w / np.linalg.norm(w), best.shape) for w in ways for sign in (1, -1)):
            moved = np.clip(best + step * way, low, high)
            yield step, log_normalised(moved) if sums_to_one(loss, spec) else moved


def total(loss: Loss, sample: Sample, prediction: np.ndarray) -> float:
    """The loss of the same prediction for all rows."""
    name = next(iter(loss.data))
    whole = np.broadcast_to(prediction, [n for _, n in axes(sample.specs[name].shape, sample.dims)])
    return float(np.sum(loss.public(**sample.arguments | {name: whole.copy(), "reduction": "none"})))


def hold(loss: Loss, constant: Constant, sample: Sample) -> None:
    prediction, target = list(loss.data)[:2]
    given = {n: sample.arguments[n] for n in inspect.signature(constant).parameters if n in sample.arguments}
    given.pop(target, None)
    best = np.asarray(constant(sample.arguments[target], **given))
    least = total(loss, sample, best)
    for step, other in others(loss, sample.specs[prediction], best, np.random.default_rng(sample.seed)):
        above = total(loss, sample, other) - least
        assert above >= -1e-12 * (1 + abs(least)), f"{loss.name}: {other} is better than {best}, by {-above}"
        is_elsewhere = step == FAR and not np.allclose(other, best)
        assert not is_elsewhere or above > 1e-6, f"{loss.name}: {other} is as good as {best}"


def check(loss: Loss, constant: Constant) -> None:
    found = list(islice(samples(loss, constant), SAMPLES))
    assert found, f"{loss.name}: no sample fits its minimiser"
    for sample in found:
        hold(loss, constant, sample)


@pytest.mark.parametrize("loss", lossary.catalogue(), ids=lambda loss: loss.name)
def test_no_constant_is_better(loss):
    assert (loss.minimiser.constant is None) == (loss.name in NONE)
    if loss.minimiser.constant is not None:
        check(loss, loss.minimiser.constant)


def shares(target: np.ndarray) -> np.ndarray:
    return np.mean(target, axis=0) if target.ndim > 1 else np.bincount(target) / len(target)


MUTANTS = {
    "mse_loss": median,
    "l1_loss": mean,
    "huber_loss": mean,
    "smooth_l1_loss": median,
    "log_cosh_loss": mean,
    "quantile_loss": lambda target, quantiles=0.5: np.quantile(
        target, 1 - np.asarray(quantiles), method="inverted_cdf"
    ),
    "binary_cross_entropy": median,
    "binary_cross_entropy_with_logits": mean,
    "sigmoid_focal_loss": lambda target: np.log(np.mean(target) / (1 - np.mean(target))),
    "poisson_nll_loss": mean,
    "kl_div": lambda target: np.log(np.median(target, axis=0)),
    "cross_entropy": shares,
    "focal_loss": lambda target: np.log(shares(target)),
}
"""A constant that another loss is right to have."""


@pytest.mark.parametrize("name", MUTANTS)
def test_another_constant_is_found(name: str):
    with pytest.raises(AssertionError, match=r"is better than|is as good as"):
        check(CATALOGUE[name], MUTANTS[name])
