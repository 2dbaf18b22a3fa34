"""Soft targets: cross-entropy = entropy of the targets + relative entropy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lossary import functional as F
from lossary.reports.accumulate import Mean
from lossary.reports.chunk import Chunk
from lossary.reports.palette import ACCENT, INK, WASH
from lossary.reports.result import Column, Figure, Finding, Result, Table
from lossary.reports.sections.base import Section
from lossary.reports.understand import Understanding
from lossary.translations import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = (
    Column("part"),
    Column("mean", "#.4g"),
    Column("95 % from", "#.4g"),
    Column("to", "#.4g"),
    Column("gradient with respect to the logits"),
)


class Decomposition(Section):
    id, title = "decomposition", "Cross-entropy = entropy + relative entropy"
    needs = "soft targets; of a hard target the entropy is 0 and the two are the same"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        self.cross_entropy, self.entropy, self.divergence = Mean(seed), Mean(seed), Mean(seed)
        self.largest_gap = 0.0

    @classmethod
    def applies(cls, understanding: Understanding) -> bool:
        return understanding.task == "soft"

    def update(self, chunk: Chunk) -> None:
        target = chunk.target
        entropy = -np.sum(target * np.log(np.where(target > 0, target, 1.0)), axis=1)
        divergence = F.kl_div(chunk.log_probs, target, reduction="none").sum(axis=1)
        self.cross_entropy.add(chunk.loss, chunk.sample)
        self.entropy.add(entropy, chunk.sample)
        self.divergence.add(divergence, chunk.sample)
        finite = np.isfinite(chunk.loss)
        gap = np.abs(chunk.loss[finite] - entropy[finite] - divergence[finite])
        self.largest_gap = max(self.largest_gap, float(gap.max(initial=0.0)))

    def finish(self) -> Result:
        total, floor, rest = self.cross_entropy.mean, self.entropy.mean, self.divergence.mean
        parts = (
            (say("cross-entropy"), self.cross_entropy, say("softmax(logits) - target")),
            (say("entropy of the targets"), self.entropy, say("none: no prediction changes it")),
            (
                say("relative entropy (KL)"),
                self.divergence,
                say("softmax(logits) - target, the same as cross-entropy"),
            ),
        )
        text = say(
            "Of {total:.4g} nats, {floor:.4g} ({share:.1%}) are the entropy of the targets: no prediction removes it.",
            total=total,
            floor=floor,
            share=floor / total if total else float("nan"),
        )
        rows = [(name, mean.mean, *mean.interval, gradient) for name, mean, gradient in parts]
        result = self.result(
            text=say(
                "For each sample, cross-entropy(p, q) = H(p) + KL(p‖q): what the targets leave open, and what the "
                "model gets wrong. "
                "The largest difference between the two sides in this file is {gap:.2g} nats.",
                gap=self.largest_gap,
            ),
            findings=[Finding("note", text)] if np.isfinite(total) else [],
            tables=[Table(say("Parts"), COLUMNS, rows)],
            values={"cross_entropy": total, "entropy": floor, "kl": rest, "largest_gap": self.largest_gap},
        )
        if np.isfinite(total):
            draw = partial(_draw, entropy=floor, divergence=rest)
            result.figures.append(Figure(say("The two parts of the cross-entropy"), text, draw, height=1.5))
        return result


def _draw(ax: Axes, entropy: float, divergence: float) -> None:
    ax.barh(0, entropy, color=WASH, height=0.4)
    ax.barh(0, divergence, left=entropy, color=ACCENT, height=0.4)
    ax.text(0, 0.26, say("entropy {x:.4g}", x=entropy), color=INK, va="bottom")
    ax.text(entropy + divergence, -0.26, f"KL {divergence:.4g}", color=INK, va="top", ha="right")
    ax.set_ylim(-0.5, 0.5)
    ax.set_xlim(0, (entropy + divergence) * 1.02)
    ax.set_yticks([])
    ax.set_xlabel(say("nats"))
