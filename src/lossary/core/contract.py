"""What an argument must be: words for domains, shapes and ranges, their check, and its message.

A loss states them in its signature: ``input: Annotated[Array, logits("?N C *d")]``. A shape is a row of names: `C` one
dimension, `?N` one that may be missing, `*d` any number, `4` one of that size, `S+1` one that is longer by 1 than `S`.
The first argument that uses a name gives it its size.
"""

import functools
import math
import numbers
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from lossary.core.arrays import (
    Array,
    detach,
    dtype_name,
    is_array,
    is_concrete,
    is_jax,
    is_torch,
    kind,
    layout,
    library,
    namespace,
    plainly,
    size,
    size_fits,
    to_numpy,
)
from lossary.core.strict import is_strict

COUNTED = {"C": "classes", "M": "candidates"}
"""What there are several of along the axes that indices count along."""
BESIDE = ("weights", "lengths", "signs")
"""Domains of arrays that go beside the data: lists will do, and they do not take part in the choice of a dtype."""
OUTCOMES = ("durations", "events")
"""Domains of what happened: they do not take part in the choice of a dtype either, and there is no derivative."""

Dims = dict[str, Any]
"""Sizes by name: an int, None for a missing optional dimension, a tuple for a starred one."""


@dataclass(frozen=True)
class Domain:
    """The values that an array may hold.

    dtype: "float" (integers are converted too, where the loss is over real numbers), or "integer".
    low, high: closed bounds; `enforced` says that they are checked on the CPU and not only under strict checking.
    slack: how far rounding may carry a value past a bound, in units of the dtype's epsilon.
    number: whether a plain number will do. masked: whether -inf is a value, of a class that is masked out.
    sums: what the values of a row of classes sum to 1 as, "probabilities" or "logarithms".
    among: the axis that indices count along. ordered: only the order of the numbers counts, so that they keep their
    dtype. values: the only numbers that there are; they are held to where bounds are. corners: of boxes, what the four
    numbers of the last axis are; one of BOX_FORMATS.
    Strict checking holds every bound, wants finite numbers, and rows that sum to 1.
    """

    name: str
    dtype: str = "float"
    low: float = -math.inf
    high: float = math.inf
    enforced: bool = False
    slack: float = 0.0
    values: tuple[float, ...] | None = None
    number: bool = False
    masked: bool = False
    sums: str = ""
    among: str = "C"
    ordered: bool = False
    corners: str = ""

    def __str__(self) -> str:
        if self.values is not None:
            return f"{self.name} ({', '.join(f'{v:g}' for v in self.values)})"
        if self.dtype == "integer" or (math.isinf(self.low) and math.isinf(self.high)):
            return self.name
        return f"{self.name} in {interval(self.low, self.high)}"


def interval(low: float, high: float, low_open: bool = False, high_open: bool = False) -> str:
    left = "(" if low_open or math.isinf(low) else "["
    right = ")" if high_open or math.isinf(high) else "]"
    return f"{left}{low:g}, {high:g}{right}"


@dataclass(frozen=True)
class Spec:
    """One array argument: its domain and shape, or alternatives of them.

    broadcasts: whether a shape that broadcasts to `shape` will do. along: the axis that lengths measure.
    by_row: of these shapes, only those with as many dimensions or none, and `shape` without its last dimension.
    hides: of weights: where one is 0, the other arguments may hold anything.
    """

    domain: Domain
    shape: str
    broadcasts: bool = False
    along: str = ""
    by_row: bool = False
    hides: bool = False
    others: tuple["Spec", ...] = ()

    def __or__(self, other: "Spec") -> "Spec":
        return replace(self, others=(*self.others, other))

    def __iter__(self) -> Iterator["Spec"]:
        yield self
        yield from self.others

    def __str__(self) -> str:
        return ", or ".join(f"({', '.join(s.shape.split())}) {s.domain}" for s in self)


