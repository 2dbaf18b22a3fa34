"""The part of long arrays that is read."""

from dataclasses import dataclass

import numpy as np

from lossary.core.arrays import Array, is_torch, kind, namespace, size
from lossary.misuse.reading import host

MOST = 2**22
"""Elements of an array that are read; of longer ones a part, drawn at random along one axis."""
ODD = 32
"""Of the places that hold NaN, and of those that hold infinities: how many a sample holds at least."""


@dataclass(frozen=True)
class Sample:
    """Places along one axis of the rows; all of them where `axis` is empty. of: the length of the axis."""

    axis: str = ""
    places: np.ndarray | None = None
    of: int = 0

    def __str__(self) -> str:
        if self.places is None:
            return ""
        return f"{len(self.places):,} of {self.of:,} places along the longest axis, drawn at random"

    def along(self, x: Array, names: list[str]) -> int | None:
        """Which axis of `x` is the sampled one; `names` end with those of its axes."""
        if self.axis not in names:
            return None
        axis = names.index(self.axis) - (len(names) - x.ndim)
        return axis if axis >= 0 and x.shape[axis] == self.of else None

    def part(self, x: Array, names: list[str]) -> Array:
        axis = self.along(x, names)
        if axis is None:
            return x
        xp = namespace(x)
        index = xp.asarray(self.places, device=x.device) if is_torch(x) else xp.asarray(self.places)
        return xp.take(x, index, axis=axis)


def draw(arrays: dict[str, Array], names: dict[str, list[str]], sizes: dict[str, int]) -> Sample:
    """A sample along the longest of the axes `sizes`, where an array is too long to be read whole."""
    largest = max(map(size, arrays.values()))
    if largest <= MOST or not sizes:
        return Sample()
    axis = max(sizes, key=lambda name: sizes[name])
    count = max(1, MOST * sizes[axis] // largest)
    if count >= sizes[axis]:
        return Sample()
    drawn = [np.random.default_rng(0).choice(sizes[axis], count, replace=False)]
    for name, x in arrays.items():
        place = Sample(axis, of=sizes[axis]).along(x, names[name])
        if place is not None and kind(x) == "float":
            xp = namespace(x)
            others = tuple(i for i in range(x.ndim) if i != place)
            for odd in (xp.isnan(x), xp.isinf(x)):
                drawn.append(np.flatnonzero(host(xp.any(odd, axis=others) if others else odd))[:ODD])
    return Sample(axis, np.unique(np.concatenate(drawn)), sizes[axis])
