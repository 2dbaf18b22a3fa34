"""The reliability curve: what was predicted with probability p, and how often it happened."""

from __future__ import annotations

from functools import partial
from math import pi
from typing import TYPE_CHECKING

import numpy as np

from lossary.reports.accumulate import NORMAL_95
from lossary.reports.chunk import Chunk
from lossary.reports.palette import ACCENT, MUTED, WASH
from lossary.reports.result import Column, Figure, Table
from lossary.translations import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FINE, LOGIT = 8192, 40.0  # fine bins, even in log(p / (1-p)) between -40 and 40: float64 holds no p beyond
WANTED, STRIP = 15, 40
SMALLEST = 200  # predictions; a curve of fewer misleads
COLUMNS = (
    Column("predicted", ".4f"),
    Column("happened", ".4f"),
    Column("95 % from", ".4f"),
    Column("to", ".4f"),
    Column("count", ",d"),
)


class Reliability:
    """Counts predictions in fine bins, and joins neighbours until some 15 bins hold about the same count each."""

    def __init__(self, single: bool) -> None:
        self.single = single
        self.bins = np.zeros((3, FINE))  # count, sum of predicted, sum of happened
        self.strip = np.zeros(STRIP)

    def add(self, chunk: Chunk) -> None:
        predicted = chunk.probs[:, 1] if self.single else chunk.confidence
        happened = chunk.label if self.single else chunk.predicted == chunk.label
        logit = chunk.log_odds[:, 1] if self.single else chunk.confidence_log_odds
        place = np.clip((logit + LOGIT) / (2 * LOGIT) * FINE, 0, FINE - 1).astype(np.int64)
        for row, values in enumerate((None, predicted, happened)):
            self.bins[row] += np.bincount(place, values, FINE)
        self.strip += np.bincount(np.minimum((predicted * STRIP).astype(np.int64), STRIP - 1), minlength=STRIP)

    @property
    def curve(self) -> np.ndarray:
        """(3, at most 15): count, sum of predicted, sum of happened."""
        bins = self.bins[:, self.bins[0] > 0]
        middle = np.cumsum(bins[0]) - bins[0] / 2
        group = np.minimum((middle / max(1, bins[0].sum()) * WANTED).astype(np.int64), WANTED - 1)
        joined = np.stack([np.bincount(group, row, WANTED) for row in bins])
        return joined[:, joined[0] > 0]

    def calibration_error(self) -> tuple[float, float]:
        """sum_b n_b/N |predicted - happened|, and its expectation for a calibrated model: E|N(0, c(1-c)/n_b)| each."""
        n, predicted, happened = self.curve
        share, c = n / n.sum(), np.minimum(predicted / n, 1)
        error = np.sum(share * np.abs(predicted - happened) / n)
        by_chance = np.sum(share * np.sqrt(2 * c * (1 - c) / (pi * n)))
        return float(error), float(by_chance)

    def tables(self) -> list[Table]:
        if self.bins[0].sum() < SMALLEST:
            return []
        n, predicted, happened = self.curve
        columns = (predicted / n, happened / n, *wilson(happened, n), n.astype(np.int64))
        rows = [tuple(value.item() for value in row) for row in zip(*columns, strict=True)]
        return [Table(say("The reliability curve as a table"), COLUMNS, rows, folded=True)]

    def figures(self) -> list[Figure]:
        if self.bins[0].sum() < SMALLEST:
            return []
        text = "; ".join(f"{p / n:.2f} → {h / n:.2f}" for n, p, h in self.curve.T)
        if self.single:
            title = say("Reliability: probability of yes against how often it happened")
            label = say("probability of yes; bars: how many")
        else:
            title = say("Reliability: probability of the predicted class against how often it happened")
            label = say("probability of the predicted class; bars: how many")
        draw = partial(_draw, curve=self.curve, strip=self.strip, label=label)
        return [Figure(title, text, draw, height=3.6)]


def wilson(happened: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of a share (Wilson 1927)."""
    z2 = NORMAL_95**2
    centre = (happened + z2 / 2) / (n + z2)
    half = NORMAL_95 / (n + z2) * np.sqrt(happened * (n - happened) / n + z2 / 4)
    return centre - half, centre + half


def _draw(ax: Axes, curve: np.ndarray, strip: np.ndarray, label: str) -> None:
    n, predicted, happened = curve
    width = 1 / STRIP
    ax.bar(np.arange(STRIP) * width, 0.22 * strip / strip.max(), width * 0.86, align="edge", color=WASH)
    ax.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.vlines(predicted / n, *wilson(happened, n), color=WASH, linewidth=4)
    ax.plot(predicted / n, happened / n, "o-", color=ACCENT, markersize=4, linewidth=1.2)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel(label)
    ax.set_ylabel(say("share that happened"))