def word(domain: Domain) -> Callable[..., Spec]:
    def spec(
        shape: str, *, broadcasts: bool = False, along: str = "", by_row: bool = False, hides: bool = False
    ) -> Spec:
        return Spec(domain, shape, broadcasts or by_row, along, by_row, hides)

    return spec


real = word(Domain("real numbers"))
logits = word(Domain("logits", masked=True))
log_probabilities = word(Domain("log-probabilities", high=0.0, slack=4.0, masked=True, sums="logarithms"))
probabilities = word(Domain("probabilities", low=0.0, high=1.0, enforced=True))
target_probabilities = word(
    Domain("target probabilities", low=0.0, high=1.0, enforced=True, slack=4.0, sums="probabilities")
)
target_distribution = word(Domain("probabilities, or log-probabilities", masked=True))
sequence_log_probs = word(Domain("sequence log-probabilities", high=0.0, slack=4.0, masked=True))
margins = word(Domain("margins", number=True))
log_rates = word(Domain("log-rates"))
rates = word(Domain("rates", low=0.0, enforced=True))
counts = word(Domain("counts", low=0.0))
log_hazards = word(Domain("log-hazards"))
durations = word(Domain("durations", low=0.0, enforced=True, ordered=True))
events = word(Domain("events", low=0.0, high=1.0, values=(0.0, 1.0), enforced=True))
variances = word(Domain("variances", low=0.0, enforced=True, number=True))
features = word(Domain("features"))
linear_weights = word(Domain("linear weights"))
label_probabilities = word(Domain("label probabilities", low=0.0, high=1.0))
masks = word(Domain("label probabilities", low=0.0, high=1.0, enforced=True, slack=4.0))
class_probabilities = word(Domain("class probabilities", low=0.0, high=1.0, enforced=True, slack=4.0))
class_indices = word(Domain("class indices", dtype="integer", low=0, enforced=True))
label_sets = word(Domain("label sets", dtype="integer", low=-1, enforced=True))
label_sequences = word(Domain("label sequences", dtype="integer", low=0))
candidates = word(Domain("candidates"))
positives = word(Domain("positives", dtype="integer", low=0, enforced=True, among="M"))
labels = word(Domain("labels", dtype="integer"))
lengths = word(Domain("lengths", dtype="integer", low=0))
signs = word(Domain("signs", low=-1, high=1, values=(-1.0, 1.0)))
weights = word(Domain("weights"))

BOX_FORMATS = {
    "xyxy": "(x1, y1, x2, y2)",
    "xywh": "(x1, y1, width, height)",
    "cxcywh": "(centre x, centre y, width, height)",
}
boxes = word(Domain("boxes", enforced=True, corners="xyxy"))


