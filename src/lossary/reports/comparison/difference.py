"""The difference of the mean loss, its interval, and how often B has the lower loss."""

from __future__ import annotations

import numpy as np

from lossary import functional as F
from lossary.reports.accumulate import Difference, Mean
from lossary.reports.chunk import Chunk
from lossary.reports.comparison.pair import Pair
from lossary.reports.comparison.part import Part, decides, nats
from lossary.reports.result import Column, Finding, Result, Table
from lossary.reports.understand import Understanding
from lossary.translations import say

COLUMNS = (
    Column("loss"),
    Column("A", "#.4g"),
    Column("B", "#.4g"),
    Column("B is lower by", "#.3g"),
    Column("95 % from", "#.3g"),
    Column("to", "#.3g"),
    Column("sure that B is better"),
)
NAMES = {"regression": "mse_loss", "tokens": "nll_loss", "binary": "binary_cross_entropy",
         "multilabel": "binary_cross_entropy"}  # fmt: skip
BY_CHANCE = 0.05


class Compared:
    """Means of A and of B over the same values, and of their differences."""

    def __init__(self, seed: int) -> None:
        self.a, self.b, self.gain = Mean(seed), Mean(seed), Difference(seed)

    def add(self, a: np.ndarray, b: np.ndarray, sample: np.ndarray) -> None:
        finite = np.isfinite(a) & np.isfinite(b)
        a, b, sample = a[finite], b[finite], sample[finite]
        self.a.add(a, sample)
        self.b.add(b, sample)
        self.gain.add(a - b, sample)

    def row(self, name: str) -> tuple[str | float, ...]:
        gain = self.gain
        return (name, self.a.mean, self.b.mean, gain.mean, *gain.interval, _share(gain.sureness))

    def values(self) -> dict[str, float]:
        gain, (low, high) = self.gain, self.gain.interval
        return {
            "a": self.a.mean,
            "b": self.b.mean,
            "difference": gain.mean,
            "low": low,
            "high": high,
            "sure": gain.sureness,
            "detectable": gain.detectable,
        }


class MeanDifference(Part):
    id, title = "difference", "Which is better"

    def __init__(self, a: Understanding, b: Understanding, seed: int) -> None:
        super().__init__(a, b, seed)
        self.main, self.others = Compared(seed), dict[str, Compared]()
        self.wins, self.ties = Mean(seed), 0
        self.infinite = np.zeros(3, np.int64)  # in A alone, in B alone, in both

    def update(self, pair: Pair) -> None:
        a, b = pair.a.loss, pair.b.loss
        self.main.add(a, b, pair.sample)
        self.wins.add((b < a) + (b == a) / 2, pair.sample)
        self.ties += int(np.sum(a == b))
        without = np.isinf(a), np.isinf(b)
        self.infinite += [
            np.sum(without[0] & ~without[1]),
            np.sum(without[1] & ~without[0]),
            np.sum(without[0] & without[1]),
        ]
        for name, (of_a, of_b) in _others(pair).items():
            self.others.setdefault(name, Compared(self.seed)).add(of_a, of_b, pair.sample)

    def finish(self) -> Result:
        gain, units = self.main.gain, nats(self.a)
        name = NAMES.get(self.a.task, "cross_entropy")
        win, tie = self.wins.mean, self.ties / max(1, self.wins.n)
        highlights = [
            (say("B is lower by"), f"{gain.mean:.3g}".replace("-", "\u2212"), units),
            (say("sure that B is better"), _share(gain.sureness), say("of both being as good: 50 %")),
            (say("B wins"), f"{win:.1%}", say("of {n:,}; {ties:.1%} ties, which count half", n=self.wins.n, ties=tie)),
        ]
        rows = [self.main.row(name), *(of.row(say(other)) for other, of in self.others.items())]
        return self.result(
            text=self.sentence,
            findings=self._findings(),
            highlights=highlights,
            tables=[Table(say("Losses of the same targets"), COLUMNS, rows)],
            values={
                **self.main.values(),
                "losses": {name: self.main.values(), **{other: of.values() for other, of in self.others.items()}},
                "win_rate": win,
                "win_rate_interval": list(self.wins.interval),
                "ties": self.ties,
                "infinite": dict(zip(("a", "b", "both"), self.infinite.tolist(), strict=True)),
            },
            method=say(
                "Differences are taken target by target, and their interval is over samples: percentiles of a "
                "bootstrap (1,000 resamples, seeded) up to 10,000 samples, mean ± 1.96 standard errors (Liang & Zeger "
                "1986) beyond. How sure: the share of the resampled means above 0, or the normal probability."
            ),
        )

    @property
    def sentence(self) -> str:
        gain, units = self.main.gain, nats(self.a)
        low, high = gain.interval
        if gain.samples < 2:
            return say("Too few targets to compare: {n:,} have a finite loss in both", n=gain.n)
        if low == high == 0:
            return say("A and B have the same loss for each of {n:,} targets", n=gain.n)
        known = {"size": abs(gain.mean), "units": units}
        if gain.sign > 0:
            return say("B is better than A by {size:.3g} {units} (95 % interval {low:.3g} to {high:.3g})", **known,
                       low=low, high=high)  # fmt: skip
        if gain.sign < 0:
            return say("B is worse than A by {size:.3g} {units} (95 % interval {low:.3g} to {high:.3g})", **known,
                       low=-high, high=-low)  # fmt: skip
        return say(
            "No evidence that one is better: B's mean loss is lower by {mean:.3g} {units} (95 % interval {low:.3g} to "
            "{high:.3g}); of differences from {least:.2g} on, a file like this shows 4 of 5",
            mean=gain.mean,
            units=units,
            low=low,
            high=high,
            least=gain.detectable,
        )

    def _findings(self) -> list[Finding]:
        from scipy.stats import binomtest

        gain = self.main.gain
        findings = []
        if gain.sign < 0:
            text = say("B is worse than A, beyond what chance explains.")
            findings.append(Finding("warning", text, say("keep A, or see below where B loses")))
        only_a, only_b, both = (int(n) for n in self.infinite)
        if only_a + only_b + both:
            text = say(
                "A is infinitely wrong (probability 0 for the target) {a:,} times, B {b:,} times, {both:,} of them "
                "the same: these do not count in the difference.",
                a=only_a + both,
                b=only_b + both,
                both=both,
            )
            discordant = only_a + only_b
            p = binomtest(only_b, discordant).pvalue if discordant else 1.0
            severity = "warning" if only_b > only_a and p < BY_CHANCE else "note"
            findings.append(Finding(severity, text, say("save logits rather than probabilities, in float32")))
        return findings


def _others(pair: Pair) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What is compared beside the loss of the task."""
    if pair.a.task == "regression":
        return {"l1_loss": (_absolute(pair.a), _absolute(pair.b))}
    if decides(pair.a.task):
        return {"error rate": (_wrong(pair.a), _wrong(pair.b))}
    return {}


def _absolute(chunk: Chunk) -> np.ndarray:
    return F.l1_loss(chunk.scores, chunk.target, reduction="none")


def _wrong(chunk: Chunk) -> np.ndarray:
    return (chunk.predicted != chunk.label).astype(np.float64)


def _share(p: float) -> str:
    if p != p:
        return "–"
    if p > 0.999:
        return "> 99.9 %"
    return "< 0.1 %" if p < 0.001 else f"{p:.1%}"
