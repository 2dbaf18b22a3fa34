"""Figures of a regression: the residuals beside their noise models, targets against predictions, and quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lossary.reports.palette import ACCENT, INK, LEAF, MUTED, WARM, WASH
from lossary.reports.result import Figure
from lossary.reports.sections.noise import Fit
from lossary.translations import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"Gaussian": ACCENT, "Laplace": WARM, "Huber": LEAF}
POINTS = 200  # drawn one by one; more would hide each other
BINS = 25
IN_A_BIN = 20  # targets from which their quartiles can be drawn
BAND = (0.05, 0.25, 0.5, 0.75, 0.95)
DASHED = (0, (4, 3))


def figures(residual: np.ndarray, predicted: np.ndarray, target: np.ndarray, fits: Sequence[Fit]) -> list[Figure]:
    """Those that can be drawn of a sample of a regression's values."""
    found: list[Figure] = []
    edges = _edges(residual)
    if np.all(np.diff(edges) > 0):
        low, high = (float(x) for x in np.quantile(residual, (BAND[0], BAND[-1])))
        text = say("nine of ten residuals lie between {low:.4g} and {high:.4g}", low=low, high=high)
        draw = partial(_draw_histogram, residual=residual, edges=edges, fits=fits)
        found.append(Figure(say("Residuals and the fitted noise models"), text, draw))
    if np.ptp(predicted) > 0 and np.ptp(target) > 0:
        r = float(np.corrcoef(predicted, target)[0, 1])
        text = say("the correlation of predictions and targets is {r:.3f}; dashed: where they are equal", r=r)
        draw = partial(_draw_targets, predicted=predicted, target=target)
        found.append(Figure(say("Targets against predictions"), text, draw))
    if residual.size >= IN_A_BIN and np.ptp(residual) > 0:
        tails = _tails(residual)
        text = say(
            "the outer hundredths lie {tails:.2g} times as far out as those of a normal distribution", tails=tails
        )
        draw = partial(_draw_quantiles, residual=residual)
        found.append(Figure(say("Residuals against a normal distribution (QQ)"), text, draw))
    return found


def _edges(residual: np.ndarray) -> np.ndarray:
    """60 bins over nearly all residuals; the tails would leave nothing to see."""
    low, high = np.quantile(residual, [0.002, 0.998])
    return np.linspace(low, high, 61)


def _draw_histogram(ax: Axes, residual: np.ndarray, edges: np.ndarray, fits: Sequence[Fit]) -> None:
    counts, _ = np.histogram(residual, edges)
    ax.bar(edges[:-1], counts / residual.size / np.diff(edges), np.diff(edges), align="edge", color=WASH)
    grid = np.linspace(edges[0], edges[-1], 301)
    for fit in fits:
        ax.plot(grid, np.exp(fit.log_density(grid)), color=COLOURS[fit.name], label=say(fit.name), linewidth=1.4)
    if fits:
        ax.legend(loc="upper right")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xlabel(say("prediction - target"))
    ax.set_ylabel(say("density"))


def _draw_targets(ax: Axes, predicted: np.ndarray, target: np.ndarray) -> None:
    """Some points, and of the targets in each bin of predictions the median, the half and nine tenths around it."""
    shown = slice(None, None, -(-predicted.size // POINTS))
    ax.plot(predicted[shown], target[shown], ".", color=MUTED, markersize=2.5, alpha=0.6)
    bins = min(BINS, predicted.size // IN_A_BIN)
    if bins >= 3:
        order = np.argsort(predicted, kind="stable")
        parts = np.array_split(order, bins)
        middle = [float(np.median(predicted[part])) for part in parts]
        lowest, lower, median, upper, highest = np.array([np.quantile(target[part], BAND) for part in parts]).T
        ax.fill_between(middle, lowest, highest, color=ACCENT, alpha=0.15, linewidth=0)
        ax.fill_between(middle, lower, upper, color=ACCENT, alpha=0.3, linewidth=0)
        ax.plot(middle, median, color=ACCENT)
    ends = _central(np.concatenate([predicted, target]))
    ax.plot(ends, ends, color=INK, linewidth=0.8, linestyle=DASHED)
    ax.set_xlim(*_central(predicted))
    ax.set_ylim(*_central(target))
    ax.set_xlabel(say("prediction"))
    ax.set_ylabel(say("target: median, half, nine tenths") if bins >= 3 else say("target"))


def _central(values: np.ndarray) -> tuple[float, float]:
    """Nearly all of the values, with a margin: one far out would leave nothing to see."""
    low, high = np.quantile(values, [0.002, 0.998])
    margin = 0.05 * (high - low)
    return float(low - margin), float(high + margin)


def _draw_quantiles(ax: Axes, residual: np.ndarray) -> None:
    normal, own = _quantiles(residual)
    ends = normal[[0, -1]]
    ax.plot(ends, ends, color=INK, linewidth=0.8, linestyle=DASHED)
    ax.plot(normal, own, ".", color=ACCENT, markersize=3.5)
    ax.set_xlabel(say("quantiles of a normal distribution, in standard deviations"))
    ax.set_ylabel(say("quantiles of the residuals, likewise"))


def _quantiles(residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `POINTS` quantiles of the normal distribution, evenly spaced, and those of the standardised residuals."""
    from scipy.special import ndtr, ndtri

    extreme = float(ndtri(0.5 / residual.size))
    normal = np.linspace(extreme, -extreme, min(POINTS, residual.size))
    places = ndtr(normal) * residual.size - 0.5
    own = np.interp(places, np.arange(residual.size), np.sort(residual))
    return normal, (own - residual.mean()) / residual.std()


def _tails(residual: np.ndarray) -> float:
    """How far out the first and the last hundredth of the residuals are, in those of a normal distribution."""
    from scipy.special import ndtri

    low, high = np.quantile(residual, [0.01, 0.99])
    return float((high - low) / (2 * ndtri(0.99) * residual.std()))
