"""Decisions: the confusion matrix; precision, recall and F1, and how well the scores rank, each with its interval."""

from __future__ import annotations

from functools import partial
from math import nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from lossary.reports.accumulate import NORMAL_95
from lossary.reports.chunk import Chunk
from lossary.reports.palette import ACCENT, INK, PAPER
from lossary.reports.result import Column, Figure, Finding, Result, Table
from lossary.reports.sections.base import Section
from lossary.reports.sections.confusion import Confusion
from lossary.reports.sections.drawing import tick_label
from lossary.reports.sections.reliability import wilson
from lossary.reports.understand import Understanding
from lossary.translations import join, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN, DRAWN, WRITTEN, PAIRS = 50, 20, 12, 20
RANKED = 100  # classes whose scores are ranked
BINS, LOGIT = 4096, 40.0
BY_CHANCE = 1e-3  # that a class is never recognised, had it the recall of the others
RARE = 20  # targets of a class, from which that it is never recognised is worth a sentence
COLUMNS = (
    Column("count", ",d"),
    Column("precision", ".3f"),
    Column("from", ".3f"),
    Column("to", ".3f"),
    Column("recall", ".3f"),
    Column("from", ".3f"),
    Column("to", ".3f"),
    Column("F1", ".3f"),
    Column("from", ".3f"),
    Column("to", ".3f"),
    Column("AUC", ".3f"),
    Column("from", ".3f"),
    Column("to", ".3f"),
    Column("AP", ".3f"),
    Column("from", ".3f"),
    Column("to", ".3f"),
)
OVERALL = (Column("measure"), Column("value", ".4f"), Column("95 % from", ".4f"), Column("to", ".4f"), Column("what"))
PAIR_COLUMNS = (Column("target"), Column("predicted"), Column("count", ",d"), Column("share of the target", ".1%"))

Interval = tuple[float, float, float]
NOTHING: Interval = (nan, nan, nan)


