"""Statistics that are built up chunk by chunk, in float64, and do not depend on where the chunks end."""

from __future__ import annotations

from functools import cached_property
from math import erfc, inf, nan, sqrt

import numpy as np

NORMAL_95 = 1.959963984540054
NORMAL_80 = 0.8416212335729143  # the quantile below which 80 % lie
KEPT_FOR_BOOTSTRAP = 10_000
RESAMPLES = 1_000
DRAWN_AT_ONCE = 2**17


class Mean:
    """A mean and its 95 % interval, where the values of one sample may depend on each other.

    Standard error of a ratio of sample totals (Liang & Zeger 1986): sqrt(sum_g (S_g - m n_g)^2) / n, with S_g the total
    and n_g the number of values of sample g; merged around each chunk's own mean (Chan, Golub & LeVeque 1983).
    For few samples, or when one holds over 5 % of the total, percentiles of a seeded bootstrap over samples instead.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.n = self.samples = self.infinite = 0
        self.finite_mean = self.total = self.largest = 0.0
        self._squares = self._cross = self._sizes = 0.0
        self._kept: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, values: np.ndarray, sample: np.ndarray) -> None:
        """`values` of consecutive samples; `sample` ascends."""
        if not (finite := np.isfinite(values)).all():
            self.infinite += int(np.sum(~finite))
            values, sample = values[finite], sample[finite]
        if not values.size:
            return
        totals, sizes = _by_sample(values, sample)
        n, mean = values.size, float(values.mean())
        centred = totals - mean * sizes
        self._recentre((self.n * self.finite_mean + n * mean) / (self.n + n))
        shift = mean - self.finite_mean
        cross, size_squares = _dot(centred, sizes), _dot(sizes, sizes)
        self._squares += _dot(centred, centred) + 2 * shift * cross + shift**2 * size_squares
        self._cross += cross + shift * size_squares
        self._sizes += size_squares
        self.n += n
        self.samples += totals.size
        self.total += float(values.sum())
        self.largest = max(self.largest, float(totals.max()))
        if self.samples <= KEPT_FOR_BOOTSTRAP:
            self._kept.append((totals, sizes))
        else:
            self._kept.clear()

    def _recentre(self, mean: float) -> None:
        shift = self.finite_mean - mean
        self._squares += 2 * shift * self._cross + shift**2 * self._sizes
        self._cross += shift * self._sizes
        self.finite_mean = mean

    @property
    def mean(self) -> float:
        if self.infinite:
            return inf
        return self.finite_mean if self.n else nan

    @property
    def error(self) -> float:
        """The standard error."""
        if self.samples < 2 or self.infinite:
            return nan
        return sqrt(max(0.0, self._squares) * self.samples / (self.samples - 1)) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        if self.samples < 2 or self.infinite:
            return nan, nan
        if self._kept and self._is_rough():
            low, high = np.quantile(self.resampled, [0.025, 0.975])
            return float(low), float(high)
        return self.mean - NORMAL_95 * self.error, self.mean + NORMAL_95 * self.error

    def _is_rough(self) -> bool:
        """Whether the samples are too few, or one too heavy, for a normal distribution."""
        return self.samples <= 200 or (self.total > 0 and self.largest > 0.05 * self.total)

    @cached_property
    def resampled(self) -> np.ndarray:
        """Means of samples drawn with replacement, once all are added."""
        totals, sizes = (np.concatenate(column) for column in zip(*self._kept, strict=True))
        rng = np.random.default_rng(self.seed)
        at_once = max(1, DRAWN_AT_ONCE // totals.size)
        means = np.empty(RESAMPLES)
        for start in range(0, RESAMPLES, at_once):
            some = means[start : start + at_once]
            drawn = rng.integers(0, totals.size, (some.size, totals.size))
            some[:] = totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
        return means


class Difference(Mean):
    """The mean of differences between pairs; above 0 the second is better.

    A normal distribution where samples are many, a bootstrap where they are not: differences have both signs, and no
    total that one could be compared with.
    """

    def _is_rough(self) -> bool:
        return True

    @property
    def sureness(self) -> float:
        """That the second is better: the share of resampled means above 0 (ties half), or the normal probability."""
        if self.samples < 2:
            return nan
        if self._kept:
            return float(np.mean(self.resampled > 0) + np.mean(self.resampled == 0) / 2)
        return erfc(-self.finite_mean / (sqrt(2) * self.error)) / 2 if self.error else 0.5

    @property
    def sign(self) -> int:
        """1 or -1 where the interval is on one side of 0, else 0."""
        low, high = self.interval
        return int(low > 0) - int(high < 0)

    @property
    def detectable(self) -> float:
        """The smallest difference that a file like this shows in 4 of 5 cases."""
        return (NORMAL_95 + NORMAL_80) * self.error


def _by_sample(values: np.ndarray, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The total of the values of each sample, and their number."""
    changes = sample[1:] != sample[:-1]
    if changes.all():
        return values, np.ones(values.size)
    starts = np.r_[0, np.flatnonzero(changes) + 1]
    return np.add.reduceat(values, starts), np.diff(np.r_[starts, values.size]).astype(np.float64)


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """sum(a b) in a fixed order; a BLAS sums in as many parts as it has threads."""
    return float(np.sum(a * b))


