"""Regression: the residuals, and which noise model fits them."""

from __future__ import annotations

import numpy as np

from lossary.reports.accumulate import GroupMeans, Reservoir, histogram
from lossary.reports.causes.counts import counts
from lossary.reports.causes.values import correlation
from lossary.reports.chunk import Chunk
from lossary.reports.result import Column, Finding, Result, Table
from lossary.reports.sections.base import Section
from lossary.reports.sections.noise import Fit, fit_all, preference
from lossary.reports.sections.residual_figures import figures
from lossary.reports.understand import Understanding
from lossary.translations import deferred, join, say

SAMPLE = 200_000
SMALLEST = 100  # residuals; fewer do not tell noise models apart
SUMMARY_COLUMNS = (Column("of the residuals (prediction - target)"), Column("value", ".4g"))
NOISE_COLUMNS = (
    Column("noise model"),
    Column("loss that assumes it"),
    Column("location", ".4g"),
    Column("scale", ".4g"),
    Column("log-likelihood per value", ".4f"),
    Column("behind the best", ".4f"),
    Column("z", ".1f"),
)


class Residuals(Section):
    id, title, needs = "residuals", "Residuals and their noise model", "real-valued targets"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        self.moments = GroupMeans(1)
        self.largest = 0.0
        self.sample = Reservoir(SAMPLE, seed)

    @classmethod
    def applies(cls, understanding: Understanding) -> bool:
        return understanding.task == "regression"

    def update(self, chunk: Chunk) -> None:
        residual = chunk.residual
        self.moments.add(residual, np.zeros(residual.size, np.int64))
        self.largest = max(self.largest, float(np.abs(residual).max()))
        self.sample.add(residual, chunk.scores, chunk.target)

    def finish(self) -> Result:
        residual, predicted, target = self.sample.rows()
        summary = self._summary(residual)
        seen = self.sample.seen
        text = say("Quantiles and noise models are those of all {n:,} residuals.", n=seen)
        if not self.sample.is_everything:
            text = say(
                "Quantiles and noise models are those of {drawn:,} drawn from {n:,} residuals.",
                drawn=residual.size,
                n=seen,
            )
        result = self.result(
            text=text,
            tables=[Table(say("Summary"), SUMMARY_COLUMNS, [(say(name), value) for name, value in summary.items()])],
            values={**summary, "histogram": histogram("residual", residual)},
            method=say(
                "Location and scale of each model by maximum likelihood (Huber 1964, with k = 1.345); compared by "
                "log-likelihood per residual, z after Vuong 1989. The residuals come from a model that was trained "
                "with some loss: this is the noise model of these residuals, not proof of the best loss."
            ),
        )
        fits = fit_all(residual) if residual.size >= SMALLEST else []
        if fits:
            result.tables.append(Table(say("Noise models, the best first"), NOISE_COLUMNS, self._noise_rows(fits)))
            if counts(predicted, target, correlation(predicted, target) > 0) is None:
                result.findings = self._findings(fits)
            result.values |= {"noise_model": fits[0].name, "fits": {fit.name: fit.mean for fit in fits}}
        else:
            more = say("Noise models need {n} residuals that are not all alike.", n=SMALLEST)
            result.text = join(" ", [result.text, more])
        result.figures = figures(residual, predicted, target, fits)
        return result

    def _summary(self, residual: np.ndarray) -> dict[str, float]:
        mean, deviation = float(self.moments.mean[0]), float(np.sqrt(self.moments.variance[0]))
        standard = (residual - mean) / deviation if deviation else np.zeros(1)
        median = float(np.median(residual))
        mad = float(np.median(np.abs(residual - median)))
        quantiles = np.quantile(residual, [0.05, 0.25, 0.75, 0.95])
        return {
            deferred("mean (bias)"): mean,
            deferred("standard deviation"): deviation,
            deferred("median"): median,
            deferred("5 % quantile"): float(quantiles[0]),
            deferred("25 % quantile"): float(quantiles[1]),
            deferred("75 % quantile"): float(quantiles[2]),
            deferred("95 % quantile"): float(quantiles[3]),
            deferred("largest |residual|"): self.largest,
            deferred("skewness"): float(np.mean(standard**3)),
            deferred("excess kurtosis"): float(np.mean(standard**4) - 3) if deviation else 0.0,
            deferred("delta for huber_loss (1.345 x 1.4826 x MAD)"): 1.345 * 1.4826 * mad,
        }

    def _noise_rows(self, fits: list[Fit]) -> list[tuple[str | float, ...]]:
        best = fits[0]
        return [
            (say(fit.name), fit.loss, fit.location, fit.scale, fit.mean, best.mean - fit.mean, preference(best, fit))
            for fit in fits
        ]

    def _findings(self, fits: list[Fit]) -> list[Finding]:
        best, second = fits[0], fits[1]
        z, lead = preference(best, second), best.mean - second.mean
        if z < 3:
            text = say(
                "The residuals fit {best} and {second} noise about equally well (z = {z:.1f}).",
                best=say(best.name),
                second=say(second.name),
                z=z,
            )
        else:
            text = say(
                "{best} noise, which {loss} assumes, fits these residuals best, {lead:.3g} nats a value ahead of "
                "{second}.",
                best=say(best.name),
                loss=best.loss,
                lead=lead,
                second=say(second.name),
            )
        return [Finding("note", text)]