@dataclass(frozen=True)
class Range:
    """The numbers that an option may be.

    extra_values: single numbers outside the interval, each with a meaning of its own. none_means: the number that None
    stands for. voids_properties: the properties of the loss that hold at the default alone.
    """

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    integer: bool = False
    extra_values: tuple[float, ...] = ()
    none_means: float | None = None
    voids_properties: tuple[str, ...] = ()

    def refuse(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or (self.integer and not _is_whole(value)):
            wanted = "an integer" if self.integer else "a number"
            return wanted if (self.low, self.high) == (-math.inf, math.inf) else f"{wanted} in {self}"
        if self.integer and not -(2**63) <= value < 2**63:  # pyright: ignore[reportOperatorIssue]
            return "a 64-bit integer"
        try:
            number = float(value)
        except OverflowError:
            return f"a number in {self} that a float can hold"
        return f"in {self}" if self.excludes(number) else None

    def excludes(self, x: Any) -> Any:
        """Whether a number is not among these, of a float or an array."""
        below = x <= self.low if self.low_open else x < self.low
        above = x >= self.high if self.high_open else x > self.high
        outside = below | above | (x != x)
        for number in self.extra_values:
            outside = outside & (x != number)
        return outside

    def __str__(self) -> str:
        allowed = interval(self.low, self.high, self.low_open, self.high_open)
        return " or ".join([allowed, *(f"{number:g}" for number in self.extra_values)])


def _is_whole(value: numbers.Real) -> bool:
    """2.0 is an integer, as in torch."""
    return isinstance(value, numbers.Integral) or float(value).is_integer()


@dataclass(frozen=True)
class Flag:
    """True or False. Samples leave it alone where it does not change answers, or couples the rows of a batch.

    voids_properties: as of a Range.
    """

    changes_answers: bool = True
    couples_rows: bool = False
    voids_properties: tuple[str, ...] = ()

    def refuse(self, value: object) -> str | None:
        return None if isinstance(value, (bool, numbers.Integral)) else "True or False"

    def __str__(self) -> str:
        return "True or False"


@dataclass(frozen=True)
class Choice:
    """One of a few words: those of the Literal that it annotates. voids_properties: as of a Range.

    ranges: of options that belong to some of the words, the range beside each; beside others they keep their default.
    """

    words: tuple[str, ...] = ()
    voids_properties: tuple[str, ...] = ()
    ranges: Mapping[str, Mapping[str, Range]] = field(default_factory=dict)

    def refuse(self, value: object) -> str | None:
        return None if isinstance(value, str) and value in self.words else str(self)

    def __str__(self) -> str:
        return f"one of {', '.join(map(repr, self.words))}"


@dataclass(frozen=True)
class Levels:
    """A number between two others, or several in a tuple or a list: these give the dimension `axis` its size.

    With a single number shapes do not have that dimension.
    """

    low: float
    high: float
    axis: str

    @property
    def each(self) -> Range:
        return Range(self.low, self.high, low_open=True, high_open=True)

    def refuse(self, value: Any) -> str | None:
        levels = value if isinstance(value, (tuple, list)) else (value,)
        inside = bool(levels) and all(self.each.refuse(level) is None for level in levels)
        return None if inside and all(a < b for a, b in pairwise(map(float, levels))) else str(self)

    def parse(self, value: Any) -> float | tuple[float, ...]:
        return tuple(map(float, value)) if isinstance(value, (tuple, list)) else float(value)

    def dims(self, levels: float | tuple[float, ...]) -> Dims:
        return {self.axis: len(levels) if isinstance(levels, tuple) else None}

    def __str__(self) -> str:
        return f"a number in {self.each}, or a tuple of such numbers, each larger than the one before"


@dataclass(frozen=True)
class Instance:
    """None, or an object of the class of that name: nothing is imported for it."""

    class_name: str

    def refuse(self, value: object) -> str | None:
        return None if value is None or type(value).__name__ == self.class_name.rpartition(".")[2] else str(self)

    def __str__(self) -> str:
        return f"None or a {self.class_name}"


@dataclass(frozen=True)
class Bytes:
    """A number of bytes, also as a text with a unit, such as "256MB". none_means: the number that None stands for."""

    none_means: int

    def refuse(self, value: object) -> str | None:
        return None if (self.parse(value) or 0) > 0 else str(self)

    def parse(self, value: object) -> int | None:
        """The number; None where the value is no number of bytes."""
        if value is None:
            return self.none_means
        if isinstance(value, str):
            found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kMGT]?)(i?)B\s*", value)
            if found is None:
                return None
            number, unit, binary = found.groups()
            return int(float(number) * (1024 if binary else 1000) ** " kMGT".index(unit or " "))
        return int(value) if isinstance(value, numbers.Integral) and not isinstance(value, bool) else None

    def __str__(self) -> str:
        return 'a number of bytes above 0, or one with its unit such as "256MB"'


