"""What is odd about a file whatever its loss: copies of rows, and answers among the predictions."""

from __future__ import annotations

import numpy as np

from lossary.reports.chunk import Chunk

KEPT = 2**19  # rows compared for copies
CLEAR = 4.6  # log-odds: 0.99
LEAKED = 0.01  # share of the rows, below which copied answers are not worth a sentence
FEWEST = 20


class Copies:
    """Rows whose predictions are equal to the last bit, and whether their targets are, too.

    Kept are the rows with the smallest hashes, so that the copies of a row are kept or left out together.
    """

    def __init__(self) -> None:
        self.parts = [np.zeros((3, 0), np.uint64)]  # hash of the predictions, of the target, and -log p of the target
        self.limit = np.iinfo(np.uint64).max
        self.held = 0

    def add(self, chunk: Chunk, surprise: np.ndarray) -> None:
        """surprise: -log of the probability of the target, were the rows independent."""
        row = _hash(chunk.scores)
        chosen = np.flatnonzero(row <= self.limit)
        target = _hash(chunk.target[chosen].astype(np.float64))
        self.parts.append(np.stack([row[chosen], target, surprise[chosen].astype(np.float64).view(np.uint64)]))
        self.held += chosen.size
        if self.held > 2 * KEPT:
            kept = np.concatenate(self.parts, axis=1)
            self.limit = np.partition(kept[0], KEPT)[KEPT]
            self.parts = [kept[:, kept[0] <= self.limit]]
            self.held = self.parts[0].shape[1]

    def found(self) -> tuple[float, float]:
        """The share of rows that copy another, and nats of evidence that they are no coincidence.

        Rows that merely have the same prediction would differ in their targets, sooner or later.
        """
        row, target, surprise = np.concatenate(self.parts, axis=1)
        order = np.argsort(row, kind="stable")
        row, target, surprise = row[order], target[order], surprise[order].view(np.float64)
        if row.size < 2:
            return 0.0, 0.0
        same = row[1:] == row[:-1]
        if not same.any() or np.any(target[1:][same] != target[:-1][same]):
            return 0.0, 0.0
        return float(same.sum()) / row.size, float(surprise[1:][same].sum())


def _hash(rows: np.ndarray) -> np.ndarray:
    """(n,): of each row's bits, by multiplication and shift modulo 2^64."""
    bits = rows.view(np.uint64).reshape(len(rows), -1)
    factors = np.random.default_rng(0).integers(0, 2**64, bits.shape[1], np.uint64) | np.uint64(1)
    mixed = (bits ^ (bits >> np.uint64(29))) * factors
    total = (mixed ^ (mixed >> np.uint64(32))).sum(axis=1, dtype=np.uint64)
    return (total ^ (total >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)


class Certainty:
    """How many predictions are nearly certain, and whether those that are certain stand apart from all others.

    Counts and losses by the log-odds of the likeliest class: below 4.6, to 9.2, and beyond.
    """

    def __init__(self) -> None:
        self.count, self.right, self.loss = np.zeros(3), np.zeros(3), np.zeros(3)

    def add(self, chunk: Chunk) -> None:
        odds = chunk.confidence_log_odds
        place = (odds > CLEAR).astype(np.int64) + (odds > 2 * CLEAR)
        loss = -chunk.log_prob_of_label
        for total, values in (
            (self.count, None),
            (self.right, chunk.predicted == chunk.label),
            (self.loss, np.where(np.isfinite(loss), loss, 0)),
        ):
            total += np.bincount(place, values, 3)

    def leaked(self) -> float:
        """The share of certain predictions, where these are all right and more than the others lead up to.

        Of a density of log-odds without a second peak the share beyond follows from the two before (it is log-concave).
        """
        low, middle, high = self.count
        if high < max(FEWEST, LEAKED * self.count.sum()) or self.right[2] < high or low < FEWEST:
            return 0.0
        ratio = (middle + 1) / low
        expected = (middle + 1) * ratio / max(1 - ratio, 0.01)
        return float(high / self.count.sum()) if ratio < 0.7 and high > 5 * expected + FEWEST else 0.0

    @property
    def loss_of_others(self) -> float:
        return float(self.loss[:2].sum() / max(1, self.count[:2].sum()))
