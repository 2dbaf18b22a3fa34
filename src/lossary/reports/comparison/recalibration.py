"""Calibration against refinement: what of the difference a correction of the scores would remove, and what not.

A loss is what the best correction of the scores removes, and what it leaves. Of classes the correction is a temperature
and a bias for each class; of real values, a straight line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lossary.reports.accumulate import Reservoir
from lossary.reports.causes.probabilities import ENOUGH, LARGEST
from lossary.reports.comparison.difference import Compared
from lossary.reports.comparison.pair import Pair
from lossary.reports.comparison.part import Part
from lossary.reports.result import Column, Result, Table
from lossary.reports.temperature import fit_temperature, log_softmax
from lossary.reports.understand import Understanding
from lossary.translations import say

SCORES, ROWS = 1_000_000, 50_000  # of each, that corrections are fitted to
COLUMNS = (
    Column("part"),
    Column("A", "#.4g"),
    Column("B", "#.4g"),
    Column("B is lower by", "#.3g"),
    Column("95 % from", "#.3g"),
    Column("to", "#.3g"),
    Column("what it is"),
)


class Corrected(NamedTuple):
    """Losses (n,): as they are, with the correction of one number, with the whole."""

    before: np.ndarray
    simple: np.ndarray
    after: np.ndarray


class Calibration(Part):
    id, title = "calibration", "Calibration or refinement"
    needs = "all scores, and a class, a yes or no, or a value for each target"

    def __init__(self, a: Understanding, b: Understanding, seed: int) -> None:
        super().__init__(a, b, seed)
        width = max(1, a.classes)
        self.sample = Reservoir(min(ROWS, max(1, SCORES // width)), seed)
        self.whole, self.calibration, self.refinement = Compared(seed), Compared(seed), Compared(seed)
        self.simple = (0.0, 0.0)

    @classmethod
    def applies(cls, a: Understanding, b: Understanding) -> bool:
        return a.task in ("classification", "binary", "multilabel", "regression")

    @property
    def _regression(self) -> bool:
        return self.a.task == "regression"

    def update(self, pair: Pair) -> None:
        finite = np.isfinite(pair.gain)
        target = pair.a.target if self._regression else pair.a.label
        scores = [chunk.scores if self._regression else chunk.logits for chunk in (pair.a, pair.b)]
        self.sample.add(*(column[finite] for column in (*scores, target, pair.sample)))

    def finish(self) -> Result:
        *scores, target, sample = self.sample.rows()
        correct = on_a_line if self._regression else recalibrated
        a, b = (correct(of, target) for of in scores)
        self.whole.add(a.before, b.before, sample)
        self.calibration.add(a.before - a.after, b.before - b.after, sample)
        self.refinement.add(a.after, b.after, sample)
        self.simple = tuple(float(np.mean(of.before - of.simple)) for of in (a, b))
        note = "" if self.sample.is_everything else say("On {n:,} targets drawn at random.", n=target.size)
        return self.result(
            text=say("Calibration is what a correction of the scores would mend; refinement is how well they tell "
                     "targets apart, which only another model mends."),
            tables=[Table(say("Of the mean loss"), COLUMNS, self._rows(), note)],
            values={
                "calibration": self.calibration.values(),
                "refinement": self.refinement.values(),
                "simple": dict(zip("ab", self.simple, strict=True)),
            },
            method=self._method(),
        )  # fmt: skip

    def _rows(self) -> list[tuple[str | float, ...]]:
        if self._regression:
            meanings = say("what a straight line through the predictions would remove"), say("the bias alone")
        else:
            meanings = say("what a temperature and a bias for each class would remove"), say("a temperature alone")
        whole, calibration, refinement = (of.row("")[1:-1] for of in (self.whole, self.calibration, self.refinement))
        a, b = self.simple
        return [
            (say("the loss"), *whole, ""),
            (say("calibration"), *calibration, meanings[0]),
            (say("refinement"), *refinement, say("what is left")),
            (say("of calibration"), a, b, a - b, float("nan"), float("nan"), meanings[1]),
        ]

    def _method(self) -> str:
        if self._regression:
            return say("The line is fitted by least squares to this file.")
        return say(
            "Temperature and biases are fitted to this file by maximum likelihood, no biases with fewer than {n} "
            "targets for each class or more than {most} classes. Both gain alike by being fitted and judged on the "
            "same targets, which cancels in the difference.",
            n=ENOUGH,
            most=LARGEST,
        )

    @property
    def clause(self) -> str:
        """How much of the difference is calibration, for the first sentence; empty where that is not known."""
        part = self.calibration.gain
        if not part.sign or part.sign != self.whole.gain.sign:
            return ""
        simple = self.simple[0] if part.sign > 0 else self.simple[1]
        size, refinement = abs(part.mean), self.refinement.gain
        name, mended = "A" if part.sign > 0 else "B", min(simple, size)
        remedy = ""
        if mended >= 0.1 * size:
            known = {"name": name, "size": mended}
            remedy = say(" (taking its bias from {name} would give {size:.3g} of it)", **known)
            if not self._regression:
                remedy = say(" (a temperature for {name} would give {size:.3g} of it)", **known)
        if refinement.sign == -part.sign:
            return say("calibration alone makes {size:.3g}{remedy}, and refinement goes the other way by {rest:.3g}",
                       size=size, remedy=remedy, rest=abs(refinement.mean))  # fmt: skip
        return say("of it {size:.3g} is calibration{remedy}", size=size, remedy=remedy)


def on_a_line(scores: np.ndarray, target: np.ndarray) -> Corrected:
    """Squared errors: as they are, without their mean error, and of the line that fits best."""
    residual = target - scores
    centred = scores - scores.mean()
    variance = float(np.mean(centred**2))
    slope = float(np.mean(centred * (target - target.mean()))) / variance if variance else 0.0
    after = target - target.mean() - slope * centred
    return Corrected(residual**2, (residual - residual.mean()) ** 2, after**2)


def recalibrated(logits: np.ndarray, label: np.ndarray) -> Corrected:
    """Losses: as they are, at the best temperature, and with a bias for each class too."""
    rows = np.arange(label.size)
    before = -log_softmax(logits)[rows, label]
    fit = fit_temperature(logits, label)
    if not fit.exists:  # 0: the loss falls to 0 with ever larger scores; infinite: scores say nothing
        simple = np.zeros_like(before) if fit.temperature == 0 else np.log(np.isfinite(logits).sum(axis=1))
        return Corrected(before, simple, simple)
    scores = logits / fit.temperature
    simple = -log_softmax(scores)[rows, label]
    return Corrected(before, simple, _with_biases(scores, label) if _enough(logits, label) else simple)


def _enough(logits: np.ndarray, label: np.ndarray) -> bool:
    classes = logits.shape[1]
    return classes <= LARGEST and label.size >= ENOUGH * classes


def _with_biases(scores: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Losses of the temperature and the biases that fit best; classes that do not occur have no bias."""
    from scipy.optimize import minimize

    rows, n = np.arange(label.size), label.size
    share = np.bincount(label, minlength=scores.shape[1]) / n
    finite = np.isfinite(scores)
    z = np.where(finite, scores, 0.0)

    def log_probs(parameters: np.ndarray) -> np.ndarray:
        return log_softmax(np.where(finite, parameters[0] * z + parameters[1:], -np.inf))

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        of = log_probs(parameters)
        q = np.exp(of)
        slope = float(np.mean(np.sum(q * z, axis=1) - z[rows, label]))
        return -float(of[rows, label].mean()), np.r_[slope, np.where(share > 0, q.mean(axis=0) - share, 0.0)]

    start = np.r_[1.0, np.zeros(scores.shape[1])]
    fitted = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 200, "gtol": 1e-7}).x
    return -log_probs(fitted)[rows, label]