@dataclass(frozen=True)
class Function:
    """A function of the caller's, or None for the loss's own. voids_properties: as of a Range."""

    voids_properties: tuple[str, ...] = ()

    def refuse(self, value: object) -> str | None:
        return None if value is None or callable(value) else str(self)

    def __str__(self) -> str:
        return "a function, or None"


def is_known(token: str, dims: Dims) -> bool:
    """Whether a part of a shape has a size: a number has its own."""
    name, _ = named(token)
    return name.isdecimal() or name in dims


def named(token: str) -> tuple[str, int]:
    """The name in a part of a shape, and by how much the dimension is longer than what has that name."""
    name, _, more = token.lstrip("?*").partition("+")
    return name, int(more or 0)


def axes(shape: str, dims: Dims) -> list[tuple[str, int]]:
    """The named axes of a shape, with their sizes: "?N C *d" -> [("N", 8), ("C", 3), ("d0", 5)]."""
    result = []
    for token in shape.split():
        name, more = named(token)
        if token[0] == "*":
            result += [(f"{name}{i}", n) for i, n in enumerate(dims[name])]
        elif name.isdecimal():
            result.append((name, int(name)))
        elif dims[name] is not None:
            result.append((token.lstrip("?"), dims[name] + more))
    return result


def bind(shape: str, actual: tuple[int, ...], dims: Dims) -> bool:
    """Match `actual` against `shape`, giving sizes to the names that have none. False if it does not fit."""
    tokens = shape.split()
    fixed = sum(_is_one(t, dims) for t in tokens)
    starred = any(t[0] == "*" for t in tokens)
    optional = sum(t[0] == "?" and t[1:] not in dims for t in tokens)
    spare = len(actual) - fixed
    if spare < 0 or (not starred and spare > optional):
        return False
    sizes = list(actual)
    trial = dict(dims)
    for i, token in enumerate(tokens):
        name, more = named(token)
        if token[0] == "?" and not _is_one(token, dims):
            here = sizes.pop(0) if sizes and spare > 0 and name not in dims else None
            spare -= here is not None
        elif token[0] == "*":
            after = sum(_is_one(t, dims) for t in tokens[i + 1 :])
            count = len(trial[name]) if name in trial else len(sizes) - after
            here, sizes = tuple(sizes[:count]), sizes[count:]
        elif sizes and sizes[0] >= more:
            here = sizes.pop(0) - more
        else:  # a dimension of a known size has taken it, or it is too short
            return False
        if (int(name) if name.isdecimal() else trial.setdefault(name, here)) != here:
            return False
    if sizes:
        return False
    dims.update(trial)
    return True


def _is_one(token: str, dims: Dims) -> bool:
    """Whether a part of a shape is known to be one dimension."""
    return token[0] not in "?*" or (token[0] == "?" and dims.get(token[1:]) is not None)


def describe(x: Any) -> str:
    if not is_array(x):
        return f"{type(x).__name__} {x!r}"
    what = f"{layout(x)} {dtype_name(x)}".lstrip()
    return what if what.startswith("nested") else f"{what} of shape {tuple(x.shape)}"


def shown(x: Any) -> str:
    """`x` as an option that is wrong: an array by its shape alone."""
    return describe(x) if is_array(x) and x.ndim else repr(x)


def check_rank(loss: str, name: str, x: Array, spec: Spec) -> None:
    """Raise where an array fits no sizes at all."""
    if not any(s.broadcasts or bind(s.shape, tuple(x.shape), {}) for s in spec):
        raise ValueError(f"{loss}: {name} is {describe(x)}; it must be {_wanted(spec, {})}")


