"""Class frequencies, and what weighting by them would do."""

from __future__ import annotations

from functools import partial
from math import exp, log
from typing import TYPE_CHECKING

import numpy as np

from lossary.reports.chunk import Chunk
from lossary.reports.palette import ACCENT
from lossary.reports.result import Cell, Column, Figure, Finding, Result, Table
from lossary.reports.sections.base import Section
from lossary.reports.sections.drawing import log_axes, tick_label
from lossary.reports.sections.losses import entropy
from lossary.reports.understand import Understanding
from lossary.translations import deferred, join, say
from lossary.weights import SCHEMES as FROM_COUNTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN, DRAWN = 50, 40
BETA = 0.999
SCHEMES = {
    "balanced": deferred("balanced"),
    "inverse_frequency": deferred("inverse frequency"),
    "effective_number": deferred("effective number (beta 0.999)"),
    "median_frequency": deferred("median frequency"),
}
SCHEME_COLUMNS = (
    Column("scheme"),
    Column("smallest weight", "#.4g"),
    Column("largest", "#.4g"),
    Column("effective sample size", ",.0f"),
    Column("log-odds of rarest against commonest", "+.3g"),
)
CHOICE_COLUMNS = (Column("choice"), Column("what it does"))
CHOICES = [
    (
        deferred("do nothing, move the threshold"),
        deferred(
            "Probabilities stay honest; choose the decision threshold for the cost of each mistake. The default to "
            "beat."
        ),
    ),
    (
        deferred("logit adjustment"),
        deferred(
            "Train on logits + log(class share), predict with the plain logits: for balanced accuracy (Menon et al. "
            "2021)."
        ),
    ),
    (
        deferred("class weights"),
        deferred(
            "Fewer misses of rare classes, more false alarms. The fitted log-odds shift by the logarithm of the "
            "weights, so probabilities need that subtracted again."
        ),
    ),
]


