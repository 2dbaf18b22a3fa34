"""The samples with the highest loss, and how much of the total a few of them hold."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lossary.reports.chunk import Chunk
from lossary.reports.palette import ACCENT, INK, MUTED
from lossary.reports.result import Cell, Column, Figure, Finding, Result, Table
from lossary.reports.sections.base import Section
from lossary.reports.understand import Understanding
from lossary.reports.unit_names import answer, names_of
from lossary.translations import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 25
CONCENTRATED = 0.1  # share of the loss in 1 % of the samples that is worth a sentence
LEAST, BINS, PER_DECADE = 1e-12, 4002, 500 / 3  # up to 1e12; the first and the last bin hold what lies beyond
SCORE_COLUMNS = (
    Column("sample"),
    Column("loss", "#.4g"),
    Column("share", ".1%"),
    Column("target"),
    Column("prediction"),
    Column("p(target)", "#.3g"),
    Column("p(prediction)", "#.3g"),
)
VALUE_COLUMNS = (
    Column("sample"),
    Column("loss", "#.4g"),
    Column("share", ".1%"),
    Column("target", ".5g"),
    Column("prediction", ".5g"),
    Column("residual", ".4g"),
)


class Highest(Section):
    id, title = "highest", "Samples with the highest loss"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        self.top = np.zeros((6, 0))  # loss, unit, target, prediction, p(target) or target value, p(prediction) or value
        self.count, self.total = np.zeros(BINS), np.zeros(BINS)
        self.infinite = 0

    def update(self, chunk: Chunk) -> None:
        loss = chunk.loss
        full = self.top.shape[1] == SHOWN
        highest = np.flatnonzero(loss > self.top[0, -1]) if full else np.arange(loss.size)
        if highest.size:
            highest = highest[np.argsort(-loss[highest], kind="stable")[:SHOWN]]
            self.top = np.concatenate([self.top, _details(chunk, highest)], axis=1)
            self.top = self.top[:, np.lexsort((self.top[1], -self.top[0]))[:SHOWN]]
        finite = loss[np.isfinite(loss)]
        self.infinite += loss.size - finite.size
        place = _places(finite)
        self.count += np.bincount(place, minlength=self.count.size)
        self.total += np.bincount(place, finite, self.total.size)

    def finish(self) -> Result:
        share, mass = concentration(self.count, self.total)
        total, counted = self.total.sum(), int(self.count.sum()) + self.infinite
        one_percent = float(np.interp(0.01, share, mass))
        half = float(np.interp(0.5, mass, share))
        names = names_of(self.u, self.top[1].astype(np.int64))
        rows = [self._row(name, *column, total=total) for name, column in zip(names, self.top.T, strict=True)]
        columns = VALUE_COLUMNS if self.u.task == "regression" else SCORE_COLUMNS
        result = self.result(
            text=say(
                "Candidates for a look: a wrong label, a sample of another kind, or simply a hard one. "
                "They say something about generalisation only when the model was not trained on them."
            ),
            tables=[Table(say("The {n} highest of {all:,}", n=len(rows), all=counted), columns, rows)],
            values={
                "units": [int(unit) for unit in self.top[1]],
                "losses": [float(loss) for loss in self.top[0]],
                "share_of_highest_1_percent": one_percent,
            },
        )
        if total > 0 and not self.infinite and self.count.sum() >= 100:
            text = say(
                "1 % of the {units} hold {share:.1%} of the loss; half of it is held by {half:.2%}.",
                units=self.u.plural,
                share=one_percent,
                half=half,
            )
            if one_percent >= CONCENTRATED:
                result.findings.append(Finding("note", text))
            draw = partial(_draw, share=share, mass=mass, units=self.u.plural)
            result.figures.append(Figure(say("Share of the loss that the highest losses hold"), text, draw))
        return result

    def _row(
        self,
        name: str,
        loss: float,
        unit: float,
        target: float,
        predicted: float,
        first: float,
        second: float,
        total: float,
    ) -> tuple[Cell, ...]:
        share = loss / total if total and np.isfinite(loss) else None
        if self.u.task == "regression":
            return name, loss, share, target, predicted, predicted - target
        return name, loss, share, answer(self.u, target), answer(self.u, predicted), first, second


def _details(chunk: Chunk, at: np.ndarray) -> np.ndarray:
    loss, unit = chunk.loss[at], chunk.unit[at]
    if chunk.task == "regression":
        nothing = np.zeros(at.size)
        return np.stack([loss, unit, chunk.target[at], chunk.scores[at], nothing, nothing])
    own = np.exp(chunk.log_prob_of_label[at])
    return np.stack([loss, unit, chunk.label[at], chunk.predicted[at], own, chunk.confidence[at]])


def _places(losses: np.ndarray) -> np.ndarray:
    """The bin of each loss, on a logarithmic scale."""
    with np.errstate(divide="ignore"):
        scaled = np.log10(losses / LEAST) * PER_DECADE
    return np.clip(np.floor(scaled) + 1, 0, BINS - 1).astype(np.int64)


def concentration(count: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Lorenz curve from the top: share of the units, and share of the loss that they hold."""
    share = np.concatenate([[0.0], np.cumsum(count[::-1]) / max(1, count.sum())])
    mass = np.concatenate([[0.0], np.cumsum(total[::-1]) / max(total.sum(), 1e-300)])
    return share, mass


def _draw(ax: Axes, share: np.ndarray, mass: np.ndarray, units: str) -> None:
    grid = np.linspace(0, 1, 201)
    curve = np.interp(grid, share, mass)
    ax.fill_between(grid, curve, color=ACCENT, alpha=0.15, linewidth=0)
    ax.plot(grid, curve, color=ACCENT)
    ax.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    half = np.interp(0.5, mass, share)
    ax.plot(half, 0.5, "o", color=INK, markersize=4.5)
    text = say("half of the loss: {half:.2%}", half=half)
    ax.annotate(text, (half, 0.5), (8, -3), textcoords="offset points", color=INK)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    ax.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    ax.set_xlabel(say("{units}, highest loss first", units=units))
    ax.set_ylabel(say("share of the loss"))
