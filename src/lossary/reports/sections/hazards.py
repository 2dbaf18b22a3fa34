"""What formulas written out by hand would have answered on this data in float32 and float16."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf, log
from typing import TYPE_CHECKING

import numpy as np

from lossary.reports.chunk import Chunk
from lossary.reports.palette import ACCENT, WARM
from lossary.reports.result import Column, Figure, Finding, Result, Table
from lossary.reports.sections.base import Section
from lossary.reports.sections.drawing import log_axes
from lossary.reports.understand import Understanding
from lossary.translations import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DTYPES = (np.float32, np.float16)
UNDERFLOW = {"float16": 24 * log(2), "float32": 149 * log(2)}  # -log of the smallest number above 0
EDGES = np.geomspace(1e-4, 1e3, 57)  # eight for each factor of 10
COLUMNS = (
    Column("written out as"),
    Column("in"),
    Column("inf or NaN", ",d"),
    Column("0 although it is not", ",d"),
    Column("largest error of the rest", ".2g"),
)

Naive = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Hazards(Section):
    id, title, needs = "hazards", "Numerical hazards", "classes"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        self.units, self.largest_score = 0, 0.0
        self.lost: dict[tuple[str, str], np.ndarray] = {}  # counts of not finite, of wrongly 0; largest error
        self.sum_half = np.float16(0)
        self.finite_sum, self.finite = 0.0, 0
        self.histogram = np.zeros(EDGES.size + 1)

    @classmethod
    def applies(cls, understanding: Understanding) -> bool:
        return understanding.task in ("classification", "binary", "multilabel")

    def update(self, chunk: Chunk) -> None:
        exact = -chunk.log_prob_of_label
        self.units += exact.size
        self.largest_score = max(
            self.largest_score, float(np.abs(chunk.scores[np.isfinite(chunk.scores)]).max(initial=0))
        )
        self.histogram += np.bincount(_places(exact), minlength=EDGES.size + 1)
        finite = np.isfinite(exact)
        self.finite_sum, self.finite = self.finite_sum + float(exact[finite].sum()), self.finite + int(finite.sum())
        with np.errstate(all="ignore"):
            scores = {dtype: chunk.scores.astype(dtype, order="C") for dtype in DTYPES}
            for name, formula in _formulas(chunk).items():
                for dtype in DTYPES:
                    answer = formula(scores[dtype], chunk.label)
                    lost = self.lost.setdefault((name, dtype.__name__), np.zeros(3))
                    _compare(lost, answer.astype(np.float64), exact, float(np.finfo(dtype).tiny))
            terms = np.concatenate([[self.sum_half], exact[finite].astype(np.float16)])
            self.sum_half = np.add.accumulate(terms, dtype=np.float16)[-1]

    def finish(self) -> Result:
        rows = [(name, dtype, int(bad), int(zero), error) for (name, dtype), (bad, zero, error) in self.lost.items()]
        with np.errstate(all="ignore"):
            mean_half = float(self.sum_half / np.float16(self.finite))
        mean = self.finite_sum / max(1, self.finite)
        text = say(
            "The largest |{score}| is {largest:.4g}. A mean of {n:,} losses with sum and count kept in float16 would "
            "be {half} instead of {mean:.4g}.",
            score="logit" if self.u.kind == "logits" else say("score"),
            largest=self.largest_score,
            n=self.finite,
            half=_number(mean_half),
            mean=mean,
        )
        figure = Figure(
            say("−log p(target), and where p(target) becomes 0 in each type"),
            say(
                "float16 loses p below exp(-{half:.4g}), float32 below exp(-{single:.4g}).",
                half=UNDERFLOW["float16"],
                single=UNDERFLOW["float32"],
            ),
            partial(_draw, histogram=self.histogram),
        )
        return self.result(
            text=text,
            findings=self._findings(rows),
            tables=[Table(say("Formulas written out by hand, against float64"), COLUMNS, rows)],
            figures=[figure] if self.histogram[1:-1].any() else [],
            values={
                f"{name} in {dtype}": {"not_finite": bad, "wrongly_zero": zero} for name, dtype, bad, zero, _ in rows
            }
            | {"largest_score": self.largest_score, "mean_in_float16": mean_half},
            method=say(
                "Lossary's losses work on logits, by logsumexp and softplus, and accumulate in float32 or wider."
            ),
        )

    def _findings(self, rows: list[tuple[str, str, int, int, float]]) -> list[Finding]:
        bites = [row for row in rows if row[1] == "float32" or self.u.input.predictions.dtype == np.float16]
        name, dtype, lost, _, _ = max(bites, key=lambda row: (row[2], row[1]))
        if not lost or self.u.kind == "probs":
            return []
        text = say(
            "Written out as `{formula}` in {dtype}, the loss would be inf or NaN for {lost:,} of {n:,} {units}.",
            formula=name,
            dtype=dtype,
            lost=lost,
            n=self.units,
            units=self.u.plural,
        )
        return [Finding("note", text, say("pass logits to cross_entropy or binary_cross_entropy_with_logits"))]


def _formulas(chunk: Chunk) -> dict[str, Naive]:
    if chunk.kind == "probs":
        return {"−log(p)": _of_yes_or_no if chunk.scores.ndim == 1 else _of_label}
    if chunk.scores.ndim == 1:
        return {"−log(sigmoid(x)), −log(1 − sigmoid(x))": lambda x, y: _of_yes_or_no(1 / (1 + np.exp(-x)), y)}
    largest = chunk.scores.max(axis=1, keepdims=True)
    return {
        "−log(softmax(x))": lambda x, y: _of_softmax(x - largest.astype(x.dtype), y),
        "−log(exp(x) / sum(exp(x)))": _of_softmax,
    }


def _places(exact: np.ndarray) -> np.ndarray:
    """Which edge is the first that is not below."""
    with np.errstate(divide="ignore"):
        return np.clip(np.ceil(8 * (np.log10(exact) + 4)), 0, EDGES.size).astype(np.int64)


def _of_softmax(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    exponentials = np.exp(x)
    return -np.log(exponentials[np.arange(y.size), y] / exponentials.sum(axis=1))


def _of_label(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    return -np.log(p[np.arange(y.size), y])


def _of_yes_or_no(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    return -np.log(np.where(y > 0, p, 1 - p))


def _compare(lost: np.ndarray, answer: np.ndarray, exact: np.ndarray, tiny: float) -> None:
    wanted, given = np.isfinite(exact), np.isfinite(answer)
    lost[0] += np.sum(wanted & ~given)
    lost[1] += np.sum((answer == 0) & (exact > tiny))
    lost[2] = max(lost[2], np.abs(answer - exact)[wanted & given].max(initial=0.0))


def _number(value: float) -> str:
    return "NaN" if value != value else "inf" if value == inf else f"{value:.4g}"


def _draw(ax: Axes, histogram: np.ndarray) -> None:
    ax.bar(EDGES[:-1], histogram[1:-1], np.diff(EDGES), align="edge", color=ACCENT)
    log_axes(ax)
    top = max(10.0, histogram[1:-1].max())
    ax.set_xlim(EDGES[0], EDGES[-1] * 3)
    ax.set_ylim(0.7, top**1.15)
    for name, limit in UNDERFLOW.items():
        right = name == "float32"
        ax.axvline(limit, color=WARM, linewidth=1)
        text = say("0 in {dtype}", dtype=name)
        ax.text(limit * (1.1 if right else 0.9), top**1.12, text, ha="left" if right else "right", va="top")
    ax.set_xlabel(say("−log p(target), nats"))
    ax.set_ylabel(say("count"))
