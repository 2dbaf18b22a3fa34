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
        tables = [
            Table("Losses", LOSS_COLUMNS, [self._row(name) for name in self.means]),
            Table("Numbers to compare with", REFERENCE_COLUMNS, references),
        ]
        values = {name: {"mean": m.mean, "low": m.interval[0], "high": m.interval[1]} for name, m in self.means.items()}
        result = self.result(
            highlights=self._highlights(main, mean, skill),
            text=f"Means over {mean.n + mean.infinite:,} {self.u.unit}s. {self._reading(mean.mean, skill)}",
            tables=tables,
            findings=self._findings(main, mean, null_name, null),
            values={**values, "references": {name: value for name, value, _ in references}, "skill": skill},
            method=_method(mean),
        )
        if np.isfinite(mean.mean):
            bars = [(f"{main}, this file", mean.mean, True)]
            bars += [(name, value, False) for name, value, _ in references if not name.startswith("l1_loss")]
            result.figures.append(
                Figure(
                    "The loss and the numbers to compare it with",
                    "; ".join(f"{name}: {value:.4g}" for name, value, _ in bars),
                    partial(labelled_bars, rows=bars, unit=self._unit, interval=(low, high)),
                    height=0.55 + 0.52 * len(bars),
                )
            )
        return result

    def _highlights(self, main: str, mean: Mean, skill: float) -> list[tuple[str, str, str]]:
        low, high = mean.interval
        bounds = f"{low:.4g} to {high:.4g}, 95 % interval" if low == low else "no interval"
        regression = self.u.task == "regression"
        if regression:
            quality = ("R²", f"{skill:.3f}", "1 - MSE / variance of the targets")
            error = ("RMSE", f"{sqrt(mean.mean):.4g}", "in units of the target")
        else:
            lowest = "the entropy of the targets" if self.u.task == "soft" else "0"
            quality = ("skill", f"{skill:.1%}", f"of the way from the class frequencies to {lowest}")
            error = ("error rate", f"{self.means['error rate'].mean:.2%}", "share of wrong predictions")
        return [
            (main, f"{mean.mean:.4g}", bounds),
            quality,
            error,
            (f"{self.u.unit}s", f"{mean.n + mean.infinite:,}", f"{self.u.survey.ignored:,} ignored"),
        ]

    @property
    def _unit(self) -> str:
        return "squared units of the target" if self.u.task == "regression" else "nats"

    def _row(self, name: str) -> tuple[str | float, ...]:
        mean = self.means[name]
        return (name, mean.mean, *mean.interval, self.meaning[name])

    def _references(self) -> tuple[str, float, list[tuple[str, float, str]]]:
        """The name and loss of the model that knows only how often each target occurs, and all references."""
        if self.u.task == "regression":
            return self._regression_references()
        counted = self.class_mass.sum(axis=1)
        prior = (
            sum(entropy(row / max(1.0, n)) * n for row, n in zip(self.class_mass, counted, strict=True)) / counted.sum()
        )
        shares = self.class_mass.sum(axis=0) / counted.sum()
        uniform = (f"log {self.u.classes}", log(self.u.classes), "every class equally likely: an untrained model")
        of_what = "each label" if self.u.task == "multilabel" else "the classes"
        known = ("class frequencies", prior, f"always answering the shares of {of_what} in this file")
        if self.u.task == "soft":
            floor = ("entropy of the targets", self.target_entropy.mean, "the lowest that any prediction can reach")
        elif self.u.task == "classification":
            value = floors.softmax_twice(self.u.classes)
            meaning = "log(1 + (C-1)/e): the least that a loss taking logits can answer when it is given probabilities"
            floor = ("floor of a doubled softmax", value, meaning)
        else:
            value = float(shares[1]) * floors.SIGMOID_TWICE_YES + float(shares[0]) * floors.SIGMOID_TWICE_NO
            meaning = "the least that a loss taking logits can answer when it is given probabilities"
            floor = ("floor of a doubled sigmoid", value, meaning)
        return known[0], prior, [uniform, known, floor]

    def _regression_references(self) -> tuple[str, float, list[tuple[str, float, str]]]:
        variance = float(self.target_moments.variance[0])
        (sample,) = self.target_sample.rows()
        spread = float(np.abs(sample - np.median(sample)).mean())
        return (
            "mean of the targets",
            variance,
            [
                ("mse_loss of the mean", variance, "always answering the mean of the targets (their variance)"),
                ("l1_loss of the median", spread, "always answering the median of the targets"),
            ],
        )

    def _reading(self, loss: float, skill: float) -> str:
        if self.u.task == "regression":
            return f"The root of the mean squared error is {sqrt(loss):.4g}; R² is {skill:.3f}."
        perplexity = f"perplexity {exp(loss):.4g}, " if loss < 700 else ""
        return f"{loss:.4g} nats are {loss / log(2):.4g} bits; {perplexity}skill {skill:.1%}."

    def _findings(self, main: str, mean: Mean, null_name: str, null: float) -> list[Finding]:
        low, high = mean.interval
        if mean.infinite:
            count = f"{mean.infinite:,} of {mean.n + mean.infinite:,} {self.u.unit}s"
            text = f"{main} is infinite: {count} give their target the probability 0"
            fix = "save logits rather than probabilities, in float32"
            rest = f"the mean of the others is {mean.finite_mean:.4g}." if mean.n else "no other is left."
            if self.resolution.explains(mean.infinite):
                rounded = f", as probabilities rounded to {self.resolution.digits} digits do"
                return [Finding("note", f"{text}{rounded}; {rest}", fix)]
            return [Finding("error", f"{text}; {rest}", fix)]
        interval = f" (95 % interval {low:.4g} to {high:.4g})" if low == low else ""
        findings = [
            Finding(
                "note", f"{main} is {mean.mean:.4g}{interval}; always answering the {null_name} would score {null:.4g}."
            )
        ]
        if self.u.task == "soft" and low > null:
            text = f"The predictions are worse than always answering the {null_name}."
            fix = "check that predictions and targets belong to the same samples, in the same order"
            findings.append(Finding("warning", text, fix))
        return findings


