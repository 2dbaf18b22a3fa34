"""A part of the input as the sections see it: losses, distributions and targets of some units, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lossary import functional as F
from lossary.reports.frame import Block
from lossary.reports.understand import Kind, Task, Understanding

RECORDED_AT_ONCE = 2**16


@dataclass(frozen=True)
class Chunk:
    """`n` consecutive units. A unit is what has one loss: a row of class scores, or a single score or value.

    scores (n, C) or (n,), as saved · target (n,) class index, (n, C) distribution, or (n,) number
    unit (n,) place among all targets of the file · sample (n,) place along its first axis
    """

    task: Task
    kind: Kind
    scores: np.ndarray
    target: np.ndarray
    unit: np.ndarray
    sample: np.ndarray

    @cached_property
    def logits(self) -> np.ndarray:
        """(n, C): scores whose softmax is the prediction; for one score per unit, those of (no, yes)."""
        with np.errstate(divide="ignore"):
            if self.scores.ndim == 1 and self.kind == "probs":
                return np.log(np.stack([1 - self.scores, self.scores])).T
            if self.scores.ndim == 1:
                return np.stack([np.zeros_like(self.scores), self.scores]).T
            return np.log(self.scores) if self.kind == "probs" else self.scores

    @cached_property
    def log_probs(self) -> np.ndarray:
        """(n, C): log_softmax of the logits."""
        shifted = self.logits - self.logits.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    @cached_property
    def probs(self) -> np.ndarray:
        return np.exp(self.log_probs)

    @cached_property
    def label(self) -> np.ndarray:
        """(n,): the class index of the target; of a distribution, its mode."""
        return self.target.argmax(axis=1) if self.target.ndim == 2 else self.target.astype(np.int64)

    @cached_property
    def predicted(self) -> np.ndarray:
        if self.scores.ndim == 1:  # argmax of two takes long
            return (self.logits[:, 1] > self.logits[:, 0]).astype(np.int64)
        return self.logits.argmax(axis=1)

    @cached_property
    def log_prob_of_label(self) -> np.ndarray:
        return np.take_along_axis(self.log_probs, self.label[:, None], axis=1)[:, 0]

    @cached_property
    def surprise(self) -> np.ndarray:
        """(n, C): -log p, and 0 where p is 0, for means under the prediction."""
        return -np.where(self.probs > 0, self.log_probs, 0.0)

    @cached_property
    def entropy(self) -> np.ndarray:
        """(n,): entropy of the prediction, with 0 log 0 = 0."""
        return np.sum(self.probs * self.surprise, axis=1)

    @cached_property
    def confidence(self) -> np.ndarray:
        """(n,): the probability of the predicted class."""
        return self.probs.max(axis=1)

    @cached_property
    def log_odds(self) -> np.ndarray:
        """(n, C): log p / (1 - p)"""
        return log_odds(self.probs)

    @cached_property
    def confidence_log_odds(self) -> np.ndarray:
        """(n,): that of the predicted class."""
        return self.log_odds.max(axis=1) if self.scores.ndim == 1 else log_odds(self.confidence)

    @cached_property
    def residual(self) -> np.ndarray:
        """(n,): prediction - target, of real values."""
        return self.scores - self.target

    @cached_property
    def loss(self) -> np.ndarray:
        """(n,): the loss that the task is trained with, unreduced."""
        if self.task in ("tokens", "recorded"):
            return -self.scores
        if self.task == "regression":
            return self.residual**2
        if self.task == "classification" or (self.scores.ndim == 1 and self.kind == "probs"):
            return -self.log_prob_of_label  # infinite, where binary_cross_entropy answers 100
        if self.scores.ndim == 1:
            return F.binary_cross_entropy_with_logits(self.scores, self.target, reduction="none")
        return F.cross_entropy(self.logits, self.target, reduction="none")


def log_odds(probs: np.ndarray) -> np.ndarray:
    """log p / (1 - p)"""
    with np.errstate(divide="ignore"):
        return np.log(probs) - np.log1p(-probs)


def chunks(understanding: Understanding, advance: Callable[[int], None] = lambda rows: None) -> Iterator[Chunk]:
    """The input in chunks without what is ignored; `advance` is told the number of samples after each."""
    if understanding.task == "recorded":
        yield from recorded(understanding, advance)
        return
    source = understanding.input
    for block in understanding.frame.blocks(source.predictions, source.targets):
        if (chunk := chunk_of(understanding, block)) is not None:
            yield chunk
        advance(block.samples)


def chunk_of(understanding: Understanding, block: Block) -> Chunk | None:
    """What counts of a block; None where nothing does."""
    layout, task, (first, _, scores, target) = understanding.frame, understanding.task, block
    kept = layout.kept(scores, target, understanding.ignore_index)
    if understanding.one_hot:
        target, kept = target.argmax(axis=1), kept.all(axis=1)
    elif task == "soft":
        kept = kept.all(axis=1)
    elif layout.elementwise:
        scores, target, kept = scores.ravel(), target.ravel(), kept.ravel()
    if task in ("binary", "multilabel"):
        target = target > 0
    if understanding.kind == "probs":
        scores = np.minimum(scores, 1.0)
    place = np.flatnonzero(kept)
    if not place.size:
        return None
    if place.size < kept.size:
        scores, target = scores[place], target[place]
    per_sample = understanding.units_per_sample
    unit = place + first * per_sample
    return Chunk(
        task=task,
        kind=understanding.kind,
        scores=scores,
        target=target.astype(np.int64 if task == "classification" else np.float64),
        unit=unit,
        sample=unit if per_sample == 1 else place // per_sample + first,
    )


@dataclass(frozen=True)
class Recorded(Chunk):
    """Units of a record: `scores` are the log-probabilities of the targets, and there are none of other classes."""

    row: np.ndarray

    @cached_property
    def predicted(self) -> np.ndarray:
        return self.row["predicted"].astype(np.int64)

    @cached_property
    def log_prob_of_label(self) -> np.ndarray:
        return self.scores

    @cached_property
    def confidence(self) -> np.ndarray:
        return np.exp(np.minimum(self.row["top_log_prob"], 0.0, dtype=np.float64))

    @cached_property
    def confidence_log_odds(self) -> np.ndarray:
        return log_odds(self.confidence)

    @cached_property
    def entropy(self) -> np.ndarray:
        return self.row["entropy"].astype(np.float64)


def recorded(understanding: Understanding, advance: Callable[[int], None]) -> Iterator[Recorded]:
    """The units of a record that are numbers and not ignored."""
    record, first = understanding.input.record, 0
    for row, sample in record.blocks(RECORDED_AT_ONCE) if record else ():
        scores, target = row["log_prob"].astype(np.float64), row["target"].astype(np.int64)
        kept = ~np.isnan(scores) & (target != understanding.ignore_index)
        place = np.flatnonzero(kept)
        if place.size:
            yield Recorded("recorded", "logprobs", scores[kept], target[kept], first + place, sample[kept], row[kept])
        first += len(row)
        advance(len(row))