def check_levels(loss: str, name: str, x: Any, option: str, levels: float | tuple[float, ...]) -> None:
    """Raise where an array has no last dimension for the levels, if there are several."""
    if not isinstance(levels, tuple) or not is_array(x) or kind(x) == "other":  # which has no shape to speak of
        return
    if tuple(x.shape[-1:]) == (len(levels),):
        return
    places = [i for i, n in enumerate(x.shape) if n == len(levels)]
    fix = f". Pass {name}.movedim({places[0]}, -1)" if places else ""
    if len(levels) == 1:
        fix = f". For a single level without a dimension pass {option}={levels[0]!r}"
    raise ValueError(
        f"{loss}: {name} is {describe(x)}; it must be of shape (..., {len(levels)}), its last dimension being that of "
        f"{option}={levels!r}{fix}"
    )


def check_array(loss: str, name: str, x: Array, spec: Spec, dims: Dims, first: tuple[str, Array]) -> Spec:
    """The alternative of `spec` that `x` fits in library, dtype and shape; raises where none does."""
    _check_library(loss, name, x, first)
    found = kind(x)
    integer = found == "integer"
    fitting = [s for s in spec if s.domain.dtype != "integer" or integer]
    convertible = ("float", "integer") if name == first[0] else ("float", "integer", "bool")
    # An integer array means indices wherever a loss takes indices; elsewhere it is converted to real numbers.
    if integer and any(s.domain.dtype == "integer" for s in spec):
        fitting = [s for s in spec if s.domain.dtype == "integer"]
    if found not in convertible or not fitting:
        raise TypeError(_wrong_dtype(loss, name, x, spec, dims))
    for candidate in fitting:
        shape = tuple(x.shape)
        if bind(candidate.shape, shape, dims) or (candidate.broadcasts and broadcasts(shape, candidate, dims)):
            if candidate.domain.dtype != "integer" or getattr(x, "is_meta", False):  # others follow the first
                check_device(loss, name, x, first)
            return candidate
    if any(bind(s.shape, tuple(x.shape), dict(dims)) for s in spec):  # the shape fits another dtype
        raise TypeError(_wrong_dtype(loss, name, x, spec, dims))
    beside = "" if name == first[0] else f", {first[0]} being {describe(first[1])}"
    raise ValueError(
        f"{loss}: {name} is {describe(x)}; it must be {_wanted(spec, dims)}{beside}"
        f"{_shape_fix(name, x, spec, first, dims)}"
    )


def as_plain(name: str, x: Any) -> str:
    """How to pass what is no array, or of no kind that losses compute with: the end of a message."""
    if is_array(x):
        return f". Pass {plainly(name, x)}" if kind(x) == "other" else ""
    return f". Pass {name}.todense()" if hasattr(type(x), "todense") else ""


def check_device(loss: str, name: str, x: Array, first: tuple[str, Array]) -> None:
    """Raise where a tensor is on another device; a number on the CPU goes with all."""
    if not is_torch(x) or x.device == first[1].device or (x.ndim == 0 and x.device.type == "cpu"):
        return
    fix = f"Pass {name}.to({first[0]}.device)" if x.device.type != "meta" else f"Pass {name} with its values"
    raise ValueError(
        f"{loss}: {name} is on the device {x.device} and {first[0]} on {first[1].device}; "
        f"all arrays must be on one. {fix}"
    )


def _check_library(loss: str, name: str, x: Any, first: tuple[str, Array]) -> None:
    if not is_array(x):
        wanted = f"an array of NumPy, torch, JAX or another array API library{as_plain(name, x)}"
        raise TypeError(f"{loss}: {name} is {describe(x)}; it must be {wanted}")
    if library(x) != library(first[1]):
        raise TypeError(
            f"{loss}: {name} is {_of(x)} and {first[0]} is {_of(first[1])}; "
            f"all arrays must come from one library. Convert {name} first"
        )


def _of(x: Array) -> str:
    return f"a {library(x)} array"


def _wrong_dtype(loss: str, name: str, x: Array, spec: Spec, dims: Dims) -> str:
    fix = as_plain(name, x) or f". {_dtype_fix(name, x, spec)}"
    return f"{loss}: {name} is {describe(x)}; it must be {_wanted(spec, dims)}{fix}"