def _losses(chunk: Chunk) -> dict[str, Described]:
    """Unreduced losses by name; the one that the task is trained with comes first."""
    if chunk.task == "regression":
        return _regression_losses(chunk)
    wrong = (chunk.predicted != chunk.label).astype(np.float64)
    errors = {"error rate": (wrong, "share of wrong predictions")}
    if chunk.task in ("binary", "multilabel"):
        name = "binary_cross_entropy" if chunk.kind == "probs" else "binary_cross_entropy_with_logits"
        brier = F.mse_loss(chunk.probs[:, 1], chunk.target, reduction="none")
        return {
            name: (chunk.loss, "of the probability of yes"),
            "mse_loss (Brier)": (brier, "squared error of the probability of yes"),
            **errors,
        }
    if chunk.task == "soft":
        divergence = F.kl_div(chunk.log_probs, chunk.target, reduction="none").sum(axis=1)
        return {
            "cross_entropy": (chunk.loss, "with the target distributions"),
            "kl_div (batchmean)": (divergence, "what is left without the entropy of the targets"),
            "error rate": (wrong, "how often the likeliest classes differ"),
        }
    nll = F.nll_loss(chunk.log_probs, chunk.target, reduction="none")
    smooth = 0.9 * chunk.loss - 0.1 * chunk.log_probs.mean(axis=1)
    brier = np.sum(chunk.probs**2, axis=1) - 2 * np.exp(chunk.log_prob_of_label) + 1
    return {
        "cross_entropy": (chunk.loss, "−log p(target)"),
        "nll_loss": (nll, "of log_softmax: the same number, another way"),
        "cross_entropy, label_smoothing=0.1": (smooth, "with a tenth of each target spread over all classes"),
        "Brier score": (brier, "squared distance of the probabilities from the one-hot target"),
        **errors,
    }


def _regression_losses(chunk: Chunk) -> dict[str, Described]:
    size = np.abs(chunk.residual)
    within = np.minimum(size, 1)
    huber = within * (size - within / 2)
    return {
        "mse_loss": (chunk.loss, "squared error"),
        "l1_loss": (size, "absolute error"),
        "smooth_l1_loss": (huber, "beta = 1"),
        "huber_loss": (huber, "delta = 1"),
    }


def _row_entropy(rows: np.ndarray) -> np.ndarray:
    return -np.sum(rows * np.log(np.where(rows > 0, rows, 1.0)), axis=1)


def _method(mean: Mean) -> str:
    dependent = mean.samples < mean.n
    counted = (
        f"{mean.samples:,} samples of several values each, which may depend on each other" if dependent else "samples"
    )
    return (
        f"Interval: mean ± 1.96 standard errors over {counted} (Liang & Zeger 1986); with at most 200 samples, or one "
        "that holds over 5 % of the total, a bootstrap over samples (1,000 resamples, seeded)."
    )
