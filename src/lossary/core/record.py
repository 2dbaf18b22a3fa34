"""The record of a loss, and the catalogue of all records."""

import inspect
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lossary.core.arrays import Array
from lossary.core.contract import Choice, Domain, Spec
from lossary.core.shown import bullets, folded, formula, letters, pairs, paragraph, shown

CATALOGUE: dict[str, "Loss"] = {}
OWN: dict[str, "Loss"] = {}
"""Losses of the user's own."""
KNOWN = ChainMap(CATALOGUE, OWN)

FAMILIES = (
    "classification",
    "binary",
    "regression",
    "likelihood",
    "divergence",
    "embedding",
    "margin",
    "sequence",
    "survival",
    "segmentation",
    "detection",
    "preference",
)
PROPERTIES = {
    "convex": "between two predictions it is never above the straight line",
    "nonnegative": "never below 0",
    "zero_at_target": "0 where the prediction is the target",
    "symmetric": "the prediction and the target may change places",
    "shift_invariant": "a number added to all logits changes nothing",
    "translation_invariant": "a vector added to all points, predictions and targets alike, changes nothing",
    "scale_invariant": "a positive number that multiplies all points, predictions and targets alike, changes nothing",
    "permutation_invariant": "rows in another order have the same losses, in that order; a loss of the batch stays",
    "class_symmetric": "classes that change their names, in everything that is passed, change nothing; of two labels, "
    "which change places, the scores change their sign",
    "bounded": "never below {low} and never above {high}, whatever is passed",
    "proper": "over targets drawn from a distribution, the mean is least where that distribution is predicted",
}
"""What a record may declare, and what it says: of the unreduced loss, without weights, whatever the options are but for
those that say that they void it."""
HANDLED = ("size_average", "reduce", "reduction", "sample_weight", "normalizer", "impl")
"""The options that the call path handles: a formula never sees them."""


@dataclass(frozen=True)
class Source:
    """Where a loss comes from: a paper or a book, and the place in it."""

    text: str
    place: str = ""
    url: str = ""

    def __str__(self) -> str:
        return ", ".join(part for part in (self.text, self.place, self.url) if part)


@dataclass(frozen=True)
class Example:
    """A call whose value was worked out by hand."""

    arguments: Mapping[str, Any]
    value: float
    because: str


@dataclass(frozen=True)
class Expect:
    """The numbers to expect in training.

    start: a call of a model that knows nothing yet, and its value. floor: the least value that there is, and where.
    """

    start: Example
    floor: str


@dataclass(frozen=True)
class Minimiser:
    """The constant prediction at which the mean loss over some targets is least: what a model without input learns.

    constant: computes it of the targets and the options; None where no constant prediction makes sense.
    """

    text: str
    constant: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Plot:
    """The curve that shows a loss: its first argument over a range, others fixed, one option swept."""

    low: float
    high: float
    fixed: Mapping[str, Any]
    sweep: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    axis: str = "input"
    embed: Callable[[Array], Array] | None = None


@dataclass(frozen=True)
class Elsewhere:
    """The same loss in another library, with what converts it."""

    library: str
    name: str
    conversion: str = "the same"


@dataclass(frozen=True)
class Held:
    """A term of the formula that is a constant by definition: derivatives of every order and mode hold it.

    when: the options with which it is held, where it is not always.
    """

    term: str
    what: str
    when: str = ""

    def __str__(self) -> str:
        return f"{self.term}: {self.what}" + (f", with {self.when}" if self.when else "")