class GroupMeans:
    """Number, mean, variance and standard error of the finite values of each group."""

    def __init__(self, groups: int) -> None:
        self.n, self.infinite = np.zeros(groups), np.zeros(groups)
        self.mean, self._squares = np.zeros(groups), np.zeros(groups)

    def add(self, values: np.ndarray, group: np.ndarray) -> None:
        size = self.n.size
        if not (finite := np.isfinite(values)).all():
            self.infinite += np.bincount(group[~finite], minlength=size)
            values, group = values[finite], group[finite]
        n = np.bincount(group, minlength=size)
        mean = np.bincount(group, values, size) / np.maximum(n, 1)
        squares = np.bincount(group, (values - mean[group]) ** 2, size)
        both = np.maximum(self.n + n, 1)
        shift = np.where(n > 0, mean - self.mean, 0.0)
        self._squares += squares + shift**2 * self.n * n / both
        self.mean += shift * n / both
        self.n += n

    @property
    def variance(self) -> np.ndarray:
        """Mean squared distance from the mean."""
        return self._squares / np.maximum(self.n, 1)

    @property
    def error(self) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.n > 1, np.sqrt(self._squares / (self.n - 1) / self.n), nan)


class Reservoir:
    """A uniform sample of rows: those with the smallest of seeded random keys, so the same rows whatever the chunks."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seen = size, 0
        self._rng = np.random.default_rng(seed)
        self._keys: list[np.ndarray] = []
        self._rows: list[tuple[np.ndarray, ...]] = []
        self._held, self._threshold = 0, 1.0

    def add(self, *columns: np.ndarray) -> None:
        keys = self._rng.random(len(columns[0]))
        self.seen += len(keys)
        chosen = np.flatnonzero(keys < self._threshold)
        if not chosen.size:
            return
        self._keys.append(keys[chosen])
        self._rows.append(tuple(_picked(column, chosen) for column in columns))
        self._held += chosen.size
        if self._held > 2 * self.size:
            self._thin()

    def _thin(self) -> None:
        keys, columns = self._joined()
        if keys.size > self.size:
            self._threshold = float(np.partition(keys, self.size)[self.size])
            smallest = np.flatnonzero(keys < self._threshold)
            keys, columns = keys[smallest], tuple(_picked(column, smallest) for column in columns)
        self._keys, self._rows, self._held = [keys], [columns], keys.size

    def _joined(self) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        columns = tuple(np.concatenate(parts) for parts in zip(*self._rows, strict=True))
        return np.concatenate(self._keys), columns

    @property
    def is_everything(self) -> bool:
        return self.seen <= self.size

    def rows(self) -> tuple[np.ndarray, ...]:
        """The sampled rows in the order of the file, one array per column."""
        self._thin()
        return self._rows[0]


def _picked(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """These rows, laid out as they were."""
    return column[rows] if column.flags.c_contiguous else column.T[:, rows].T


SINGLY, GROUPS = 20, 160


def histogram(of: str, values: np.ndarray) -> dict[str, str | list[float] | list[int]]:
    """The finite values in groups of about equal size, by mean and count; the largest and the smallest singly.

    What a few values at the ends hold of a loss is not lost.
    """
    ordered = np.sort(values[np.isfinite(values)])
    ends = min(SINGLY, ordered.size // 2)
    inner = np.array_split(ordered[ends : ordered.size - ends], GROUPS)
    groups = [group for group in (*ordered[:ends, None], *inner, *ordered[ordered.size - ends :, None]) if group.size]
    return {"of": of, "means": [float(group.mean()) for group in groups], "counts": [group.size for group in groups]}
