"""What the loss comes from: a ledger of causes, of what each explains beyond those before it."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np

from lossary.reports.accumulate import Reservoir
from lossary.reports.causes import pairing, probabilities, values
from lossary.reports.causes.cause import EVIDENCE, FLOOR, Cause, Hypothesis, ledger
from lossary.reports.causes.counts import counts
from lossary.reports.causes.facts import Certainty, Copies
from lossary.reports.causes.rows import CERTAIN, Rows
from lossary.reports.causes.values import Values
from lossary.reports.chunk import Chunk
from lossary.reports.result import Column, Finding, Result, Table
from lossary.reports.sections.base import Section
from lossary.reports.sections.losses import entropy
from lossary.reports.understand import Understanding
from lossary.reports.unit_names import names_of
from lossary.translations import join, say

SAMPLE_SCORES, SAMPLE_ROWS = 2_000_000, 50_000
ABSENT = 1e-7  # what a probability of 0 counts as here; its loss is infinite, and said elsewhere
NEARLY_CONSTANT = 1e-4  # of the entropy of the mean prediction: what all predictions together tell about a target
NEARLY_CONSTANT_VALUE = 3e-3  # of the targets' standard deviation
COPIED = 0.05  # share of rows from which copies are a warning
CONVINCING = 30.0  # nats
SUSPECTS = 25
SLIGHT = 3.0  # nats of evidence for wrong labels, from which suspects are listed without a word in the verdict

OF_CLASSES: tuple[Hypothesis[Rows], ...] = (
    pairing.wrong_way_round,
    pairing.columns_in_another_order,
    pairing.shifted,
    pairing.softmax_twice,
    pairing.unrelated,
    probabilities.never_predicted,
    probabilities.temperature,
    probabilities.label_noise,
    probabilities.bias,
)
OF_VALUES: tuple[Hypothesis[Values], ...] = (
    values.other_sign,
    values.other_units,
    values.other_scale,
    values.standardised,
    values.shifted,
    values.unrelated,
    values.offset,
    values.clipped,
    values.slope,
    values.uneven_noise,
)
SUSPECT_COLUMNS = (
    Column("sample"),
    Column("label"),
    Column("prediction"),
    Column("p(label)", "#.3g"),
    Column("p(wrong)", ".0%"),
)


class Causes(Section):
    id, title = "causes", "Where the loss comes from"
    needs = "hard targets, or real values"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        self.regression = understanding.task == "regression"
        rows = max(1, min(SAMPLE_ROWS, SAMPLE_SCORES // max(1, understanding.classes)))
        self.sample = Reservoir(rows, seed)
        self.waiting: list[np.ndarray] = []  # the last unit, whose next target is not known yet
        self.copies = Copies() if understanding.units_per_sample == 1 else None
        self.certainty, self.mean_probs, self.entropy, self.seen = Certainty(), np.zeros(understanding.classes), 0.0, 0
        self.equal = 0

    @classmethod
    def applies(cls, understanding: Understanding) -> bool:
        return understanding.task != "soft"

    def update(self, chunk: Chunk) -> None:
        self.seen += chunk.unit.size
        if self.regression:
            self._keep(chunk.scores, chunk.target, chunk.unit, chunk.sample)
            self.equal += int(np.count_nonzero(chunk.scores == chunk.target))
            surprise = np.ones(chunk.unit.size)
        else:
            self._keep(chunk.log_probs, chunk.label, chunk.unit, chunk.sample)
            self.certainty.add(chunk)
            self.mean_probs += chunk.probs.sum(axis=0)
            self.entropy += float(chunk.entropy.sum())
            surprise = -chunk.log_prob_of_label
        if self.copies is not None:
            self.copies.add(chunk, surprise)

    def _keep(self, scores: np.ndarray, target: np.ndarray, unit: np.ndarray, sample: np.ndarray) -> None:
        """Units with the targets of their neighbours; the last one waits for the next chunk."""
        absent = np.nan if self.regression else -1
        before, after = (np.full(target.shape, absent, target.dtype) for _ in range(2))
        near = self._near(unit[:-1], unit[1:], sample[:-1], sample[1:])
        before[1:] = np.where(near, target[:-1], absent)
        after[:-1] = np.where(near, target[1:], absent)
        rows = [scores, target, before, after, unit, sample]
        if self.waiting:
            _, last_target, _, last_after, last_unit, last_sample = self.waiting
            if self._near(last_unit, unit[:1], last_sample, sample[:1]).all():
                before[:1], last_after[:] = last_target, target[:1]
            self.sample.add(*self.waiting)
        if unit.size > 1:
            self.sample.add(*(column[:-1] for column in rows))
        self.waiting = [column[-1:].copy() for column in rows]

    def _near(self, unit: np.ndarray, after: np.ndarray, sample: np.ndarray, sample_after: np.ndarray) -> np.ndarray:
        """Whether a unit is followed by the next of the file, in one sample where that has several."""
        if self.u.frame.columns > 1 and self.u.task != "classification":
            return np.zeros(unit.shape, bool)
        near = after - unit == 1
        return near & (sample == sample_after) if self.u.units_per_sample > 1 else near

    def finish(self) -> Result:
        self.sample.add(*self.waiting)
        return self._of_values() if self.regression else self._of_classes()

    # Classes ----------------------------------------------------------------------------------------------------------

    def _of_classes(self) -> Result:
        log_probs, label, before, after, unit, sample = self.sample.rows()
        with np.errstate(divide="ignore"):
            floored = np.maximum(log_probs, log(ABSENT)) if np.isneginf(log_probs).any() else log_probs
        u = self.u
        single = u.task in ("binary", "multilabel")
        rows = Rows(floored, label, before, after, unit, sample, single, u.kind == "probs", u.name, u.unit)
        constant = self._constant(rows.association)
        causes = [] if constant else ledger(rows, OF_CLASSES)
        result = self._result(causes, float(rows.loss.mean()), Column("nats", "#.3g"), constant)
        if not constant:
            self._list_suspects(result, rows, causes)
        return result

    def _constant(self, association: float) -> list[Finding]:
        fix = say("check that the model saw the samples, and that its output is not saturated")
        if self.u.survey.scores_are_constant and self.u.units > 1:
            return [Finding("warning", say("Every sample has the same prediction."), fix, "constant")]
        if self.seen < 100 or abs(association) >= CERTAIN:
            return []
        if self.regression:
            x, y, *_ = self.sample.rows()
            if x.std() >= NEARLY_CONSTANT_VALUE * y.std():
                return []
            text = say(
                "All samples have nearly the same prediction: its standard deviation is {x:.2g}, that of the targets "
                "{y:.4g}.",
                x=x.std(),
                y=y.std(),
            )
        else:
            overall = entropy(self.mean_probs / self.seen)
            told = overall - self.entropy / self.seen
            if told >= NEARLY_CONSTANT * overall:
                return []
            text = say(
                "All samples have nearly the same prediction: together they tell {told:.2g} of {overall:.4g} nats.",
                told=told,
                overall=overall,
            )
        return [Finding("warning", text, fix, "nearly_constant")]

    def _list_suspects(self, result: Result, rows: Rows, causes: Sequence[Cause[Rows]]) -> None:
        """The labels that are likelier wrong than right, of the sample as it is without what was found before."""
        certain = any(cause.id == "label_noise" for cause in causes)
        for cause in causes:
            if cause.id == "label_noise":
                break
            rows = cause.after
        noise = probabilities.fit_noise(rows, EVIDENCE if certain else SLIGHT)
        if noise is None:
            return
        wrong = rows.suspicion(noise)
        listed = np.argsort(-wrong, kind="stable")[: int((wrong >= probabilities.SUSPECT).sum())]
        names = names_of(self.u, rows.unit[listed])
        result.values["suspects"] = {"samples": names, "p_wrong": wrong[listed].tolist()}
        table = [
            (name, rows.name(int(rows.label[i])), rows.name(int(rows.predicted[i])), float(np.exp(-rows.loss[i])),
             float(wrong[i]))
            for name, i in zip(names[:SUSPECTS], listed, strict=False)
        ]  # fmt: skip
        note = "" if certain else say("So few in a file of this size may be chance: look at each.")
        if table:
            result.tables.append(Table(say("Labels that are probably wrong"), SUSPECT_COLUMNS, table, note))

    # Values -----------------------------------------------------------------------------------------------------------

    def _of_values(self) -> Result:
        rows = Values(*self.sample.rows())
        constant = self._constant(rows.association)
        of_counts = counts(rows.x, rows.y, rows.association >= 4)
        hypotheses = [h for h in OF_VALUES if of_counts is None or h is not values.uneven_noise]
        causes = [] if constant else ledger(rows, hypotheses)
        unit = Column("squared units of the target", "#.3g")
        result = self._result(causes, float(rows.loss.mean()), unit, constant)
        if of_counts is not None:
            result.findings.append(Finding("note", of_counts.text, of_counts.fix, "counts"))
            result.values["counts"] = of_counts.dispersion
        return result

    # Both -------------------------------------------------------------------------------------------------------------

    def _facts(self) -> list[Finding]:
        findings = []
        share = self.equal / self.seen if self.regression and self._distinct() else self.certainty.leaked()
        if share >= 0.01 and share < 1:
            text = say("{share:.1%} of the predictions are their target: a leak.", share=share)
            if not self.regression:
                text = say(
                    "{share:.1%} of the predictions are their target, with certainty; the others' loss is {loss:.4g}: "
                    "a leak.",
                    share=share,
                    loss=self.certainty.loss_of_others,
                )
            fix = say(
                "the target reached the model: look for it among the inputs, or for rows filled in from the targets"
            )
            findings.append(Finding("warning", text, fix, "leak"))
        copied, evidence = self.copies.found() if self.copies else (0.0, 0.0)
        if evidence >= CONVINCING and copied >= 0.01:
            factor = (1 / (1 - copied)) ** 0.5 if copied < 1 else float("inf")
            text = say(
                "{share:.1%} of the rows are copies of others (duplicates), prediction and target alike: intervals are "
                "too narrow by a factor of about {factor:.2g}.",
                share=copied,
                factor=factor,
            )
            severity = "warning" if copied >= COPIED else "note"
            findings.append(Finding(severity, text, say("drop_duplicates() before scoring"), "copies"))
        return findings

    def _distinct(self) -> bool:
        """Whether targets are so many values that a prediction does not meet its own by chance."""
        _, y, *_ = self.sample.rows()
        return not np.all(y == np.rint(y)) and np.unique(y).size > y.size / 10

    def _result(self, causes: Sequence[Cause[Any]], loss: float, unit: Column, constant: list[Finding]) -> Result:
        causes = [cause for cause in causes if cause.amount >= FLOOR * loss or not cause.amount]
        findings = constant + [Finding(cause.severity(loss), cause.text, cause.fix, cause.id) for cause in causes]
        findings += self._facts() if not constant else []
        columns = (Column("cause"), unit, Column("± 95 %", "#.2g"), Column("fix"))
        lines: list[tuple[str | float, ...]] = [(c.name, c.amount, c.error, c.fix) for c in causes]
        rest = loss - sum(cause.amount for cause in causes)
        lines.append((say("what the model does not know"), rest, float("nan"), ""))
        table = Table(say("Ledger: each line of what those before it leave"), columns, lines)
        return self.result(
            text=_ledger_text(causes, loss, rest, self.regression),
            findings=findings,
            tables=[table] if causes else [],
            values={
                "loss": loss,
                "rest": rest,
                "causes": {c.id: {"amount": c.amount, "half_width": c.error, "nats": c.nats} for c in causes},
            },
            method=say(
                "Hypotheses are compared by log-likelihood on a sample of the file; each must pay for its parameters "
                "(Schwarz 1978), for the alternatives that it was chosen from, and 10 nats more. Intervals and "
                "evidence count dependent values by sample (Kish 1965). Of those that explain nearly the same the "
                "simplest leads."
            ),
        )


def _ledger_text(causes: Sequence[Cause[Any]], loss: float, rest: float, regression: bool) -> str:
    counted = [cause for cause in causes if cause.amount > 0]
    if not counted:
        return ""
    if regression:
        parts = [say("{share:.1%} go with {cause}", share=cause.amount / loss, cause=cause.name) for cause in counted]
        return say(
            "Of the mean squared error of {loss:.4g}: {parts}; {rest:.4g} is left.",
            loss=loss,
            parts=join(", ", parts),
            rest=rest,
        )
    parts = [
        say("{amount:.3g} ± {error:.2g} go with {cause}", amount=cause.amount, error=cause.error, cause=cause.name)
        for cause in counted
    ]
    return say(
        "Of {loss:.4g} nats: {parts}; the other {rest:.3g} are what the model does not know.",
        loss=loss,
        parts=join(", ", parts),
        rest=rest,
    )
