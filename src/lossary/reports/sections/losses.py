"""Each applicable loss with its interval, and the numbers to compare it with."""

from __future__ import annotations

from functools import partial
from math import exp, log, sqrt

import numpy as np

from lossary import functional as F
from lossary.misuse import floors
from lossary.reports.accumulate import GroupMeans, Mean, Reservoir
from lossary.reports.chunk import Chunk
from lossary.reports.resolution import Resolution
from lossary.reports.result import Column, Figure, Finding, Result, Table
from lossary.reports.sections.base import Section
from lossary.reports.sections.drawing import labelled_bars
from lossary.reports.understand import Understanding
from lossary.translations import deferred, join, say

LOSS_COLUMNS = (
    Column("loss"),
    Column("mean", "#.4g"),
    Column("95 % from", "#.4g"),
    Column("to", "#.4g"),
    Column("what it is"),
)
REFERENCE_COLUMNS = (Column("compare with"), Column("value", "#.4g"), Column("what it is"))

Described = tuple[np.ndarray, str]


def entropy(shares: np.ndarray) -> float:
    """-sum p log p, in nats."""
    positive = shares[shares > 0]
    return float(-np.sum(positive * np.log(positive)))


class Losses(Section):
    id, title = "losses", "The losses"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        self.means: dict[str, Mean] = {}
        self.meaning: dict[str, str] = {}
        labels = self.u.frame.columns if self.u.task == "multilabel" else 1
        self.class_mass = np.zeros((labels, max(1, self.u.classes)))
        self.target_entropy = Mean(seed)
        self.target_moments = GroupMeans(1)
        self.resolution = Resolution()
        self.target_sample = Reservoir(100_000, seed)

    def update(self, chunk: Chunk) -> None:
        for name, (values, meaning) in _losses(chunk).items():
            self.meaning[name] = meaning
            self.means.setdefault(name, Mean(self.seed)).add(values, chunk.sample)
        if chunk.kind == "probs":
            self.resolution.add(chunk.scores)
        if chunk.task == "regression":
            self.target_moments.add(chunk.target, np.zeros(chunk.target.size, np.int64))
            self.target_sample.add(chunk.target)
        elif chunk.task == "soft":
            self.class_mass[0] += chunk.target.sum(axis=0)
            self.target_entropy.add(_row_entropy(chunk.target), chunk.sample)
        else:
            labels, classes = self.class_mass.shape
            place = chunk.unit % labels * classes + chunk.label
            self.class_mass += np.bincount(place, minlength=labels * classes).reshape(labels, classes)

    def finish(self) -> Result:
        main, mean = next(iter(self.means.items()))
        low, high = mean.interval
        null_name, null, references = self._references()
        floor = self.target_entropy.mean if self.u.task == "soft" else 0.0
        skill = (null - mean.mean) / (null - floor) if null > floor else float("nan")
        compared = [(say(name), value, meaning) for name, value, meaning in references]
        tables = [
            Table(say("Losses"), LOSS_COLUMNS, [self._row(name) for name in self.means]),
            Table(say("Numbers to compare with"), REFERENCE_COLUMNS, compared),
        ]
        values = {name: {"mean": m.mean, "low": m.interval[0], "high": m.interval[1]} for name, m in self.means.items()}
        result = self.result(
            highlights=self._highlights(main, mean, skill),
            text=join(
                " ",
                [
                    say("Means over {n:,} {units}.", n=mean.n + mean.infinite, units=self.u.plural),
                    self._reading(mean.mean, skill),
                ],
            ),
            tables=tables,
            findings=self._findings(main, mean, null_name, null),
            values={**values, "references": {name: value for name, value, _ in references}, "skill": skill},
            method=_method(mean),
        )
        if np.isfinite(mean.mean):
            bars = [(say("{loss}, this file", loss=main), mean.mean, True)]
            bars += [(say(name), value, False) for name, value, _ in references if not name.startswith("l1_loss")]
            result.figures.append(
                Figure(
                    say("The loss and the numbers to compare it with"),
                    "; ".join(f"{name}: {value:.4g}" for name, value, _ in bars),
                    partial(labelled_bars, rows=bars, unit=self._unit, interval=(low, high)),
                    height=0.55 + 0.52 * len(bars),
                )
            )
        return result

    def _highlights(self, main: str, mean: Mean, skill: float) -> list[tuple[str, str, str]]:
        low, high = mean.interval
        bounds = say("no interval")
        if low == low:
            bounds = say("{low:.4g} to {high:.4g}, 95 % interval", low=low, high=high)
        if self.u.task == "regression":
            quality = ("R²", f"{skill:.3f}", say("1 - MSE / variance of the targets"))
            error = ("RMSE", f"{sqrt(mean.mean):.4g}", say("in units of the target"))
        else:
            way = say("of the way from the class frequencies to 0")
            if self.u.task == "soft":
                way = say("of the way from the class frequencies to the entropy of the targets")
            quality = (say("skill"), f"{skill:.1%}", way)
            error = (say("error rate"), f"{self.means['error rate'].mean:.2%}", say("share of wrong predictions"))
        return [
            (main, f"{mean.mean:.4g}", bounds),
            quality,
            error,
            (self.u.plural, f"{mean.n + mean.infinite:,}", say("{n:,} ignored", n=self.u.survey.ignored)),
        ]

    @property
    def _unit(self) -> str:
        return say("squared units of the target") if self.u.task == "regression" else say("nats")

    def _row(self, name: str) -> tuple[str | float, ...]:
        mean = self.means[name]
        return (say(name), mean.mean, *mean.interval, say(self.meaning[name]))

    def _references(self) -> tuple[str, float, list[tuple[str, float, str]]]:
        """The name and loss of the model that knows only how often each target occurs, and all references.

        Names are English, as `values` has them.
        """
        if self.u.task == "regression":
            return self._regression_references()
        counted = self.class_mass.sum(axis=1)
        prior = (
            sum(entropy(row / max(1.0, n)) * n for row, n in zip(self.class_mass, counted, strict=True)) / counted.sum()
        )
        shares = self.class_mass.sum(axis=0) / counted.sum()
        untrained = say("every class equally likely: an untrained model")
        uniform = (f"log {self.u.classes}", log(self.u.classes), untrained)
        meaning = say("always answering the shares of the classes in this file")
        if self.u.task == "multilabel":
            meaning = say("always answering the shares of each label in this file")
        known = (deferred("class frequencies"), prior, meaning)
        if self.u.task == "soft":
            meaning = say("the lowest that any prediction can reach")
            floor = (deferred("entropy of the targets"), self.target_entropy.mean, meaning)
        elif self.u.task == "classification":
            value = floors.softmax_twice(self.u.classes)
            meaning = say(
                "log(1 + (C-1)/e): the least that a loss taking logits can answer when it is given probabilities"
            )
            floor = (deferred("floor of a doubled softmax"), value, meaning)
        else:
            value = float(shares[1]) * floors.SIGMOID_TWICE_YES + float(shares[0]) * floors.SIGMOID_TWICE_NO
            meaning = say("the least that a loss taking logits can answer when it is given probabilities")
            floor = (deferred("floor of a doubled sigmoid"), value, meaning)
        return known[0], prior, [uniform, known, floor]

    def _regression_references(self) -> tuple[str, float, list[tuple[str, float, str]]]:
        variance = float(self.target_moments.variance[0])
        (sample,) = self.target_sample.rows()
        spread = float(np.abs(sample - np.median(sample)).mean())
        return (
            deferred("mean of the targets"),
            variance,
            [
                (
                    deferred("mse_loss of the mean"),
                    variance,
                    say("always answering the mean of the targets (their variance)"),
                ),
                (deferred("l1_loss of the median"), spread, say("always answering the median of the targets")),
            ],
        )

    def _reading(self, loss: float, skill: float) -> str:
        if self.u.task == "regression":
            return say(
                "The root of the mean squared error is {rmse:.4g}; R² is {skill:.3f}.", rmse=sqrt(loss), skill=skill
            )
        if loss >= 700:
            return say(
                "{nats:.4g} nats are {bits:.4g} bits; skill {skill:.1%}.", nats=loss, bits=loss / log(2), skill=skill
            )
        return say(
            "{nats:.4g} nats are {bits:.4g} bits; perplexity {perplexity:.4g}, skill {skill:.1%}.",
            nats=loss,
            bits=loss / log(2),
            perplexity=exp(loss),
            skill=skill,
        )

    def _findings(self, main: str, mean: Mean, null_name: str, null: float) -> list[Finding]:
        low, high = mean.interval
        if mean.infinite:
            values = {
                "loss": main,
                "infinite": mean.infinite,
                "n": mean.n + mean.infinite,
                "units": self.u.plural,
            }
            explained = self.resolution.explains(mean.infinite)
            text = say(
                "{loss} is infinite: {infinite:,} of {n:,} {units} give their target the probability 0", **values
            )
            if explained:
                text = say(
                    "{loss} is infinite: {infinite:,} of {n:,} {units} give their target the probability 0, as "
                    "probabilities rounded to {digits} digits do",
                    **values,
                    digits=self.resolution.digits,
                )
            rest = say("no other is left.")
            if mean.n:
                rest = say("the mean of the others is {mean:.4g}.", mean=mean.finite_mean)
            fix = say("save logits rather than probabilities, in float32")
            return [Finding("note" if explained else "error", join("; ", [text, rest]), fix)]
        score = say("{loss} is {mean:.4g}", loss=main, mean=mean.mean)
        if low == low:
            score = say(
                "{loss} is {mean:.4g} (95 % interval {low:.4g} to {high:.4g})",
                loss=main,
                mean=mean.mean,
                low=low,
                high=high,
            )
        constant = say("always answering the {null_name} would score {null:.4g}.", null_name=say(null_name), null=null)
        findings = [Finding("note", join("; ", [score, constant]))]
        if self.u.task == "soft" and low > null:
            text = say("The predictions are worse than always answering the {null_name}.", null_name=say(null_name))
            fix = say("check that predictions and targets belong to the same samples, in the same order")
            findings.append(Finding("warning", text, fix))
        return findings


