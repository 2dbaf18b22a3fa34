"""A sample of predictions of classes, and what a hypothesis about them explains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import log

import numpy as np

from lossary.misuse.measures import association
from lossary.reports.causes.cause import EVIDENCE, FLOOR, Cause, gained, half_width
from lossary.reports.causes.noise import Noise, likeliest
from lossary.reports.temperature import Fit, fit_temperature, log_softmax
from lossary.reports.understand import PLURALS
from lossary.translations import say

LEAST = 0.0005  # nats
CERTAIN = 4.0  # standard errors
NO_NEIGHBOUR = -1


@dataclass(frozen=True)
class Rows:
    """log_probs (n, C), finite · label, before, after (n,): the class, and that of the unit before and after it, or -1
    where there is none · unit, sample (n,)

    single: one score for yes, the first column standing for no. name: of a class. unit_name: what a row is.
    """

    log_probs: np.ndarray
    label: np.ndarray
    before: np.ndarray
    after: np.ndarray
    unit: np.ndarray
    sample: np.ndarray
    single: bool
    probabilities: bool
    name: Callable[[int], str]
    unit_name: str = "row"

    @property
    def size(self) -> int:
        return self.label.size

    @property
    def units(self) -> str:
        """`unit_name` in the plural, in the language that is spoken."""
        return say(PLURALS[self.unit_name])

    @property
    def classes(self) -> int:
        return self.log_probs.shape[1]

    @cached_property
    def loss(self) -> np.ndarray:
        return -self.log_probs[np.arange(self.size), self.label]

    @cached_property
    def counts(self) -> np.ndarray:
        return np.bincount(self.label, minlength=self.classes)

    @cached_property
    def predicted(self) -> np.ndarray:
        return self.log_probs.argmax(axis=1)

    @cached_property
    def of_label(self) -> np.ndarray:
        """(C, C): the loss of the rows of each class, were their class in each column; summed."""
        order = np.argsort(self.label, kind="stable")
        sums = np.zeros((self.classes, self.classes))
        present = np.flatnonzero(self.counts)
        starts = (np.cumsum(self.counts) - self.counts)[present]
        sums[present] = -np.add.reduceat(self.log_probs[order], starts, axis=0)
        return sums

    @cached_property
    def association(self) -> float:
        """How many standard errors the predictions fit their own targets better than targets drawn from the others."""
        own, variance = association(self.log_probs, self.label)
        effect = gained(own, self.sample)[2]
        return float(own.sum()) / np.sqrt(variance * effect) if variance > 0 else 0.0

    @cached_property
    def temperature(self) -> Fit:
        return fit_temperature(self.log_probs, self.label)

    @cached_property
    def noise(self) -> Noise:
        return likeliest(self.log_probs, self.label)

    def with_noise(self, noise: Noise) -> Rows:
        tempered = log_softmax(self.log_probs / noise.temperature)
        return self.with_scores(np.logaddexp(np.log1p(-noise.share) + tempered, log(noise.share / self.classes)))

    def suspicion(self, noise: Noise) -> np.ndarray:
        """The probability that each label was drawn at random, and missed the class."""
        at_random = noise.share / self.classes
        p = np.exp(-self.with_scores(self.log_probs / noise.temperature).loss)
        return at_random / (at_random + (1 - noise.share) * p)

    def with_scores(self, scores: np.ndarray) -> Rows:
        return replace(self, log_probs=log_softmax(scores))

    def explained(
        self,
        id: str,
        after: Rows,
        *,
        cost: float,
        name: str,
        text: Callable[[float], str],
        fix: str,
        parameters: int = 0,
        structural: bool = False,
    ) -> Cause[Rows] | None:
        """The cause, where its evidence outweighs its cost and it explains enough to be worth a sentence."""
        found = self.enough(self.loss - after.loss, cost)
        if found is None:
            return None
        gain, error = found
        return Cause(
            id, gain, gain, half_width(error), name, text(float(after.loss.mean())), fix, after, parameters, structural
        )

    def enough(self, gains: np.ndarray, cost: float, evidence: float = EVIDENCE) -> tuple[float, float] | None:
        """The mean gain of a row and its standard error, where it is worth a sentence and outweighs its cost."""
        gain, error, effect = gained(gains, self.sample)
        large = gain >= max(LEAST, FLOOR * float(self.loss.mean())) and gain > CERTAIN / 2 * error
        return (gain, error) if large and self.size / effect * gain >= cost + evidence else None
