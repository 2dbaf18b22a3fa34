"""Calibration: the entropy gap, the temperature that fits best, and the reliability curve."""

from __future__ import annotations

from functools import partial
from math import erfc, sqrt
from typing import TYPE_CHECKING

import numpy as np

from lossary.reports.accumulate import Mean, Reservoir, histogram
from lossary.reports.chunk import Chunk
from lossary.reports.palette import ACCENT, INK, MUTED
from lossary.reports.result import Column, Figure, Result, Table
from lossary.reports.sections.base import Section
from lossary.reports.sections.reliability import Reliability
from lossary.reports.temperature import Fit, fit_temperature, nll
from lossary.reports.understand import Understanding
from lossary.translations import join, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAMPLE_SCORES = 4_000_000
COLUMNS = (Column("measure"), Column("value", "#.4g"), Column("what it says"))


class Calibration(Section):
    id, title, needs = "calibration", "Calibration", "hard targets: a class, or a yes or no, for each sample"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        self.gap, self.loss, self.variance = Mean(seed), Mean(seed), 0.0
        self.sample = Reservoir(min(200_000, max(1, SAMPLE_SCORES // understanding.classes)), seed)
        single = understanding.task in ("binary", "multilabel")
        self.reliability = Reliability(single)

    @classmethod
    def applies(cls, understanding: Understanding) -> bool:
        return understanding.task in ("classification", "binary", "multilabel")

    def update(self, chunk: Chunk) -> None:
        loss, entropy = -chunk.log_prob_of_label, chunk.entropy
        self.loss.add(loss, chunk.sample)
        self.gap.add(loss - entropy, chunk.sample)
        self.variance += float(np.sum(np.sum(chunk.probs * chunk.surprise**2, axis=1) - entropy**2))
        self.sample.add(chunk.logits, chunk.label)
        self.reliability.add(chunk)

    def finish(self) -> Result:
        gap, z = self.gap.finite_mean, self._gap_z()
        logits, label = self.sample.rows()
        fit = fit_temperature(logits, label)
        error, by_chance = self.reliability.calibration_error()
        gain = fit.nll_before - fit.nll_after
        p = erfc(sqrt(max(0.0, fit.rows * gain)))  # 2 N gain is chi-squared with one degree of freedom
        fitted = say("the loss is lowest when the logits are divided by it; fitted on this file")
        if not self.sample.is_everything:
            fitted = say(
                "the loss is lowest when the logits are divided by it; fitted on {n:,} of its rows", n=fit.rows
            )
        rows = [
            (
                say("entropy gap"),
                gap,
                say("mean loss - mean entropy of the predictions, in nats; above 0: over-confident"),
            ),
            (say("z of the gap"), z, say("the gap in standard errors; beyond ±3 is evidence")),
            (say("temperature"), fit.temperature if fit.exists else None, fitted),
            (
                say("loss at that temperature"),
                fit.nll_after if fit.exists else None,
                say("{gain:.2g} nats less (p = {p:.2g}); refit on held-out data", gain=gain, p=p),
            ),
            (
                say("calibration error (ECE)"),
                error,
                say("a calibrated model of this size would show {x:.4g} by chance", x=by_chance),
            ),
        ]
        table = Table(say("How far the probabilities can be trusted"), COLUMNS, rows)
        result = self.result(
            text=self._reading(gap, z, fit),
            tables=[table, *self.reliability.tables()],
            values={
                "gap": gap,
                "gap_z": z,
                "temperature": fit.temperature,
                "gain": gain,
                "ece": error,
                "ece_by_chance": by_chance,
                "histogram": histogram("margin", _log_odds(logits, label)),
            },
            figures=self.reliability.figures(),
            method=say(
                "Entropy gap: score test of T = 1, z = sum(loss - H) / sqrt(sum Var(-log q)). Temperature: Newton's "
                "method on 1/T (Guo et al. 2017). "
                "Curve and ECE: bins of equal count, intervals after Wilson 1927. ECE by chance: the expectation of "
                "sum n_b/N |predicted - happened| when each n_b outcomes are drawn with their predicted probability."
            ),
        )
        if fit.exists:
            text = say(
                "lowest at T = {t:.3g}: {after:.4g} nats, {before:.4g} at T = 1",
                t=fit.temperature,
                after=fit.nll_after,
                before=fit.nll_before,
            )
            step = max(1, len(label) // 5_000)
            draw = partial(_draw, logits=logits[::step], label=label[::step], temperature=fit.temperature)
            result.figures.append(Figure(say("The loss when the logits are divided by T"), text, draw))
        return result

    def _gap_z(self) -> float:
        """By the model's own variance; of values that may depend on each other, by that between samples."""
        if self.u.units_per_sample > 1:
            return self.gap.finite_mean / self.gap.error if self.gap.error else float("nan")
        return self.gap.finite_mean * self.gap.n / sqrt(self.variance) if self.variance > 0 else float("nan")

    def _matters(self, gap: float, z: float) -> bool:
        return abs(z) >= 3 and abs(gap) >= max(0.001, 0.01 * self.loss.finite_mean)

    def _reading(self, gap: float, z: float, fit: Fit) -> str:
        unbounded = ""
        if fit.temperature == 0:
            unbounded = say(
                "The loss falls with ever larger logits: every prediction is right, and no temperature fits."
            )
        elif not fit.exists:
            unbounded = say("The loss falls with ever smaller logits: they say nothing about the targets.")
        return join(" ", [unbounded, self._confidence(gap, z)])

    def _confidence(self, gap: float, z: float) -> str:
        if not self._matters(gap, z):
            return say("No evidence of over- or under-confidence in {n:,} {units}.", n=self.gap.n, units=self.u.plural)
        if gap > 0:
            return say("The predictions are surer than they are right.")
        return say("The predictions are right more often than they say.")


def _log_odds(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """log p / (1 - p) of the true class."""
    rows = np.arange(len(label))
    others = logits.copy()
    others[rows, label] = -np.inf
    with np.errstate(invalid="ignore"):
        return logits[rows, label] - np.logaddexp.reduce(others, axis=1)


def _draw(ax: Axes, logits: np.ndarray, label: np.ndarray, temperature: float) -> None:
    grid = np.geomspace(min(0.5, temperature / 2), max(2, temperature * 2), 41)
    ax.plot(grid, [nll(logits, label, 1 / t) for t in grid], color=ACCENT)
    ax.axvline(1, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.plot(temperature, nll(logits, label, 1 / temperature), "o", color=INK, markersize=5)
    ax.set_xscale("log")
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if grid[0] <= t <= grid[-1]]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set_xlabel(say("temperature T; dashed: as saved"))
    ax.locator_params(axis="y", nbins=6)
    ax.set_ylabel(say("nats"))