class Frequencies(Section):
    id, title, needs = "frequencies", "Class frequencies and weights", "classes"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        self.groups = understanding.frame.columns if understanding.task == "multilabel" else understanding.classes
        self.counts, self.positives = np.zeros(self.groups, np.int64), np.zeros(self.groups, np.int64)

    @classmethod
    def applies(cls, understanding: Understanding) -> bool:
        return understanding.task in ("classification", "binary", "multilabel")

    def update(self, chunk: Chunk) -> None:
        if chunk.task == "multilabel":
            label = chunk.unit % self.groups
            self.positives += np.bincount(label[chunk.target > 0], minlength=self.groups)
            self.counts += np.bincount(label, minlength=self.groups)
        else:
            self.counts += np.bincount(chunk.label, minlength=self.groups)

    def finish(self) -> Result:
        return self._labels() if self.u.task == "multilabel" else self._classes()

    def _labels(self) -> Result:
        columns = (Column("label"), Column("yes", ",d"), Column("share", ".2%"), Column("pos_weight = no / yes", ".4g"))
        order = np.argsort(self.positives, kind="stable")[:SHOWN]
        rows: list[tuple[Cell, ...]] = []
        for k in (int(k) for k in order):
            yes, all_of_it = int(self.positives[k]), int(self.counts[k])
            rows.append((self.u.name(k), yes, yes / max(1, all_of_it), (all_of_it - yes) / yes if yes else None))
        return self.result(
            text=say(
                "With pos_weight the yes of a label weighs as much as its no; its log-odds shift by log(pos_weight)."
            ),
            tables=[Table(say("Labels, the rarest first"), columns, rows), _choices(1)],
            values={self.u.name(int(k)): int(self.positives[k]) for k in order},
        )

    def _classes(self) -> Result:
        seen = np.flatnonzero(self.counts)
        counts = self.counts[seen]
        weights = scheme_weights(counts)
        ratio = counts.max() / counts.min()
        effective = exp(entropy(counts / counts.sum()))
        rarest = self.u.name(int(seen[counts.argmin()]))
        text = say(
            "The commonest class has {ratio:.3g} times as many targets as the rarest ({rarest}).",
            ratio=ratio,
            rarest=rarest,
        )
        columns = (
            Column("class"),
            Column("count", ",d"),
            Column("share", ".2%"),
            *(Column(s, "#.4g") for s in SCHEMES.values()),
        )
        order = np.argsort(-counts, kind="stable")
        kept = order if order.size <= SHOWN else np.r_[order[: SHOWN // 2], order[-SHOWN // 2 :]]
        rows = [
            (
                self.u.name(int(seen[k])),
                int(counts[k]),
                float(counts[k] / counts.sum()),
                *(float(w[k]) for w in weights.values()),
            )
            for k in kept
        ]
        note = say("The {n} commonest and {n} rarest of {all:,} classes.", n=SHOWN // 2, all=order.size)
        figure = Figure(
            say("Targets per class, commonest first"),
            join(" ", [text, say("Effective number of classes {n:.3g}.", n=effective)]),
            partial(_draw, counts=counts[order], names=[self.u.name(int(k)) for k in seen[order]]),
            height=2.4,
        )
        schemes = [(say(SCHEMES[scheme]), *_summary(counts, weights[scheme])) for scheme in SCHEMES]
        mixed = say(
            "The classes are as mixed as {n:.3g} equally frequent ones (exp of the entropy). Weights should come from "
            "the training set: these are of this file. Schemes that differ by a common factor are the same in a "
            "weighted mean.",
            n=effective,
        )
        finding = Finding("note", join(" ", [text, say("That alone is no reason for weights.")]))
        each = say("Frequency and weights of each class")
        return self.result(
            text=join(" ", [text, mixed]),
            findings=[finding] if ratio > 10 else [],
            tables=[
                _choices(len(CHOICES)),
                Table(say("Weighting schemes"), SCHEME_COLUMNS, schemes),
                Table(each, columns, rows, note if order.size > SHOWN else "", folded=True),
            ],
            figures=[figure] if counts.size > 1 else [],
            values={"counts": [int(n) for n in self.counts], "effective_classes": effective, "ratio": float(ratio)},
            method=say(
                "Effective sample size (sum w)² / sum w² over the targets (Kish 1965). Effective number: Cui et al. "
                "2019. Median frequency: Eigen & Fergus 2015."
            ),
        )


def _choices(most: int) -> Table:
    return Table(say("Choices"), CHOICE_COLUMNS, [(say(choice), say(effect)) for choice, effect in CHOICES[:most]])


def scheme_weights(counts: np.ndarray) -> dict[str, np.ndarray]:
    """The weight of each class under each scheme of `lossary.class_weights`, from the counts alone."""
    everywhere = np.full(counts.size, counts.sum())
    return {scheme: FROM_COUNTS[scheme](counts, everywhere, BETA) for scheme in SCHEMES}


def _summary(counts: np.ndarray, weight: np.ndarray) -> tuple[float, float, float, float]:
    effective = np.sum(counts * weight) ** 2 / np.sum(counts * weight**2)
    shift = log(weight[counts.argmin()] / weight[counts.argmax()])
    return float(weight.min()), float(weight.max()), float(effective), shift


def _draw(ax: Axes, counts: np.ndarray, names: list[str]) -> None:
    if counts.size > DRAWN:
        ax.plot(np.arange(1, counts.size + 1), counts, color=ACCENT)
        log_axes(ax)
        ax.set_xlabel(say("rank of the class"))
    else:
        ax.bar(np.arange(counts.size), counts, color=ACCENT, width=0.7)
        short = [tick_label(name, 9) for name in names]
        crowded = sum(map(len, short)) > 34
        ax.set_xticks(np.arange(counts.size), short, rotation=90 if crowded else 0)
        ax.tick_params(axis="x", length=0)
    ax.set_ylabel(say("targets"))