class Performance(Section):
    id, title, needs = "performance", "Decisions and ranking", "hard targets: a class, or a yes or no"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        self.multilabel = understanding.task == "multilabel"
        groups = self.groups = understanding.frame.columns if self.multilabel else understanding.classes
        self.right, self.guessed, self.count, self.seen = np.zeros(groups), np.zeros(groups), np.zeros(groups), 0
        self.confusion = Confusion(0 if self.multilabel else groups)
        ranked = groups if groups <= RANKED and understanding.task != "recorded" else 0
        self.bins = np.zeros((ranked, 2, BINS))  # of rows of other classes, of its own

    @classmethod
    def applies(cls, understanding: Understanding) -> bool:
        return understanding.task in ("classification", "binary", "multilabel", "recorded")

    def update(self, chunk: Chunk) -> None:
        self.seen += chunk.label.size
        if self.multilabel:
            group, yes = chunk.unit % self.groups, chunk.predicted > 0
            self.count += np.bincount(group, chunk.label, self.groups)
            self.guessed += np.bincount(group, yes, self.groups)
            self.right += np.bincount(group, yes & (chunk.label > 0), self.groups)
            if len(self.bins):
                place = _places(chunk.log_odds[:, 1])
                for own in (0, 1):
                    self._count(own, group[chunk.label == own], place[chunk.label == own])
            return
        self.count += np.bincount(chunk.label, minlength=self.groups)
        self.guessed += np.bincount(chunk.predicted, minlength=self.groups)
        self.right += np.bincount(chunk.label, chunk.predicted == chunk.label, self.groups)
        self.confusion.add(chunk.label, chunk.predicted)
        if len(self.bins):
            place = _places(chunk.log_odds)
            own = np.take_along_axis(place, chunk.label[:, None], axis=1)[:, 0]
            self._count(1, chunk.label, own)
            self._count(0, np.arange(self.groups), place)
            self._count(0, chunk.label, own, -1)

    def _count(self, own: int, group: np.ndarray, place: np.ndarray, step: int = 1) -> None:
        counts = np.bincount((group * BINS + place).ravel(order="K"), minlength=self.groups * BINS)
        self.bins[:, own] += step * counts.reshape(self.groups, BINS)

    def finish(self) -> Result:
        rows = {k: self._row(k) for k in np.flatnonzero(self.count).tolist()}
        shown = sorted(rows, key=lambda k: (rows[k][7], k))[:SHOWN]
        note = say("The {n} of {all:,} with the lowest F1.", n=SHOWN, all=len(rows)) if len(rows) > SHOWN else ""
        lines = [(self.u.name(k), *rows[k]) for k in shown]
        if self.multilabel:
            text = say("A decision is yes from 0.5 on.")
            table = Table(say("Per label, with 95 % intervals"), (Column("label"), *COLUMNS), lines, note)
        else:
            text = say("A decision is the likeliest class.")
            table = Table(say("Per class, with 95 % intervals"), (Column("class"), *COLUMNS), lines, note)
        result = self.result(
            text=text,
            findings=self._findings(rows),
            tables=[Table(say("Overall"), OVERALL, self._overall(rows)), table],
            values={
                "accuracy": nan if self.multilabel else float(self.right.sum() / self.seen),
                "per_class": {
                    self.u.name(k): {"precision": r[1], "recall": r[4], "f1": r[7], "auc": r[10], "ap": r[13]}
                    for k, r in ((k, rows[k]) for k in shown)
                },
            },
            method=say(
                "Intervals of precision, recall and accuracy: Wilson 1927, targets taken as independent; of F1 = 2J / "
                "(1 + J) that of the share J = TP / (TP + FP + FN). AUC: one class against the rest, ties half, "
                "interval after DeLong et al. 1988. AP (average precision): interval on the logit scale, Boyd et al. "
                "2013."
            ),
        )
        if self.confusion.counted and len(rows) > 1:
            self._show_confusion(result)
        return result

    def _row(self, k: int) -> tuple[float, ...]:
        count, right, guessed = (float(x[k]) for x in (self.count, self.right, self.guessed))
        jaccard = _share(right, count + guessed - right)
        f1 = tuple(2 * j / (1 + j) for j in jaccard)
        area, precision = auc_and_ap(*self.bins[k]) if len(self.bins) else (NOTHING, NOTHING)
        return int(count), *_share(right, guessed), *_share(right, count), *f1, *area, *precision

    def _overall(self, rows: dict[int, tuple[float, ...]]) -> list[tuple[str | float, ...]]:
        table = np.array([row[1:] for row in rows.values()]) if rows else np.full((1, 15), nan)
        precision, recall, f1, auc, ap = table[:, ::3].T
        lines: list[tuple[str | float, ...]] = []
        if not self.multilabel:
            accuracy = _share(float(self.right.sum()), self.seen)
            lines.append((say("accuracy"), *accuracy, say("share of right decisions")))
        precision = np.nan_to_num(precision)
        for name, values, meaning in (
            (
                say("macro precision"),
                precision,
                say("mean over the classes; one that is never predicted counts as 0"),
            ),
            (say("macro recall"), recall, say("mean over the classes: balanced accuracy")),
            (say("macro F1"), f1, say("mean over the classes")),
            (say("macro AUC"), auc, say("mean over the classes, each against the rest")),
            (say("macro AP"), ap, say("mean over the classes, each against the rest")),
        ):
            known = values[~np.isnan(values)]
            if known.size:
                lines.append((name, float(known.mean()), nan, nan, meaning))
        return lines

    def _findings(self, rows: dict[int, tuple[float, ...]]) -> list[Finding]:
        """Classes that are never recognised, the commonest first; a wrong score of theirs is a cause of its own."""
        missed = sorted((k for k in rows if self.count[k] >= RARE and not self.right[k]), key=lambda k: -self.count[k])
        others = sum(self.count[k] for k in rows if k not in missed)
        recall = float(self.right.sum()) / others if others else 0.0
        missed = [k for k in missed if (1 - recall) ** self.count[k] < BY_CHANCE]
        if not missed or len(missed) > max(1, len(rows) // 2):
            return []
        k = missed[0]
        text = say("{name} is not recognised at all: 0 of {n:,.0f}.", name=self.u.name(k), n=self.count[k])
        if len(missed) > 1:
            text = say(
                "{name} is not recognised at all: 0 of {n:,.0f}, and {more} more.",
                name=self.u.name(k),
                n=self.count[k],
                more=len(missed) - 1,
            )
        return [Finding("note", text, say("move the threshold for it, if its score ranks well (AUC)"))]

    def _show_confusion(self, result: Result) -> None:
        counts = self.confusion.counts
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        wrong = counts * ~np.eye(self.groups, dtype=bool)
        pairs = [np.unravel_index(i, wrong.shape) for i in np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]]
        lines = [(self.u.name(int(k)), self.u.name(int(j)), int(wrong[k, j]), float(share[k, j])) for k, j in pairs]
        lines = [line for line in lines if line[2]]
        if lines:
            result.tables.append(Table(say("What is taken for what, most often"), PAIR_COLUMNS, lines, folded=True))
        if self.groups <= DRAWN:
            names = [self.u.name(k) for k in range(self.groups)]
            pairs = [say("{target} as {decision}: {n}", target=a, decision=b, n=n) for a, b, n, _ in lines[:8]]
            text = join("; ", pairs) or say("no mistakes")
            draw = partial(_draw, counts=counts, share=share, names=names)
            result.figures.append(Figure(say("Targets (rows) and decisions (columns)"), text, draw, height=4.2))


