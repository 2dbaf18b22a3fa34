"""What the letters of a record's LaTeX stand for in a sample, for tests/latex.py to compute with.

Axes are those of the contract, but that all rows or elements, of whatever shape, are one. Beside the letters of
`symbols`, `C` and the other sizes of the contract are known. Of a target that may be classes or probabilities, `y`
stands for classes alone, and another letter for probabilities, which of classes are 1 and 0. Weights that are not given
are 1.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from latex import tokens

from lossary.core.contract import Choice, Flag, Levels, Range, axes
from lossary.core.record import Loss
from lossary.testing.samples import Sample, ordinary

FOR_READERS = {
    "ctc_loss": "a sum over all paths",
    "ctc_loss_with_logits": "a sum over all paths",
    "rnnt_loss": "a recursion over frames and labels",
    "triplet_margin_with_distance_loss": "the distance is the caller's",
}
"""Formulas that are for readers alone, each with the reason."""
SEEDS = range(200)
ENOUGH = 16
"""How many samples LaTeX is computed for, of each combination of words."""


def samples(loss: Loss, latex: str, beside: str = "") -> Iterator[Sample]:
    """Samples in which what the LaTeX does not speak of is at its default; of what stands beside it, letters count.

    As many for each of the words that its conditions may say.
    """
    spoken_of = {loss.symbols.get(token.text) for token in tokens(f"{latex} {beside}", loss.symbols)}
    conditions = said(latex)

    def is_kept(name: str, value: Any) -> bool:
        allowed = loss.options.get(name)
        is_special = isinstance(allowed, Range) and value in allowed.extra_values
        return not is_special and (name in spoken_of or not conditions.isdisjoint(words_of(name, allowed, value)))

    drawn: Counter[frozenset[str]] = Counter()
    for seed in SEEDS:
        sample = at_defaults(loss, ordinary(loss, seed), is_kept)
        if sample is not None and is_arrangeable(loss, sample):
            here = frozenset(word for word, holds in words(loss, sample).items() if holds)
            drawn[here] += 1
            if drawn[here] <= ENOUGH:
                yield sample


def said(latex: str) -> set[str]:
    """The conditions in words."""
    return {token.text.strip(" :") for token in tokens(latex) if token.kind == "text"} - {"otherwise"}


def at_defaults(loss: Loss, sample: Sample, is_kept: Callable[[str, Any], bool]) -> Sample | None:
    """The sample with all options and optional arrays at their defaults but for some; None where data do not fit it."""
    left_out = {n for n, value in sample.arguments.items() if n in loss.defaults and not is_kept(n, value)}
    for name in left_out & set(loss.options):
        is_word = isinstance(loss.options[name], (Choice, Flag))
        if is_word and sample.arguments[name] != loss.defaults[name]:  # the data were drawn for it
            return None
    arguments = {name: value for name, value in sample.arguments.items() if name not in left_out}
    specs = {name: spec for name, spec in sample.specs.items() if name not in left_out}
    return Sample(arguments, specs, sample.dims, sample.seed)


def words_of(name: str, allowed: Any, value: Any) -> dict[str, bool]:
    """What a condition may say of an option, and whether it is so: its word, or the name of a flag; or name=value."""
    if isinstance(allowed, Choice):
        return {word: value == word for word in allowed.words}
    if isinstance(allowed, Flag):
        return {name: value, f"{name}=True": value, f"{name}=False": not value}
    return {}


def values(loss: Loss, sample: Sample) -> dict[str, Any]:
    named = {token for spec in loss.data.values() for each in spec for token in each.shape.split()}
    sizes = {name: sample.dims[name] for name in named & set(sample.dims) if name.isupper()}
    letters = arguments_of(loss).items()
    return sizes | {letter: standing_for(loss, sample, name, letter) for letter, name in letters}


def words(loss: Loss, sample: Sample) -> dict[str, bool]:
    given = {name: sample.arguments.get(name, loss.defaults[name]) for name in loss.options}
    return {word: so for name, x in given.items() for word, so in words_of(name, loss.options[name], x).items()}


def arguments_of(loss: Loss) -> dict[str, str]:
    """The arguments that letters stand for; others are explained in words, and defined by the LaTeX."""
    return {letter: name for letter, name in loss.symbols.items() if name in loss.signature.parameters}


def standing_for(loss: Loss, sample: Sample, name: str, letter: str) -> Any:
    """The value of an argument; None where it has none that the letter may stand for."""
    if name in loss.options:
        value = sample.arguments.get(name, loss.defaults[name])
        return np.atleast_1d(value) if isinstance(loss.options[name], Levels) else value
    spec, *others = loss.data[name]
    if name not in sample.specs:
        is_weight = spec.domain.name == "weights"
        return arranged(loss, sample, spec.shape, np.ones(lengths(spec.shape, sample))) if is_weight else None
    x, drawn = sample.arguments[name], sample.specs[name]
    of_classes = drawn.domain.name == "class indices"
    if others and letter == "y" and not of_classes:
        return None
    if others and letter != "y" and of_classes:
        return arranged(loss, sample, others[-1].shape, as_probabilities(x, others[-1].shape, sample))
    return arranged(loss, sample, drawn.shape, x)


def as_probabilities(indices: np.ndarray, shape: str, sample: Sample) -> np.ndarray:
    place = [name for name, _ in axes(shape, sample.dims)].index("C")
    is_class = np.asarray(indices)[..., None] == np.arange(sample.dims["C"])
    return np.moveaxis(is_class.astype(float), -1, place)


def lengths(shape: str, sample: Sample) -> list[int]:
    return [n for _, n in axes(shape, sample.dims)]


def arranged(loss: Loss, sample: Sample, shape: str, x: Any) -> np.ndarray:
    """The array with one axis for all rows, which stands where the first of them stood."""
    tokens_of_x = shape.split()
    rows, sizes = rows_of(loss), [size_of(token, sample) for token in tokens_of_x]
    if rows and rows[0] not in tokens_of_x:  # not an array of rows
        return np.reshape(x, [n for token, n in zip(tokens_of_x, sizes, strict=True) if token not in rows])
    of_rows = [i for i, token in enumerate(tokens_of_x) if token in rows]
    before = [i for i in range(len(sizes)) if i < min(of_rows, default=0)]
    after = [i for i in range(len(sizes)) if i not in (*before, *of_rows)]
    one = [math.prod(sizes[i] for i in of_rows)] if rows else []
    moved = np.reshape(x, sizes).transpose(*before, *of_rows, *after)
    return moved.reshape([*(sizes[i] for i in before), *one, *(sizes[i] for i in after)])


def rows_of(loss: Loss) -> list[str]:
    """The axes of the unreduced loss that are one: those of a batch and those that are of any number."""
    return [token for token in loss.unreduced.split() if token[0] == "*" or token.strip("?") == "N"]


def size_of(token: str, sample: Sample) -> int:
    return math.prod(lengths(token, sample))


def is_arrangeable(loss: Loss, sample: Sample) -> bool:
    """Whether each array has all rows or none: the features of a projection lack the axes that its classes have."""
    rows = rows_of(loss)
    several = {token for token in rows if size_of(token, sample) != 1}
    shapes = [spec.shape.split() for spec in sample.specs.values()]
    return all(several & set(shape) == (several if set(rows[:1]) & set(shape) else set()) for shape in shapes)
