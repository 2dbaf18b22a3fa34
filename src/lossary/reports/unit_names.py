"""What the units of a file are called in tables."""

from __future__ import annotations

import numpy as np

from lossary.reports.formats.stored import text_of
from lossary.reports.understand import Understanding, printable
from lossary.translations import say


def names_of(u: Understanding, units: np.ndarray) -> list[str]:
    """The sample of each unit, from the file's ids where it has them, else its row; and the place within it."""
    samples = _samples(u, units // u.units_per_sample)
    return [sample + _within(u, int(unit)) for sample, unit in zip(samples, units, strict=True)]


def _samples(u: Understanding, samples: np.ndarray) -> list[str]:
    stored = u.input.ids
    if stored is None or stored.shape != u.frame.target_shape[:1] or stored.dtype.kind not in "iufUS":
        return [str(sample) for sample in samples]
    found: dict[int, str] = {}
    start = 0
    for block in stored.blocks(65_536):
        for sample in samples[(samples >= start) & (samples < start + len(block))]:
            found[int(sample)] = _plain(text_of(block[sample - start : sample - start + 1])[0])
        start += len(block)
    return [found[int(sample)] for sample in samples]


def _plain(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else printable(value)


def _within(u: Understanding, unit: int) -> str:
    """Which of a sample's units it is: a label's name, or a position."""
    inside = unit % u.units_per_sample
    if u.units_per_sample == 1:
        return ""
    if u.task == "multilabel":
        return f", {u.name(inside % u.frame.columns)}"
    shape = u.frame.target_shape[1:]
    place = [int(i) for i in np.unravel_index(inside, shape if u.task != "soft" and not u.one_hot else shape[:-1])]
    return f", {place[0] if len(place) == 1 else tuple(place)}"


def answer(u: Understanding, index: float) -> str:
    """A class by its name."""
    if u.task == "multilabel" or (u.task == "binary" and not u.names):
        return say("yes") if index else say("no")
    return u.name(int(index))
