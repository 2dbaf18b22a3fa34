"""Files of predictions: correct and calibrated ones, and the same with a fault planted in them; all seeded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, softmax

Arrays = dict[str, np.ndarray]
STRENGTH = {"weak": 0.1, "strong": 3.0}


def drawn(rng: np.random.Generator, logits: np.ndarray) -> np.ndarray:
    """Labels that follow softmax(logits)."""
    return (logits + rng.gumbel(size=logits.shape)).argmax(axis=-1)


def classes(rng: np.random.Generator, n: int, c: int, strength: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated logits and their labels; classes are not equally frequent."""
    logits = rng.normal(size=(n, c)) * strength + 0.5 * rng.normal(size=c)
    return logits, drawn(rng, logits)


def values(rng: np.random.Generator, n: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that are the mean of their targets."""
    prediction = 50 + 10 * rng.normal(size=n)
    return prediction, prediction + 10 * noise * rng.normal(size=n)


# Correct files --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Correct:
    kind: str
    n: int
    c: int
    strength: str

    def make(self, seed: int) -> Arrays:
        rng = np.random.default_rng(seed)
        if self.kind == "regression":
            prediction, target = values(rng, self.n, 0.3 if self.strength == "strong" else 10.0)
            return {"y_pred": prediction, "y_true": target}
        if self.kind == "binary":
            score = rng.normal(size=self.n) * STRENGTH[self.strength] - 1
            probs = np.round(expit(score), 4)
            return {"y_prob": probs, "y_true": (rng.random(self.n) < probs).astype(np.int64)}
        if self.kind == "segmentation":
            logits = rng.normal(size=(max(10, self.n // 256), self.c, 16, 16)) * STRENGTH[self.strength]
            logits += rng.normal(size=(*logits.shape[:2], 1, 1))  # images differ
            return {"logits": logits.astype(np.float32), "labels": drawn(rng, np.moveaxis(logits, 1, -1))}
        logits, label = classes(rng, self.n, self.c, STRENGTH[self.strength])
        if self.kind == "rounded":
            return {"probs": np.round(softmax(logits, axis=1), 4), "labels": label}
        return {"logits": logits.astype(np.float32), "labels": label}

    @property
    def name(self) -> str:
        return f"{self.kind}, N = {self.n}, C = {self.c}, {self.strength}"


def correct_files(count: int) -> list[tuple[Correct, int]]:
    """`count` kinds and seeds; those of 20,000 rows and 1,000 classes take a minute, and are few."""
    kinds = [
        Correct(kind, n, c, strength)
        for kind in ("logits", "rounded", "binary", "segmentation", "regression")
        for n in (200, 2_000, 20_000)
        for c in (2, 10, 1_000)
        for strength in STRENGTH
        if (c == 2 or kind not in ("binary", "regression")) and (c < 1_000 or kind != "segmentation")
    ]
    heavy = [kind for kind in kinds if kind.n * kind.c > 10**7]
    light = [kind for kind in kinds if kind not in heavy]
    return [(kind, seed) for seed, kind in enumerate((heavy + light * count)[:count])]


# Faults ---------------------------------------------------------------------------------------------------------------

Plant = Callable[[np.random.Generator, int], Arrays]
FAULTS: dict[str, tuple[str, Plant]] = {}
"""By name: the cause that the report must name first, and what makes the file."""


def fault(cause: str) -> Callable[[Plant], Plant]:
    def decorate(plant: Plant) -> Plant:
        FAULTS[plant.__name__] = (cause, plant)
        return plant

    return decorate


def _of_classes(logits: np.ndarray, labels: np.ndarray) -> Arrays:
    return {"logits": logits, "labels": labels}


@fault("wrong_way_round")
def negated_logits(rng, n):
    logits, labels = classes(rng, n, 10)
    return _of_classes(-logits, labels)


@fault("wrong_way_round")
def probability_of_the_other_class(rng, n):
    score = 2 * rng.normal(size=n)
    return {"y_prob": 1 - expit(score), "y_true": (rng.random(n) < expit(score)).astype(int)}


@fault("columns")
def columns_permuted(rng, n):
    logits, labels = classes(rng, n, 10)
    return _of_classes(logits[:, np.roll(rng.permutation(10), 1)], labels)


@fault("columns")
def two_columns_swapped(rng, n):
    logits, labels = classes(rng, n, 10)
    one, other = rng.choice(10, 2, replace=False)
    order = np.arange(10)
    order[[one, other]] = other, one
    return _of_classes(logits[:, order], labels)


@fault("columns")
def labels_off_by_one(rng, n):
    logits, labels = classes(rng, n, 10)
    return _of_classes(logits, (labels + 1) % 10)


@fault("shifted")
def rows_shifted(rng, n):
    logits, labels = classes(rng, n + 1, 10)
    return _of_classes(logits[:-1], labels[1:])


@fault("shifted")
def positions_shifted(rng, n):
    labels = rng.integers(0, 20, (n // 50, 51))
    logits = 3 * np.eye(20)[labels] + rng.normal(size=(*labels.shape, 20))
    return _of_classes(logits[:, :-1], labels[:, 1:])


@fault("unrelated")
def labels_shuffled(rng, n):
    logits, labels = classes(rng, n, 10)
    return _of_classes(logits, rng.permutation(labels))


@fault("softmax_twice")
def softmax_twice(rng, n):
    logits, labels = classes(rng, n, 10)
    return {"probs": softmax(softmax(logits, axis=1), axis=1), "labels": labels}


@fault("temperature")
def over_confident(rng, n):
    logits, labels = classes(rng, n, 10)
    return _of_classes(2 * logits, labels)


@fault("temperature")
def under_confident(rng, n):
    logits, labels = classes(rng, n, 10)
    return _of_classes(0.4 * logits, labels)


@fault("bias")
def class_weights(rng, n):
    prior = np.log(0.6 ** np.arange(6))
    logits = 2 * rng.normal(size=(n, 6))
    return _of_classes(logits, drawn(rng, logits + prior))


@fault("bias")
def another_base_rate(rng, n):
    score = 2 * rng.normal(size=n) - 2
    return {"y_prob": expit(score + 2), "y_true": (rng.random(n) < expit(score)).astype(int)}


@fault("never_predicted")
def class_never_predicted(rng, n):
    logits, labels = classes(rng, n, 10)
    logits[:, rng.integers(10)] -= 15
    return _of_classes(logits, labels)


@fault("never_predicted")
def dead_column(rng, n):
    logits, labels = classes(rng, n, 10)
    logits[:, rng.integers(10)] = -10
    return _of_classes(logits, labels)


@fault("constant")
def constant(rng, n):
    return _of_classes(np.tile(rng.normal(size=10), (n, 1)), rng.integers(0, 10, n))


@fault("nearly_constant")
def nearly_constant(rng, n):
    return _of_classes(rng.normal(size=10) + 0.003 * rng.normal(size=(n, 10)), rng.integers(0, 10, n))


@fault("label_noise")
def label_noise(rng, n):
    logits, labels = classes(rng, n, 10, 5.0)
    wrong = rng.random(n) < 0.08
    return _of_classes(logits, np.where(wrong, rng.integers(0, 10, n), labels))


@fault("copies")
def rows_repeated(rng, n):
    logits, labels = classes(rng, n // 2, 10)
    rows = rng.integers(0, n // 2, n)
    return _of_classes(logits[rows], labels[rows])


@fault("leak")
def targets_among_predictions(rng, n):
    logits, labels = classes(rng, n, 10, 1.5)
    leaked = rng.random(n) < 0.15
    return {"probs": np.where(leaked[:, None], np.eye(10)[labels], softmax(logits, axis=1)), "labels": labels}


@fault("wrong_way_round")
def image_scores_negated(rng, n):
    logits = 2 * rng.normal(size=(max(20, n // 256), 4, 16, 16))
    return _of_classes(-logits, drawn(rng, np.moveaxis(logits, 1, -1)))


def _of_values(prediction: np.ndarray, target: np.ndarray) -> Arrays:
    return {"y_pred": prediction, "y_true": target}


@fault("units")
def another_unit(rng, n):
    prediction, target = values(rng, n, 0.4)
    return _of_values(prediction / 1000, target)


@fault("scale")
def logarithm_left(rng, n):
    prediction = 3 + 0.5 * rng.normal(size=n)
    return _of_values(prediction, np.expm1(prediction + 0.1 * rng.normal(size=n)))


@fault("standardised")
def standardised(rng, n):
    prediction, target = values(rng, n, 0.4)
    return _of_values((prediction - target.mean()) / target.std(), target)


@fault("slope")
def shrunk(rng, n):
    prediction, target = values(rng, n, 0.4)
    return _of_values(50 + (prediction - 50) / 2, target)


@fault("offset")
def offset(rng, n):
    prediction, target = values(rng, n, 0.4)
    return _of_values(prediction + 3, target)


@fault("shifted")
def values_shifted(rng, n):
    prediction, target = values(rng, n + 1, 0.4)
    return _of_values(prediction[:-1], target[1:])


@fault("unrelated")
def values_shuffled(rng, n):
    prediction, target = values(rng, n, 0.4)
    return _of_values(prediction, rng.permutation(target))


@fault("wrong_way_round")
def values_negated(rng, n):
    prediction, target = values(rng, n, 0.4)
    return _of_values(50 - prediction, target - 50)


@fault("clipped")
def clipped(rng, n):
    prediction, target = values(rng, n, 0.4)
    return _of_values(np.minimum(prediction, 58), target)


@fault("uneven_noise")
def uneven_noise(rng, n):
    prediction = 1 + rng.gamma(2, size=n)
    return _of_values(prediction, prediction * (1 + 0.3 * rng.normal(size=n)))


@fault("counts")
def counts(rng, n):
    rate = np.exp(0.5 * rng.normal(size=n))
    return _of_values(rate, rng.poisson(rate).astype(float))


@fault("leak")
def values_leaked(rng, n):
    prediction, target = values(rng, n, 0.4)
    return _of_values(np.where(rng.random(n) < 0.1, target, prediction), target)