def _wanted(spec: Spec, dims: Dims) -> str:
    wanted = []
    for s in spec:
        known = all(is_known(t, dims) for t in s.shape.split())
        shape = str(shape_of(s, dims)) if known else _partly_known(s.shape, dims)
        broadcasts = " or a shape that broadcasts to it" if s.broadcasts else ""
        if s.by_row and known:
            broadcasts = f", where any dimension may be 1, or of shape {shape_of(s, dims)[:-1]}, one for each row"
        wanted.append(f"{s.domain} of shape {shape}{broadcasts}")
    return ", or ".join(wanted)


def _partly_known(shape: str, dims: Dims) -> str:
    """Sizes where they are known, names where they are not: (N, D) beside three features is (N, 3)."""
    parts, missing = [], []
    for token in shape.split():
        if is_known(token, dims):
            parts += [str(n) for _, n in axes(token, dims)]
        else:
            parts.append("..." if token[0] == "*" else token.lstrip("?"))
            missing += [token[1:]] if token[0] == "?" else []
    return f"({', '.join(parts)})" + (f", where {' and '.join(missing)} may be missing" if missing else "")


def _dtype_fix(name: str, x: Array, spec: Spec) -> str:
    if kind(x) == "integer":
        return f"One-hot rows? Pass {name}.argmax(1), or probabilities of a floating dtype: {name}.float()"
    if kind(x) == "complex":
        return "Complex numbers have no order: pass the real and imaginary parts, or the modulus"
    if any(s.domain.dtype == "integer" for s in spec):
        return f"Convert {name} to an integer dtype (torch: {name}.long())"
    return f"Convert {name} to a floating dtype (torch: {name}.float())"


def shape_of(spec: Spec, dims: Dims) -> tuple[int, ...]:
    return tuple(n for _, n in axes(spec.shape, dims))


def broadcasts(shape: tuple[int, ...], spec: Spec, dims: Dims) -> bool:
    """Whether an array of that shape broadcasts to the shape of the contract; dimensions of a literal size stay."""
    to = shape_of(spec, dims)
    if spec.by_row and len(shape) not in (0, len(to)):
        # (N,) beside (N, D) means rows, as in torch; broadcasting would take it for columns where N = D.
        return shape == to[:-1]
    padded = (1,) * (len(to) - len(shape)) + shape
    literal = [i for i, (name, _) in enumerate(axes(spec.shape, dims)) if name.isdecimal()]
    return len(shape) <= len(to) and size_fits(padded, to) and all(padded[i] == to[i] for i in literal)


def _shape_fix(name: str, x: Array, spec: Spec, first: tuple[str, Array], dims: Dims) -> str:
    """The edit that was probably meant, where the shapes tell."""
    shape, reference = tuple(x.shape), tuple(first[1].shape)
    for s in spec:
        if not all(is_known(t, dims) for t in s.shape.split()):
            continue
        wanted = tuple(n for _, n in axes(s.shape, dims))
        if shape == (*wanted, 1):
            return f". Drop its last dimension: {name}.squeeze({len(shape) - 1})"
        if (*shape, 1) == wanted:
            return f". Add a last dimension, {name}.unsqueeze({len(shape)}), or drop that of {first[0]}"
        if s.domain.dtype == "integer" and shape == reference[:-1] and "D" not in dims:
            return f". Classes are dimension 1; if they are the last of {first[0]}, pass {first[0]}.movedim(-1, 1)"
        if s.broadcasts and shape == wanted[: len(shape)]:
            return f". Add dimensions on the right: {name}.reshape({(*shape, *(1 for _ in wanted[len(shape) :]))})"
        if s.broadcasts and len(shape) > len(wanted):
            return f". Broadcasting must not enlarge {first[0]}: reduce {name}, or expand {first[0]} yourself"
    return ""


