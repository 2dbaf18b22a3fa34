"""A cause, and the ledger that causes are written into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import Generic, TypeVar

import numpy as np

from lossary.reports.accumulate import NORMAL_95
from lossary.reports.result import Severity

EVIDENCE = 10.0
"""Nats of evidence beyond its cost that a hypothesis needs: under a calibrated model a likelihood ratio of e^10 comes
up with probability e^-10 at most (Markov's inequality)."""
FLOOR = 0.01
"""Share of the loss below which a cause is not worth a sentence."""
SERIOUS = 0.25
"""Share of the loss from which a cause is a warning."""
FEW_SAMPLES = 8
"""Samples of many values each, below which their dependence cannot be estimated."""


S = TypeVar("S")  # a sample of the rows of a file


@dataclass(frozen=True)
class Cause(Generic[S]):
    """What one hypothesis explains of the loss.

    nats: by which the log-likelihood of a row grows. amount, error: by which the mean loss falls, and the 95 % interval
    around it. name: completes "0.1 nats go with ...". after: the sample with the fix.
    structural: a fault of the file, which is a warning whatever its size.
    """

    id: str
    nats: float
    amount: float
    error: float
    name: str
    text: str
    fix: str
    after: S
    parameters: int = 0
    structural: bool = False

    def severity(self, loss: float) -> Severity:
        return "warning" if self.structural or self.amount >= SERIOUS * loss else "note"


Hypothesis = Callable[[S], "Cause[S] | None"]


def ledger(rows: S, hypotheses: Sequence[Hypothesis[S]]) -> list[Cause[S]]:
    """The causes that explain the loss, each of what those before it leave.

    Of hypotheses that explain nearly the same the one with the fewest parameters comes first.
    """
    found: list[Cause[S]] = []
    left = list(hypotheses)
    while left:
        causes = [(cause, hypothesis) for hypothesis in left if (cause := hypothesis(rows)) is not None]
        if not causes:
            break
        best = max(cause.nats for cause, _ in causes)
        near = [pair for pair in causes if pair[0].nats >= best - min(0.1, 0.1 * best)]
        chosen, used = min(near, key=lambda pair: (pair[0].parameters, -pair[0].nats))
        found.append(chosen)
        left.remove(used)
        rows = chosen.after
    return found


def gained(gain: np.ndarray, sample: np.ndarray) -> tuple[float, float, float]:
    """The mean gain of rows, its standard error over samples, and by what factor dependence within samples makes the
    variance larger (the design effect, Kish 1965)."""
    n, mean = gain.size, float(gain.mean())
    centred = gain - mean
    alone = float(np.sum(centred**2))
    if n < 2 or sample.size == np.unique(sample).size:
        return mean, float(np.sqrt(alone)) / max(1, n), 1.0
    _, place = np.unique(sample, return_inverse=True)
    totals = np.bincount(place, centred)
    together = float(np.sum(totals**2)) * totals.size / max(1, totals.size - 1)
    effect = max(1.0, together / alone) if alone else 1.0
    if totals.size < FEW_SAMPLES:
        effect = max(effect, n / totals.size)
    return mean, float(np.sqrt(alone * effect)) / n, effect


def cost_of_parameters(parameters: int, rows: int) -> float:
    """Nats that so many fitted numbers have to earn (Schwarz 1978)."""
    return parameters / 2 * log(max(rows, 2))


def half_width(error: float) -> float:
    return NORMAL_95 * error