def _losses(chunk: Chunk) -> dict[str, Described]:
    """Unreduced losses by name; the one that the task is trained with comes first."""
    if chunk.task == "regression":
        return _regression_losses(chunk)
    wrong = (chunk.predicted != chunk.label).astype(np.float64)
    errors = {deferred("error rate"): (wrong, deferred("share of wrong predictions"))}
    if chunk.task in ("binary", "multilabel"):
        name = "binary_cross_entropy" if chunk.kind == "probs" else "binary_cross_entropy_with_logits"
        brier = F.mse_loss(chunk.probs[:, 1], chunk.target, reduction="none")
        return {
            name: (chunk.loss, deferred("of the probability of yes")),
            "mse_loss (Brier)": (brier, deferred("squared error of the probability of yes")),
            **errors,
        }
    if chunk.task == "soft":
        divergence = F.kl_div(chunk.log_probs, chunk.target, reduction="none").sum(axis=1)
        return {
            "cross_entropy": (chunk.loss, deferred("with the target distributions")),
            "kl_div (batchmean)": (divergence, deferred("what is left without the entropy of the targets")),
            "error rate": (wrong, deferred("how often the likeliest classes differ")),
        }
    nll = F.nll_loss(chunk.log_probs, chunk.target, reduction="none")
    smooth = 0.9 * chunk.loss - 0.1 * chunk.log_probs.mean(axis=1)
    brier = np.sum(chunk.probs**2, axis=1) - 2 * np.exp(chunk.log_prob_of_label) + 1
    return {
        "cross_entropy": (chunk.loss, deferred("−log p(target)")),
        "nll_loss": (nll, deferred("of log_softmax: the same number, another way")),
        "cross_entropy, label_smoothing=0.1": (
            smooth,
            deferred("with a tenth of each target spread over all classes"),
        ),
        deferred("Brier score"): (brier, deferred("squared distance of the probabilities from the one-hot target")),
        **errors,
    }


def _regression_losses(chunk: Chunk) -> dict[str, Described]:
    size = np.abs(chunk.residual)
    within = np.minimum(size, 1)
    huber = within * (size - within / 2)
    return {
        "mse_loss": (chunk.loss, deferred("squared error")),
        "l1_loss": (size, deferred("absolute error")),
        "smooth_l1_loss": (huber, "beta = 1"),
        "huber_loss": (huber, "delta = 1"),
    }


def _row_entropy(rows: np.ndarray) -> np.ndarray:
    return -np.sum(rows * np.log(np.where(rows > 0, rows, 1.0)), axis=1)


def _method(mean: Mean) -> str:
    if mean.samples < mean.n:
        return say(
            "Interval: mean ± 1.96 standard errors over {n:,} samples of several values each, which may depend on each "
            "other (Liang & Zeger 1986); with at most 200 samples, or one that holds over 5 % of the total, a "
            "bootstrap over samples (1,000 resamples, seeded).",
            n=mean.samples,
        )
    return say(
        "Interval: mean ± 1.96 standard errors over samples (Liang & Zeger 1986); with at most 200 samples, or one "
        "that holds over 5 % of the total, a bootstrap over samples (1,000 resamples, seeded)."
    )