def check_values(loss: str, name: str, x: Array, domain: Domain, dims: Dims, ignored: int | None) -> Array:
    """Raise where `x`, if it may be read, holds a value outside an enforced domain, or under strict() outside any.

    Answers `x`; where it cannot be read, with NaN for values outside an enforced domain.
    """
    unchecked = not domain.enforced and (domain.dtype == "integer" or not is_strict())  # lengths: the loss checks them
    if unchecked or size(x) == 0:
        return x
    if not is_concrete(x):
        return x if domain.dtype == "integer" else _nan_out_of_domain(x, domain)
    given, x = x, _held(x)
    xp, classes = namespace(x), dims.get(domain.among)
    if domain.dtype == "integer":
        wrong = (x < domain.low) | (x >= classes)
        if ignored is not None:
            wrong = wrong & (x != ignored)
        counted = COUNTED[domain.among]
        allowed = f"the {counted} are 0 to {classes - 1}" if classes else f"there are no {counted}"
        error: type[Exception] = IndexError
    else:
        wrong = _out_of_domain(x, domain)
        bounded = f"{domain.name} lie in {interval(domain.low, domain.high)}"
        finite = f"{domain.name} are finite{' or -inf' if domain.masked else ''}"
        allowed = bounded if math.isfinite(domain.low) or math.isfinite(domain.high) else finite
        if domain.corners:
            sides = "x1 <= x2 and y1 <= y2" if domain.corners == "xyxy" else "no negative side"
            allowed = f"boxes {BOX_FORMATS[domain.corners]} are finite, with {sides}"
        if is_strict():
            wrong = wrong | ~(xp.isfinite(x) | (domain.masked & (x == -xp.inf)))
            wrong = wrong if domain.values is None else wrong | ~_is_value(x, domain.values)
        if domain.values is not None and (is_strict() or domain.enforced):
            allowed = f"{domain.name} are {' or '.join(f'{v:g}' for v in domain.values)}"
        error = ValueError
    if bool(xp.any(wrong)):
        raise error(f"{loss}: {_where(name, x, wrong)}; {allowed}{_value_fix(x, domain, classes, ignored)}")
    return given


def _out_of_domain(x: Array, domain: Domain) -> Array:
    if domain.corners:
        return _inside_out(x, domain.corners)
    slack = domain.slack and domain.slack * float(namespace(x).finfo(x.dtype).eps)
    low, high = domain.low - slack, domain.high + slack
    if kind(x) == "integer":  # which strict libraries compare with integers alone
        info = namespace(x).iinfo(x.dtype)
        low, high = int(max(low, info.min)), int(min(high, info.max))
    outside = (x < low) | (x > high)
    return outside | ~_is_value(x, domain.values) if domain.values is not None and domain.enforced else outside


def _is_value(x: Array, values: tuple[float, ...]) -> Array:
    """Whether a number is one of these; NaN is let through, as by bounds."""
    nan = [namespace(x).isnan(x)] if kind(x) == "float" else []
    return functools.reduce(operator.or_, [*(x == v for v in values), *nan])


def _inside_out(boxes: Array, corners: str) -> Array:
    """Which numbers of boxes are ends that lie before their beginnings, or negative sides."""
    xp = namespace(boxes)
    first, last = boxes[..., :2], boxes[..., 2:]
    wrong = last < first if corners == "xyxy" else last < 0
    return xp.concat([xp.zeros_like(wrong), wrong], axis=-1)


def _nan_out_of_domain(x: Array, domain: Domain) -> Array:
    """Integers, of which only the order counts, stay: among them there is no NaN."""
    xp = namespace(x)
    return xp.where(_out_of_domain(x, domain), xp.nan, x) if kind(x) == "float" else x


