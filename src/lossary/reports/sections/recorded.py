"""What a record of `lossary.Recorder` tells: losses, errors and confidence, without the scores of the other classes."""

from __future__ import annotations

from math import exp, log

import numpy as np

from lossary.reports.accumulate import NORMAL_95, GroupMeans, Mean
from lossary.reports.chunk import Chunk
from lossary.reports.result import Column, Finding, Result, Table
from lossary.reports.sections.base import Section
from lossary.reports.sections.losses import LOSS_COLUMNS, REFERENCE_COLUMNS, entropy
from lossary.reports.sections.reliability import Reliability
from lossary.reports.understand import Understanding
from lossary.reports.unit_names import answer
from lossary.translations import say

SHOWN = 50
RARE = 1e-3
COLUMNS = (
    Column("class"),
    Column("count", ",d"),
    Column("loss", "#.4g"),
    Column("± 95 %", "#.2g"),
    Column("share", ".1%"),
    Column("errors", ".1%"),
)


class RecordedLosses(Section):
    id, title, needs = "losses", "The losses", "a record"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        self.loss, self.wrong, self.gap, self.entropy = Mean(seed), Mean(seed), Mean(seed), Mean(seed)
        self.classes, self.errors = GroupMeans(understanding.classes), np.zeros(understanding.classes)

    @classmethod
    def applies(cls, understanding: Understanding) -> bool:
        return understanding.task == "recorded"

    def update(self, chunk: Chunk) -> None:
        wrong = (chunk.predicted != chunk.label).astype(np.float64)
        self.loss.add(chunk.loss, chunk.sample)
        self.wrong.add(wrong, chunk.sample)
        self.entropy.add(chunk.entropy, chunk.sample)
        self.gap.add(chunk.loss - chunk.entropy, chunk.sample)
        self.classes.add(chunk.loss, chunk.label)
        self.errors += np.bincount(chunk.label, wrong, self.errors.size)

    def finish(self) -> Result:
        mean, (low, high) = self.loss.mean, self.loss.interval
        counts = self.classes.n + self.classes.infinite
        prior = entropy(counts / counts.sum())
        perplexity = exp(mean) if mean < 700 else float("inf")
        rows = [
            ("cross_entropy", mean, low, high, say("−log p(target)")),
            ("error rate", self.wrong.mean, *self.wrong.interval, say("share of wrong predictions")),
            (
                "entropy",
                self.entropy.mean,
                *self.entropy.interval,
                say("of the predictions: the loss that they expect"),
            ),
            ("entropy gap", self.gap.mean, *self.gap.interval, say("loss - entropy; above 0: over-confident")),
        ]
        references = [
            (f"log {self.u.classes}", log(self.u.classes), say("every class equally likely: an untrained model")),
            ("class frequencies", prior, say("always answering the shares of the classes in this file")),
        ]
        return self.result(
            text=say("{loss:.4g} nats are {bits:.4g} bits; perplexity {perplexity:.4g}.", loss=mean, bits=mean / log(2),
                     perplexity=perplexity),
            findings=list(self._findings(prior)),
            highlights=[
                ("cross_entropy", f"{mean:.4g}", f"{low:.4g} – {high:.4g}"),
                (say("error rate"), f"{self.wrong.mean:.2%}", say("share of wrong predictions")),
                (say("perplexity"), f"{perplexity:.4g}", ""),
            ],
            tables=[
                Table(say("Losses"), LOSS_COLUMNS, rows),
                Table(say("Numbers to compare with"), REFERENCE_COLUMNS, references),
                self._per_class(counts),
            ],
            values={name: {"mean": m, "low": a, "high": b} for name, m, a, b, _ in rows} | {"prior": prior},
            method=say("Intervals: over samples, whose values may depend on each other; of classes: targets taken as "
                       "independent."),
        )  # fmt: skip

    def _per_class(self, counts: np.ndarray) -> Table:
        """The classes whose targets hold most of the loss."""
        totals = self.classes.n * self.classes.mean
        order = [int(k) for k in np.argsort(-totals, kind="stable") if counts[k]]
        rows = [
            (
                answer(self.u, k),
                int(counts[k]),
                float("inf") if self.classes.infinite[k] else float(self.classes.mean[k]),
                float(NORMAL_95 * self.classes.error[k]),
                float(totals[k] / totals.sum()) if totals.sum() else None,
                float(self.errors[k] / counts[k]),
            )
            for k in order[:SHOWN]
        ]
        note = say("The {n} with most of the loss of {all:,}.", n=SHOWN, all=len(order)) if len(order) > SHOWN else ""
        return Table(say("Per class"), COLUMNS, rows, note)

    def _flattery(self) -> float:
        """By how much the shares of the classes can beat a model that is right about them: they are counted on the same
        targets, and 2 N times what that gains is chi-squared with C - 1 degrees of freedom."""
        from scipy.stats import chi2

        seen = np.count_nonzero(self.classes.n + self.classes.infinite)
        return float(chi2.isf(RARE, max(1, seen - 1))) / (2 * max(1, self.loss.samples))

    def _findings(self, prior: float) -> list[Finding]:
        mean, (low, high) = self.loss.mean, self.loss.interval
        record = self.u.input.record
        found = []
        if self.loss.infinite:
            text = say(
                "The loss is infinite: {n:,} targets have the probability 0; the mean of the others is {rest:.4g}.",
                n=self.loss.infinite,
                rest=self.loss.finite_mean,
            )
            found.append(Finding("error", text, say("find out which logits are infinite")))
        elif low > prior + self._flattery():
            text = say(
                "The loss {loss:.4g} is above {prior:.4g}, that of always answering the class shares.",
                loss=mean,
                prior=prior,
            )
            found.append(Finding("warning", text, say("check that logits and targets belong together")))
        else:
            text = say(
                "cross_entropy is {loss:.4g} (95 % interval {low:.4g} to {high:.4g}); always answering the class "
                "shares would score {prior:.4g}.",
                loss=mean,
                low=low,
                high=high,
                prior=prior,
            )
            found.append(Finding("note", text))
        if record is not None and (n := record.repeated):
            text = say("{n:,} ids are there more than once.", n=n)
            found.append(Finding("warning", text, say("record each evaluation into a folder of its own")))
        gap, error = self.gap.mean, self.gap.error
        if error and abs(gap) > 3 * error and abs(gap) > max(0.001, 0.01 * mean):
            surer = say("The predictions are surer than they are right, by {gap:.3g} nats.", gap=gap)
            less = say("The predictions are right more often than they say, by {gap:.3g} nats.", gap=-gap)
            found.append(Finding("note", surer if gap > 0 else less))
        return found


class RecordedReliability(Section):
    id, title, needs = "calibration", "Calibration of the predicted class", "a record"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        self.reliability = Reliability(single=False)

    @classmethod
    def applies(cls, understanding: Understanding) -> bool:
        return understanding.task == "recorded"

    def update(self, chunk: Chunk) -> None:
        self.reliability.add(chunk)

    def finish(self) -> Result:
        error, by_chance = self.reliability.calibration_error()
        text = say(
            "The calibration error (ECE) is {error:.4g}; a calibrated model would show {chance:.4g} by chance.",
            error=error,
            chance=by_chance,
        )
        return self.result(
            text=text,
            tables=self.reliability.tables(),
            figures=self.reliability.figures(),
            values={"ece": error, "ece_by_chance": by_chance},
            method=say("ECE: bins of equal count; by chance: each outcome drawn with its predicted probability."),
        )