def _places(log_odds: np.ndarray) -> np.ndarray:
    """The bin of each probability."""
    scaled = (log_odds + LOGIT) / (2 * LOGIT) * BINS
    return np.clip(scaled, 0, BINS - 1, out=scaled).astype(np.int64)


def _share(part: float, of: float) -> Interval:
    if not of:
        return NOTHING
    low, high = wilson(np.array([part]), np.array([of]))
    return part / of, float(low[0]), float(high[0])


def auc_and_ap(others: np.ndarray, own: np.ndarray) -> tuple[Interval, Interval]:
    """The area under the ROC curve and the average precision, of counts in ascending bins of the score."""
    n, m = own.sum(), others.sum()
    if not n or not m:
        return NOTHING, NOTHING
    below = (np.cumsum(others) - others / 2) / m  # of the others, how many lie below; ties half
    above = 1 - (np.cumsum(own) - own / 2) / n
    area = float(np.sum(own * below) / n)
    spread = (
        np.sum(own * (below - area) ** 2) / max(1, n - 1) / n + np.sum(others * (above - area) ** 2) / max(1, m - 1) / m
    )
    half = NORMAL_95 * sqrt(float(spread))
    right, all_of_them = np.cumsum(own[::-1]), np.cumsum((own + others)[::-1])
    precision = float(np.sum(own[::-1] * right / np.maximum(all_of_them, 1)) / n)
    if not 0 < precision < 1:
        return (area, max(0.0, area - half), min(1.0, area + half)), (precision, nan, nan)
    odds = precision / (1 - precision)
    factor = np.exp(NORMAL_95 / sqrt(n * precision * (1 - precision)))
    low, high = (float(x / (1 + x)) for x in (odds / factor, odds * factor))
    return (area, max(0.0, area - half), min(1.0, area + half)), (precision, low, high)


def _draw(ax: Axes, counts: np.ndarray, share: np.ndarray, names: list[str]) -> None:
    from matplotlib.patches import Rectangle

    size = len(names)
    for k, j in np.argwhere(share > 0.002):
        ax.add_patch(Rectangle((j, k), 1, 1, facecolor=ACCENT, alpha=round(float(share[k, j]), 2), linewidth=0))
        if size <= WRITTEN:
            colour = PAPER if share[k, j] > 0.65 else INK
            ax.text(j + 0.5, k + 0.5, f"{counts[k, j]}", ha="center", va="center", color=colour, fontsize=7.5)
    short = [tick_label(name, 9) for name in names]
    ax.set_xticks(np.arange(size) + 0.5, short, rotation=90 if sum(map(len, short)) > 34 else 0)
    ax.set_yticks(np.arange(size) + 0.5, short)
    ax.set_xlim(0, size)
    ax.set_ylim(size, 0)
    ax.set_aspect("equal")
    ax.tick_params(length=0)
    ax.set_xlabel(say("decision; the darker, the larger the share of the target's row"))
