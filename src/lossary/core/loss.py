"""The record of a loss, the decorator that makes one from a formula, and the catalogue of all.

The one piece of magic in Lossary: a loss's signature declares options that its body never reads (`reduction`,
`sample_weight`, ...), so that editors, type checkers and `help()` see the whole signature. The call path reads them,
and calls the body, which is the unreduced formula, with the rest.
"""

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from lossary.core.arrays import Array
from lossary.core.contract import Flag, Range, Spec

P = ParamSpec("P")
R = TypeVar("R")

CATALOGUE: dict[str, "Loss"] = {}

FAMILIES = (
    "classification",
    "binary",
    "regression",
    "likelihood",
    "divergence",
    "embedding",
    "margin",
    "sequence",
    "segmentation",
    "detection",
    "preference",
)
PROPERTIES = ("convex", "nonnegative", "zero_at_target", "symmetric", "shift_invariant")
HANDLED = ("size_average", "reduce", "reduction", "sample_weight", "normalizer", "impl")
"""The options that the call path handles: a formula never sees them."""
KEYWORD_TAIL = ("sample_weight", "normalizer", "impl")


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
class Loss:
    """All that is known about a loss; everything else (modules, documentation, tools, tests) is derived from it.

    public: what users call. function: the formula. data, options: the contract of each argument.
    """

    name: str
    public: Callable[..., Any]
    function: Callable[..., Any]
    signature: inspect.Signature
    data: Mapping[str, Spec]
    options: Mapping[str, Any]
    family: str
    title: str
    formula: str
    unreduced: str
    sources: tuple[Source, ...]
    properties: tuple[str, ...]
    elsewhere: tuple[Elsewhere, ...]
    examples: tuple[Example, ...]
    pitfalls: tuple[str, ...]
    plot: Plot | None
    aten: str | None
    reductions: tuple[str, ...]
    check: Callable[..., None] | None
    defaults: Mapping[str, Any]
    positional: int

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

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.function) or ""


def loss(
    *,
    family: str,
    title: str,
    formula: str,
    unreduced: str,
    sources: tuple[Source, ...],
    properties: tuple[str, ...] = (),
    elsewhere: tuple[Elsewhere, ...] = (),
    examples: tuple[Example, ...],
    pitfalls: tuple[str, ...],
    plot: Plot | None = None,
    aten: str | None = None,
    reductions: tuple[str, ...] = ("none", "mean", "sum"),
    check: Callable[..., None] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a loss of a formula: its record enters the catalogue, and calls go through the call path.

    title: one line. formula: LaTeX. unreduced: the shape of the loss before reduction.
    properties: what tests verify, from PROPERTIES. aten: the function of torch.nn.functional that answers exactly
    the formula on equal floating dtypes. check: what the contract's words cannot say, called with every argument.
    """

    def decorate(formula_of: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(formula_of)
        def public(*args: P.args, **kwargs: P.kwargs) -> Any:
            return call(record, record.bind(args, kwargs))

        signature = inspect.signature(formula_of)
        record = Loss(
            name=formula_of.__name__,
            public=public,
            function=formula_of,
            signature=signature,
            data=_annotated(signature, Spec),
            options=_annotated(signature, (Range, Flag)),
            family=family,
            title=title,
            formula=formula,
            unreduced=unreduced,
            sources=sources,
            properties=properties,
            elsewhere=elsewhere,
            examples=examples,
            pitfalls=pitfalls,
            plot=plot,
            aten=aten,
            reductions=reductions,
            check=check,
            defaults={n: p.default for n, p in signature.parameters.items() if p.default is not p.empty},
            positional=sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in signature.parameters.values()),
        )
        _refuse_incomplete(record)
        public.loss = record  # type: ignore[attr-defined]
        CATALOGUE[record.name] = record
        return public

    from lossary.core.call import call

    return decorate


def of(function: Callable[..., Any]) -> Loss:
    """The record of a public loss function."""
    record = getattr(function, "loss", None)
    if not isinstance(record, Loss):
        raise TypeError(f"{function!r} is not a loss of Lossary; `lossary.catalogue()` lists them")
    return record


def _annotated(signature: inspect.Signature, wanted: type | tuple[type, ...]) -> dict[str, Any]:
    found = {}
    for name, parameter in signature.parameters.items():
        for annotation in typing.get_args(parameter.annotation)[1:]:
            if isinstance(annotation, wanted):
                found[name] = annotation
    return found


def _refuse_incomplete(record: Loss) -> None:
    """A loss enters the catalogue whole or not at all."""
    parameters = record.signature.parameters
    keyword_only = tuple(n for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY)
    undeclared = [n for n in parameters if n not in (*record.data, *record.options, *HANDLED)]
    problems = [
        (record.family not in FAMILIES, f"family {record.family!r} is not one of {FAMILIES}"),
        (keyword_only[-3:] != KEYWORD_TAIL, f"the signature must end in the keyword-only {KEYWORD_TAIL}"),
        ("reduction" not in parameters, "the signature has no `reduction`"),
        (bool(undeclared), f"{undeclared} carry no contract: annotate them with a domain, a Range or a Flag"),
        (not set(record.properties) <= set(PROPERTIES), f"properties must be among {PROPERTIES}"),
        (not record.doc, "it has no docstring"),
        (not (record.sources and record.examples and record.pitfalls), "sources, examples and pitfalls are needed"),
        (record.name in CATALOGUE, "a loss of this name is in the catalogue already"),
    ]
    for wrong, reason in problems:
        if wrong:
            raise TypeError(f"@loss {record.name}: {reason}")


def catalogue() -> tuple[Loss, ...]:
    """The record of every loss, by family."""
    return tuple(sorted(CATALOGUE.values(), key=lambda record: FAMILIES.index(record.family)))
