"""Loss per class, and how often each class is predicted against how often it is seen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lossary.reports.accumulate import NORMAL_95, GroupMeans, Mean
from lossary.reports.causes.probabilities import LARGEST as MOST_BIASES
from lossary.reports.chunk import Chunk
from lossary.reports.palette import ACCENT, MUTED, WASH
from lossary.reports.result import Column, Figure, Finding, Result, Table
from lossary.reports.sections.base import Section
from lossary.reports.sections.confusion import Confusion
from lossary.reports.sections.drawing import tick_label
from lossary.reports.understand import PLURALS, Understanding
from lossary.translations import deferred, join, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN, DRAWN = 50, 24
COLUMNS = (
    Column("count", ",d"),
    Column("loss", "#.4g"),
    Column("± 95 %", "#.2g"),
    Column("share", ".1%"),
    Column("errors", ".1%"),
    Column("seen", ".2%"),
    Column("predicted", ".2%"),
    Column("taken for"),
)


class Classes(Section):
    id, title, needs = "classes", "Loss per class", "classes"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        groups = self.groups = understanding.frame.columns if self._multilabel else understanding.classes
        self.loss, self.wrong, self.overall = GroupMeans(groups), np.zeros(groups), Mean()
        self.seen, self.predicted, self.variance = np.zeros(groups), np.zeros(groups), np.zeros(groups)
        self.confusion = Confusion(0 if self._multilabel else groups)

    @classmethod
    def applies(cls, understanding: Understanding) -> bool:
        return understanding.task != "regression"

    @property
    def _multilabel(self) -> bool:
        return self.u.task == "multilabel"

    @property
    def _plural(self) -> str:
        return say(PLURALS["label" if self._multilabel else "class"])

    def update(self, chunk: Chunk) -> None:
        group = chunk.unit % self.groups if self._multilabel else chunk.label
        self.loss.add(chunk.loss, group)
        self.overall.add(chunk.loss, chunk.sample)
        self.wrong += np.bincount(group, chunk.predicted != chunk.label, self.groups)
        if self._multilabel:
            yes = chunk.probs[:, 1]
            self.seen += np.bincount(group, chunk.target, self.groups)
            self.predicted += np.bincount(group, yes, self.groups)
            self.variance += np.bincount(group, yes * (1 - yes), self.groups)
        else:
            self.seen += chunk.target.sum(axis=0) if chunk.task == "soft" else np.bincount(group, minlength=self.groups)
            self.predicted += chunk.probs.sum(axis=0)
            self.variance += np.sum(chunk.probs * (1 - chunk.probs), axis=0)
            self.confusion.add(chunk.label, chunk.predicted)

    def finish(self) -> Result:
        order = np.argsort(-np.where(self.loss.infinite > 0, np.inf, self.loss.mean), kind="stable")
        order = order[(self.loss.n + self.loss.infinite)[order] > 0]
        drawn = [int(k) for k in order[:DRAWN]]
        names = [self.u.name(k) for k in drawn]
        figure = Figure(
            self._caption(order.size),
            "; ".join(f"{name}: {self.loss.mean[k]:.3g}" for name, k in zip(names, drawn, strict=True)),
            partial(
                _draw,
                names=names,
                mean=self.loss.mean[drawn],
                error=self.loss.error[drawn],
                overall=self.overall.finite_mean,
            ),
            height=0.8 + 0.2 * len(drawn),
        )
        return self.result(
            text=self._text(self.groups - order.size),
            findings=self._findings(order),
            tables=[self._table(order)],
            figures=[figure],
            values={
                self.u.name(int(k)): {"count": int(self.loss.n[k]), "mean": float(self.loss.mean[k])}
                for k in order[:SHOWN]
            },
            method=say(
                "Interval: mean ± 1.96 standard errors, targets taken as independent. "
                "Seen against predicted: score test of a bias per class, sum(q - y) / sqrt(sum q(1 - q))."
            ),
        )

    def _caption(self, count: int) -> str:
        if count > DRAWN:
            if self._multilabel:
                return say("Mean loss per label and its 95 % interval, the highest {n}", n=DRAWN)
            return say("Mean loss per class and its 95 % interval, the highest {n}", n=DRAWN)
        if self._multilabel:
            return say("Mean loss per label and its 95 % interval")
        return say("Mean loss per class and its 95 % interval")

    def _text(self, absent: int) -> str:
        columns = say("“Share” is of the total loss, “seen” of the targets; “predicted” is the mean probability.")
        if not absent:
            return columns
        text = say(
            "{absent:,} of {n:,} {groups} have no target in this file.",
            absent=absent,
            n=self.groups,
            groups=self._plural,
        )
        return join(" ", [text, columns])

    def _table(self, order: np.ndarray) -> Table:
        rows = [self._row(int(k)) for k in order[:SHOWN]]
        note = ""
        if order.size > SHOWN:
            note = say(
                "The {n} {groups} with the highest mean loss of {all:,}.",
                n=SHOWN,
                groups=self._plural,
                all=order.size,
            )
        if self._multilabel:
            return Table(say("Per label"), (Column("label"), *COLUMNS), rows, note)
        return Table(say("Per class"), (Column("class"), *COLUMNS), rows, note)

    def _counts(self) -> np.ndarray:
        return self.loss.n + self.loss.infinite

    def _row(self, k: int) -> tuple[str | int | float | None, ...]:
        n, infinite = self.loss.n[k], self.loss.infinite[k]
        total = float(np.sum(self.loss.n * self.loss.mean))
        taken_for = self.confusion.taken_for(k)
        rows = self._counts()[k] if self._multilabel else self._counts().sum()
        return (
            self.u.name(k),
            int(n + infinite),
            float("inf") if infinite else float(self.loss.mean[k]),
            float(NORMAL_95 * self.loss.error[k]),
            float(n * self.loss.mean[k] / total) if total else None,
            float(self.wrong[k] / (n + infinite)),
            float(self.seen[k] / rows),
            float(self.predicted[k] / rows),
            None if taken_for is None else self.u.name(taken_for),
        )

    def _findings(self, order: np.ndarray) -> list[Finding]:
        findings = []
        if order.size < 2:
            return findings
        worst = int(order[0])
        mean, error = float(self.loss.mean[worst]), float(self.loss.error[worst])
        if mean - 3 * error > self.overall.finite_mean:
            row = self._row(worst)
            text = (
                deferred(
                    "Label {name} has the highest mean loss: {mean:.3g} against {overall:.3g} overall, and {share:.1%} "
                    "of the total."
                )
                if self._multilabel
                else deferred(
                    "Class {name} has the highest mean loss: {mean:.3g} against {overall:.3g} overall, and {share:.1%} "
                    "of the total."
                )
            )
            said = say(text, name=row[0], mean=mean, overall=self.overall.finite_mean, share=row[4])
            findings.append(Finding("note", said))
        shift = self.predicted - self.seen
        z = shift / np.sqrt(np.maximum(self.variance, 1e-300))
        rows = self._counts() if self._multilabel else np.full(self.groups, self._counts().sum())
        size = np.abs(shift) / np.maximum(rows, 1)
        strange = (np.abs(z) > 3 + np.log10(self.groups)) & (size > 0.01)
        if strange.any() and self.u.task != "soft" and self.groups > MOST_BIASES:
            k = int(np.argmax(np.where(strange, size, 0)))
            text = (
                deferred(
                    "Label {name} is predicted with {predicted:.1%} on average but seen in {seen:.1%} (z = {z:+.1f}): "
                    "training with weights, or another mix of classes, does that."
                )
                if self._multilabel
                else deferred(
                    "Class {name} is predicted with {predicted:.1%} on average but seen in {seen:.1%} (z = {z:+.1f}): "
                    "training with weights, or another mix of classes, does that."
                )
            )
            said = say(
                text,
                name=self.u.name(k),
                predicted=self.predicted[k] / rows[k],
                seen=self.seen[k] / rows[k],
                z=z[k],
            )
            findings.append(Finding("note", said))
        return findings


def _draw(ax: Axes, names: list[str], mean: np.ndarray, error: np.ndarray, overall: float) -> None:
    places = np.arange(len(names))[::-1]
    ax.axvline(overall, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    half = NORMAL_95 * np.nan_to_num(error)
    ax.hlines(places, np.maximum(mean - half, 0), mean + half, color=WASH, linewidth=4)
    ax.plot(mean, places, "o", color=ACCENT, markersize=4.5)
    ax.set_yticks(places, [tick_label(name, 14) for name in names])
    ax.set_ylim(-0.7, len(names) - 0.3)
    ax.set_xlim(left=max(0, ax.get_xlim()[0]))
    ax.set_xlabel(say("nats; dashed: mean over all"))