def check_sums(loss: str, name: str, x: Array, spec: Spec, dims: Dims, counted: Array | None, eps: float) -> None:
    """Raise where a row of classes that counts does not sum to 1, by more than rounding to `eps` explains."""
    names = [n for n, _ in axes(spec.shape, dims)]
    if not spec.domain.sums or "C" not in names or size(x) == 0:
        return
    x = _held(x)
    xp = namespace(x)
    sums = xp.sum(xp.exp(x) if spec.domain.sums == "logarithms" else x, axis=names.index("C"))
    wrong = ~(xp.abs(sums - 1) <= math.sqrt(eps))
    if counted is not None:
        wrong = wrong & counted
    if bool(xp.any(wrong)):
        logarithms = spec.domain.sums == "logarithms"
        summed = f"exp({name})" if logarithms else name
        fix = f"Pass log_softmax of {name}" if logarithms else f"Divide {name} by its sums"
        where = _where(f"the sum over classes of {summed}", sums, wrong, "is")
        raise ValueError(f"{loss}: {where}; it must be 1 in each row of {spec.domain.name}. {fix}")


def _held(x: Array) -> Array:
    """`x` as a constant that can be read: under jit, JAX would trace the check of one."""
    return to_numpy(x) if is_jax(x) else detach(x)


def _where(name: str, x: Array, wrong: Array, verb: str = "holds") -> str:
    xp = namespace(x)
    count = int(xp.sum(xp.astype(wrong, xp.int64)))
    if x.ndim == 0:
        return f"{name} is {_number(x)}"
    position = tuple(int(i[0]) for i in xp.nonzero(wrong))
    more = f" and {count - 1} more" if count > 1 else ""
    return f"{name} {verb} {_number(x[position])} at {list(position)}{more}"


def _number(x: Array) -> str:
    return str(int(x)) if kind(x) == "integer" else f"{float(x):.9g}"


def _value_fix(x: Array, domain: Domain, classes: int | None, ignored: int | None) -> str:
    xp = namespace(x)
    if domain.dtype == "integer":
        kept = x if ignored is None else x[x != ignored]
        lowest, highest = int(xp.min(kept)), int(xp.max(kept))
        if (lowest, highest) == (1, classes):
            return ". Labels counted from 1? Subtract 1"
        if ignored is not None and (lowest == -1 or highest == 255):
            marked = -1 if lowest == -1 else highest
            return f". To ignore rows marked {marked} pass ignore_index={marked} (it is {ignored})"
        return ""
    if domain.corners == "xyxy":
        return ". Centres and sides? Pass format='cxcywh'; a corner and sides? format='xywh'"
    lowest, highest = float(xp.min(x)), float(xp.max(x))
    if domain.name == "probabilities":
        return ". Logits? Use binary_cross_entropy_with_logits"
    if domain.name == "class probabilities":
        return ". Logits? Pass activation='softmax' or 'sigmoid'"
    if domain.name == "variances":
        return ". End the model in softplus or exp; logarithms of variances? Pass var.exp()"
    if domain.name == "events":
        return (
            ". Coded 1 and 2? Subtract 1" if (lowest, highest) == (1.0, 2.0) else ". Of several kinds? Pass event == 1"
        )
    if domain.name == "durations":
        return (
            ". Durations run from the start of each row, not from a common date: a negative one ends before it begins"
        )
    if domain.name == "rates":
        return ". Logarithms of rates? Pass log_input=True"
    if domain.name == "log-probabilities" and highest > 0:
        return ". Pass its log_softmax"
    if domain.name == "sequence log-probabilities" and highest > 0:
        return ". Pass sums of log-probabilities: minus the summed cross-entropy of each answer"
    if domain.name == "signs" and (lowest, highest) == (0.0, 1.0):
        return ". Labels of 0 and 1? Map them to -1 and +1: 2 * target - 1"
    if (lowest, highest) == (-1.0, 1.0):
        return ". Labels of -1 and +1? Map them to 0 and 1: (target + 1) / 2"
    if highest == 255:
        return ". A mask of 0 and 255? Divide it by 255"
    return ""
