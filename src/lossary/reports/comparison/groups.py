"""Where the difference comes from: classes, and how sure A was."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from lossary.reports.accumulate import NORMAL_95, GroupMeans, Reservoir
from lossary.reports.comparison.pair import Pair
from lossary.reports.comparison.part import Part, decides, nats
from lossary.reports.palette import ACCENT, INK, MUTED, WASH
from lossary.reports.result import Cell, Column, Figure, Finding, Result, Table
from lossary.reports.understand import Understanding
from lossary.reports.unit_names import answer
from lossary.translations import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN, DRAWN = 50, 16
EDGES = np.array([0.5, 0.7, 0.9, 0.95, 0.99, 0.999])
DECILES = 10
COLUMNS = (
    Column("count", ",d"),
    Column("loss of A", "#.4g"),
    Column("of B", "#.4g"),
    Column("B is lower by", "#.3g"),
    Column("± 95 %", "#.2g"),
    Column("part of the difference", "#.3g"),
)
FLIPS = (Column("wrong to right", ",d"), Column("right to wrong", ",d"))


class Groups:
    """Means of A, of B and of their differences in each group, and its decisions that flipped."""

    def __init__(self, groups: int) -> None:
        self.a, self.b, self.gain = GroupMeans(groups), GroupMeans(groups), GroupMeans(groups)
        self.mended, self.broken = np.zeros(groups, np.int64), np.zeros(groups, np.int64)

    def add(self, pair: Pair, group: np.ndarray) -> None:
        finite = np.isfinite(pair.gain)
        for means, values in ((self.a, pair.a.loss), (self.b, pair.b.loss), (self.gain, pair.gain)):
            means.add(values[finite], group[finite])
        if decides(pair.a.task):
            wrong_a, wrong_b = (chunk.predicted != chunk.label for chunk in (pair.a, pair.b))
            size = self.mended.size
            self.mended += np.bincount(group[wrong_a & ~wrong_b], minlength=size)
            self.broken += np.bincount(group[~wrong_a & wrong_b], minlength=size)

    @property
    def contribution(self) -> np.ndarray:
        """Of each group to the difference of the means."""
        return self.gain.mean * self.gain.n / max(1, self.gain.n.sum())

    @property
    def half(self) -> np.ndarray:
        """Of the interval of each contribution."""
        return NORMAL_95 * np.nan_to_num(self.gain.error) * self.gain.n / max(1, self.gain.n.sum())

    def row(self, k: int, flips: bool) -> tuple[Cell, ...]:
        means = float(self.a.mean[k]), float(self.b.mean[k]), float(self.gain.mean[k])
        flipped = (int(self.mended[k]), int(self.broken[k])) if flips else ()
        return int(self.gain.n[k]), *means, float(NORMAL_95 * self.gain.error[k]), float(self.contribution[k]), *flipped

    def figure(self, title: str, names: list[str], order: list[int], unit: str) -> Figure:
        drawn = order[:DRAWN]
        parts, half = self.contribution[drawn], self.half[drawn]
        text = "; ".join(f"{names[k]}: {self.contribution[k]:.3g}" for k in drawn)
        draw = partial(_draw, names=[names[k] for k in drawn], parts=parts, half=half, unit=unit)
        return Figure(title, text, draw, height=0.8 + 0.2 * len(drawn))


class ByClass(Part):
    id, title, needs = "classes", "By class", "classes"

    def __init__(self, a: Understanding, b: Understanding, seed: int) -> None:
        super().__init__(a, b, seed)
        self.labels = a.frame.columns if a.task == "multilabel" else 0
        self.groups = Groups(self.labels or a.classes)

    @classmethod
    def applies(cls, a: Understanding, b: Understanding) -> bool:
        return decides(a.task)

    def update(self, pair: Pair) -> None:
        self.groups.add(pair, pair.a.unit % self.labels if self.labels else pair.a.label)

    def finish(self) -> Result:
        groups = self.groups
        parts = groups.contribution
        order = [int(k) for k in np.argsort(-np.abs(parts), kind="stable") if groups.gain.n[k]]
        name = self.a.name if self.labels else lambda k: answer(self.a, k)
        names = [name(k) for k in range(parts.size)]
        rows = [(names[k], *groups.row(k, flips=True)) for k in order[:SHOWN]]
        what = Column("label") if self.labels else Column("class")
        note = say("The {n} that differ most of {all:,}.", n=SHOWN, all=len(order)) if len(order) > SHOWN else ""
        return self.result(
            findings=self._findings(order, names),
            tables=[Table(say("The largest parts of the difference first"), (what, *COLUMNS, *FLIPS), rows, note)],
            figures=[
                groups.figure(say("Parts of the difference and their 95 % intervals"), names, order, nats(self.a))
            ],
            values={names[k]: {"count": int(groups.gain.n[k]), "part": float(parts[k])} for k in order[:SHOWN]},
            method=say("Parts add up to the difference of the mean loss. Intervals: targets taken as independent."),
        )

    def _findings(self, order: list[int], names: list[str]) -> list[Finding]:
        """A class that goes the other way than the whole, beyond what the worst of so many does by chance."""
        groups = self.groups
        total = groups.contribution.sum()
        against = [k for k in order if groups.contribution[k] * total < 0]
        beyond = [k for k in against if abs(groups.gain.mean[k]) > (3 + np.log10(len(order))) * groups.gain.error[k]]
        if not beyond:
            return []
        k, other = beyond[0], len(beyond) - 1
        known = {"name": names[k], "size": abs(groups.gain.mean[k]), "unit": nats(self.a)}
        if total > 0:
            text = say("Class {name} goes against the rest: B is worse there by {size:.3g} {unit}.", **known)
        else:
            text = say("Class {name} goes against the rest: B is better there by {size:.3g} {unit}.", **known)
        return [Finding("note", say("{first} So do {n} more.", first=text, n=other) if other else text)]


class ByConfidence(Part):
    id, title, needs = "confidence", "By how sure A was", "probabilities of the classes"

    def __init__(self, a: Understanding, b: Understanding, seed: int) -> None:
        super().__init__(a, b, seed)
        self.groups = Groups(EDGES.size + 1)

    @classmethod
    def applies(cls, a: Understanding, b: Understanding) -> bool:
        return decides(a.task)

    def update(self, pair: Pair) -> None:
        self.groups.add(pair, np.searchsorted(EDGES, pair.a.confidence, "right"))

    def finish(self) -> Result:
        ends = ["0", *(f"{edge:g}" for edge in EDGES), "1"]
        names = [f"{low} – {high}" for low, high in pairwise(ends)]
        order = [k for k in range(len(names)) if self.groups.gain.n[k]]
        return self.result(
            tables=[
                Table(
                    say("By the largest probability of A"),
                    (Column("largest p of A"), *COLUMNS, *FLIPS),
                    [(names[k], *self.groups.row(k, flips=True)) for k in order],
                )
            ],
            figures=[
                self.groups.figure(
                    say("Parts of the difference by A's largest probability"), names, order, nats(self.a)
                )
            ],
            values={
                names[k]: {"count": int(self.groups.gain.n[k]), "part": float(self.groups.contribution[k])}
                for k in order
            },
        )


class ByPrediction(Part):
    id, title, needs = "predictions", "By what A predicts", "real values"

    def __init__(self, a: Understanding, b: Understanding, seed: int) -> None:
        super().__init__(a, b, seed)
        self.sample = Reservoir(100_000, seed)

    @classmethod
    def applies(cls, a: Understanding, b: Understanding) -> bool:
        return a.task == "regression"

    def update(self, pair: Pair) -> None:
        self.sample.add(pair.a.scores, pair.a.loss, pair.b.loss)

    def finish(self) -> Result:
        predicted, *losses = self.sample.rows()
        edges = np.unique(np.quantile(predicted, np.linspace(0, 1, DECILES + 1)))
        place = np.searchsorted(edges[1:-1], predicted, "right")
        groups = Groups(max(1, edges.size - 1))
        for means, values in zip((groups.a, groups.b, groups.gain), (*losses, losses[0] - losses[1]), strict=True):
            means.add(values, place)
        names = [f"{low:.4g} – {high:.4g}" for low, high in pairwise(edges)] or [f"{edges[0]:.4g}"]
        order = list(range(len(names)))
        note = "" if self.sample.is_everything else say("Of {n:,} samples drawn at random.", n=predicted.size)
        rows = [(names[k], *groups.row(k, flips=False)) for k in order]
        return self.result(
            tables=[Table(say("By tenths of A's predictions"), (Column("A predicts"), *COLUMNS), rows, note)],
            figures=[groups.figure(say("Parts of the difference by A's prediction"), names, order, nats(self.a))],
            values={names[k]: {"count": int(groups.gain.n[k]), "part": float(groups.contribution[k])} for k in order},
        )


def _draw(ax: Axes, names: list[str], parts: np.ndarray, half: np.ndarray, unit: str) -> None:
    places = np.arange(len(names))[::-1]
    ax.barh(places, parts, height=0.55, color=WASH)
    ax.hlines(places, parts - half, parts + half, color=INK, linewidth=1.2)
    ax.plot(parts, places, "o", color=ACCENT, markersize=3.5)
    ax.axvline(0, color=MUTED, linewidth=0.8)
    ax.set_yticks(places, [name if len(name) <= 16 else name[:15] + "…" for name in names])
    ax.set_ylim(-0.7, len(names) - 0.3)
    ax.set_xlabel(unit)