@dataclass(frozen=True)
class Loss:
    """All that is known about a loss; everything else (modules, documentation, tools, tests) is derived from it.

    public: what users call. function: the formula. data, options: the contract of each argument. option_places: where
    a call has options, by place and by name. rows_independent: whether a row's loss depends on that row alone. kernel:
    the family of kernels that fuses it (lossary.kernels.families).
    unreduced: the shape of the loss before reduction. rows: that of what has a target of its own, mostly the same: the
    pixels, where a loss sums over them.
    symbols: the arguments that the letters of the formulas stand for. gradient: the derivative of the unreduced loss by
    its first argument. derivation: how it follows, in sentences with $LaTeX$. aliases: other names that people use.
    """

    name: str
    public: Callable[..., Any]
    function: Callable[..., Any]
    signature: inspect.Signature
    data: Mapping[str, Spec]
    options: Mapping[str, Any]
    option_places: frozenset[int | str]
    defaults: Mapping[str, Any]
    positional: int
    unreduced: str
    rows: str
    family: str = ""
    title: str = ""
    formula: str = ""
    symbols: Mapping[str, str] = field(default_factory=dict)
    gradient: str = ""
    derivation: str = ""
    held: tuple[Held, ...] = ()
    sources: tuple[Source, ...] = ()
    properties: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None
    rows_independent: bool = True
    elsewhere: tuple[Elsewhere, ...] = ()
    examples: tuple[Example, ...] = ()
    use_when: tuple[str, ...] = ()
    not_when: tuple[str, ...] = ()
    expect: Expect | None = None
    minimiser: Minimiser | None = None
    aliases: tuple[str, ...] = ()
    pitfalls: tuple[str, ...] = ()
    plot: Plot | None = None
    kernel: Any = None
    aten: str | None = None
    reductions: tuple[str, ...] = ()
    check: Callable[..., None] | None = None
    check_data: Callable[..., None] | None = None
    domains: Callable[[dict[str, Any]], dict[str, Domain]] = lambda values: {}
    adapt: Callable[[dict[str, Any]], dict[str, tuple[int, ...]]] | None = None
    variant: Callable[..., "tuple[Loss, dict[str, Any]]"] | None = None
    finish: Callable[[Any, Any], Any] | None = None

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Every parameter's value by name."""
        names = tuple(self.signature.parameters)
        given = dict(zip(names, args, strict=False))
        unknown = [k for k in kwargs if k not in names or k in given]
        values = {**self.defaults, **given, **kwargs}
        if unknown or len(args) > self.positional or len(values) != len(names):
            self._reject(args, kwargs)
        return values

    def _reject(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}; its arguments are {', '.join(self.signature.parameters)}") from None

    def options_beside(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The contract of each option beside the words among `values`, without those that belong to other words."""
        found = dict(self.options)
        for name, allowed in self.options.items():
            for option, ranges in allowed.ranges.items() if isinstance(allowed, Choice) else ():
                found[option] = ranges.get(values[name])
        return {name: allowed for name, allowed in found.items() if allowed is not None}

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.function) or ""

    def __repr__(self) -> str:
        return f"<loss {self.name}: {self.title}>"

    def _repr_html_(self) -> str:
        lists = {
            "Properties": [name.replace("_", " ") for name in self.properties],
            "Pitfalls": self.pitfalls,
            "Elsewhere": [f"{one.library}: `{one.name}`: {one.conversion}" for one in self.elsewhere],
            "Sources": self.sources,
        }
        return shown(
            paragraph(f"{self.title}  `lossary.{self.name}`", "title"),
            formula(self.formula) if self.formula else "",
            letters(self.symbols) if self.symbols else "",
            pairs([*(("when", text) for text in self.use_when), *(("not when", text) for text in self.not_when)]),
            folded("Gradient", formula(self.gradient)) if self.gradient else "",
            *(folded(title, bullets(lines)) for title, lines in lists.items() if lines),
        )


def record_of(function: Callable[..., Any]) -> Loss:
    """The record of a public loss function."""
    record = getattr(function, "loss", None)
    if not isinstance(record, Loss):
        raise TypeError(f"{function!r} is not a loss of Lossary; `lossary.catalogue()` lists them")
    return record


def catalogue(own: bool = False) -> tuple[Loss, ...]:
    """The record of every loss, by family and name; with own=True then those of your own (`lossary.loss`)."""
    found = sorted(CATALOGUE.values(), key=lambda record: (FAMILIES.index(record.family), record.name))
    return (*found, *OWN.values()) if own else tuple(found)
