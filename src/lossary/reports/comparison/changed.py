"""Targets whose loss changed most, and decisions that flipped."""

from __future__ import annotations

import numpy as np

from lossary.reports.comparison.pair import Pair
from lossary.reports.comparison.part import Part, decides, is_clustered
from lossary.reports.result import Cell, Column, Finding, Result, Table
from lossary.reports.understand import Understanding
from lossary.reports.unit_names import answer, names_of
from lossary.translations import say

SHOWN = 15
SCORES = (
    Column("sample"),
    Column("B is lower by", "#.3g"),
    Column("target"),
    Column("A says"),
    Column("B says"),
    Column("p(target) of A", "#.3g"),
    Column("p(target) of B", "#.3g"),
)
VALUES = (
    Column("sample"),
    Column("B is lower by", "#.3g"),
    Column("target", ".5g"),
    Column("A says", ".5g"),
    Column("B says", ".5g"),
)
TOKENS = (
    Column("record and token"),
    Column("B is lower by", "#.3g"),
    Column("p(token) of A", "#.3g"),
    Column("p(token) of B", "#.3g"),
)
COUNTS = (Column("decisions"), Column("B is right", ",d"), Column("B is wrong", ",d"))


class Top:
    """The units whose loss changed most, one way: `sign` 1 for those where B is better."""

    def __init__(self, u: Understanding, sign: int) -> None:
        self.u, self.sign = u, sign
        self.rows = np.zeros((7, 0))  # change, unit, target, A's and B's answers, A's and B's p(target)

    def add(self, pair: Pair, among: np.ndarray | None = None) -> None:
        change = np.nan_to_num(self.sign * pair.gain, nan=0.0, posinf=np.inf, neginf=-np.inf)
        candidates = np.flatnonzero(change > 0 if among is None else among & (change > 0))
        if candidates.size > SHOWN:
            candidates = candidates[np.argpartition(-change[candidates], SHOWN - 1)[:SHOWN]]
        new = np.stack([change[candidates], pair.a.unit[candidates], *self._details(pair, candidates)])
        self.rows = np.concatenate([self.rows, new], axis=1)
        self.rows = self.rows[:, np.lexsort((self.rows[1], -self.rows[0]))[:SHOWN]]

    def _details(self, pair: Pair, at: np.ndarray) -> list[np.ndarray]:
        a, b = pair.a, pair.b
        if self.u.task == "regression":
            nothing = np.zeros(at.size)
            return [a.target[at], a.scores[at], b.scores[at], nothing, nothing]
        probs = [
            np.exp(-chunk.loss[at] if self.u.task == "tokens" else chunk.log_prob_of_label[at]) for chunk in (a, b)
        ]
        if self.u.task == "tokens":
            return [pair.sample[at], *probs, *probs]
        return [a.label[at], a.predicted[at], b.predicted[at], *probs]

    def table(self, title: str) -> list[Table]:
        if not self.rows.size:
            return []
        columns = {"regression": VALUES, "tokens": TOKENS}.get(self.u.task, SCORES)
        names = names_of(self.u, self.rows[1].astype(np.int64))
        rows = [self._row(name, *row) for name, row in zip(names, self.rows.T.tolist(), strict=True)]
        return [Table(title, columns, rows)]

    def _row(self, name: str, change: float, unit: float, target: float, a: float, b: float, p_a: float, p_b: float
             ) -> tuple[Cell, ...]:  # fmt: skip
        change *= self.sign
        if self.u.task == "tokens":
            return f"{name}, {int(unit)}", change, p_a, p_b
        if self.u.task == "regression":
            return name, change, target, a, b
        return name, change, answer(self.u, target), answer(self.u, a), answer(self.u, b), p_a, p_b

    @property
    def units(self) -> list[int]:
        return [int(unit) for unit in self.rows[1]]


class Decisions(Part):
    id, title, needs = "decisions", "Decisions that flipped", "predictions that are right or wrong"

    def __init__(self, a: Understanding, b: Understanding, seed: int) -> None:
        super().__init__(a, b, seed)
        self.counts = np.zeros((2, 2), np.int64)  # A right or wrong, B right or wrong
        self.mended, self.broken = Top(a, 1), Top(a, -1)

    @classmethod
    def applies(cls, a: Understanding, b: Understanding) -> bool:
        return decides(a.task)

    def update(self, pair: Pair) -> None:
        wrong_a, wrong_b = (chunk.predicted != chunk.label for chunk in (pair.a, pair.b))
        self.counts += np.bincount(wrong_a * 2 + wrong_b, minlength=4).reshape(2, 2)
        self.mended.add(pair, wrong_a & ~wrong_b)
        self.broken.add(pair, ~wrong_a & wrong_b)

    def finish(self) -> Result:
        from scipy.stats import binomtest

        broken, mended = int(self.counts[0, 1]), int(self.counts[1, 0])
        known = {"mended": mended, "broken": broken}
        text = say("B mends {mended:,} of A's mistakes and makes {broken:,} of its own", **known)
        p = None
        if not is_clustered(self.a):
            p = float(binomtest(mended, mended + broken).pvalue) if mended + broken else 1.0
            text = say("{flips} (p = {p:.2g} if both were as often wrong).", flips=text, p=p)
        else:
            text = say("{flips}.", flips=text)
        rows = [(say("A is right"), *self.counts[0].tolist()), (say("A is wrong"), *self.counts[1].tolist())]
        return self.result(
            findings=[Finding("note", text)] if mended + broken else [],
            text=say("The difference of the error rates has its interval above.") if is_clustered(self.a) else "",
            tables=[
                Table(say("Decisions of both"), COUNTS, rows),
                *self.mended.table(say("Wrong to right, the largest changes of the loss")),
                *self.broken.table(say("Right to wrong, the largest changes of the loss")),
            ],
            values={
                "both_right": int(self.counts[0, 0]),
                "wrong_to_right": mended,
                "right_to_wrong": broken,
                "both_wrong": int(self.counts[1, 1]),
                "p": p,
            },
            method="" if is_clustered(self.a) else say("McNemar's test, exact (binomial): only flips tell."),
        )


class Changed(Part):
    id, title = "changed", "What changed most"

    def __init__(self, a: Understanding, b: Understanding, seed: int) -> None:
        super().__init__(a, b, seed)
        self.better, self.worse = Top(a, 1), Top(a, -1)

    def update(self, pair: Pair) -> None:
        self.better.add(pair)
        self.worse.add(pair)

    def finish(self) -> Result:
        return self.result(
            tables=[
                *self.better.table(say("Where B is better")),
                *self.worse.table(say("Where B is worse")),
            ],
            values={"better": self.better.units, "worse": self.worse.units},
        )
