"""The decorator that makes a loss of a formula.

The one piece of magic in Lossary: a loss's signature declares options that its body never reads (`reduction`,
`sample_weight`, ...), so that editors, type checkers and `help()` see the whole signature. The call path reads them,
and calls the body, which is the unreduced formula, with the rest; and with sample_weight where rows are coupled.
"""

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from lossary.core.contract import Bytes, Choice, Domain, Flag, Function, Instance, Levels, Range, Spec
from lossary.core.record import (
    CATALOGUE,
    FAMILIES,
    HANDLED,
    PROPERTIES,
    Elsewhere,
    Example,
    Expect,
    Held,
    Loss,
    Minimiser,
    Plot,
    Source,
)
from lossary.dispatch.call import call
from lossary.kernels.families import Kernel

P = ParamSpec("P")
R = TypeVar("R")

OPTIONS = (Range, Choice, Levels, Flag, Instance, Function, Bytes)
TOLD = (
    *("symbols", "gradient", "derivation", "sources", "examples", "use_when", "not_when", "aliases", "pitfalls"),
    *("expect", "minimiser"),
)
"""What every loss of the catalogue says."""
KEYWORD_TAIL = ("sample_weight", "normalizer", "impl")


def loss(
    *,
    family: str,
    title: str,
    formula: str,
    symbols: Mapping[str, str],
    gradient: str,
    derivation: str,
    unreduced: str,
    held: tuple[Held, ...] = (),
    rows: str = "",
    sources: tuple[Source, ...],
    properties: tuple[str, ...] = (),
    bounds: tuple[float, float] | None = None,
    rows_independent: bool = True,
    elsewhere: tuple[Elsewhere, ...] = (),
    examples: tuple[Example, ...],
    use_when: tuple[str, ...],
    not_when: tuple[str, ...],
    expect: Expect,
    minimiser: Minimiser,
    aliases: tuple[str, ...],
    pitfalls: tuple[str, ...],
    plot: Plot | None = None,
    kernel: Kernel | None = None,
    aten: str | None = None,
    reductions: tuple[str, ...] = ("none", "mean", "sum"),
    check: Callable[..., None] | None = None,
    check_data: Callable[..., None] | None = None,
    domains: Callable[[dict[str, Any]], dict[str, Domain]] = lambda values: {},
    adapt: Callable[[dict[str, Any]], dict[str, tuple[int, ...]]] | None = None,
    variant: Callable[[Loss, dict[str, Any]], tuple[Loss, dict[str, Any]]] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a loss of a formula: its record enters the catalogue, and calls go through the call path.

    title: one line. formula, gradient: LaTeX, whose letters `symbols` explains. unreduced: the shape of the loss before
    reduction. rows: that of what has a target of its own, where it is not the same. held: what the formula detaches.
    properties: what tests verify, from PROPERTIES. bounds: those of a loss that is "bounded". rows_independent: whether
    a row's loss depends on that row alone; if not, rows of weight 0 are not in the batch, and the body reads
    sample_weight to leave them out. kernel: the family of kernels that fuses it, with what that must know. aten: the
    operator of ATen that answers exactly the formula on equal floating dtypes. check: what the contract's words cannot
    say, called with the checked call; it reads no data. check_data: what it cannot say of data, called before a formula
    runs, and where a kernel complains. adapt: the shapes in which some arguments are taken, where torch takes more than
    the contract says, of the arguments as they were given. variant: the loss and the arguments for a call that is of
    another form.
    """
    fields = dict(locals())  # the arguments, which are fields of the record

    def decorate(formula_of: Callable[P, R]) -> Callable[P, R]:
        record = make_record(formula_of, inspect.signature(formula_of), **fields)
        _refuse_incomplete(record)
        CATALOGUE[record.name] = record
        return record.public

    return decorate


def statistics(
    *,
    unreduced: str,
    kernel: Kernel | None = None,
    check: Callable[..., None] | None = None,
    check_data: Callable[..., None] | None = None,
    finish: Callable[[Any, Any], Any] = lambda call, answer: answer,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function that is no loss and reduces nothing, but is checked, chosen, run and remembered as losses are.

    finish: what becomes of the body's answer, called with the checked call. Its record is not in the catalogue.
    """

    fields = dict(locals())

    def decorate(formula_of: Callable[P, R]) -> Callable[P, R]:
        return make_record(formula_of, inspect.signature(formula_of), **fields).public

    return decorate


def make_record(formula_of: Callable[..., Any], signature: inspect.Signature, **fields: Any) -> Loss:
    """The record of a loss, and its public function, whose attribute `loss` it is."""

    @functools.wraps(formula_of)
    def public(*args: Any, **kwargs: Any) -> Any:
        return call(record, args, kwargs)

    options = _annotated(signature, OPTIONS)
    fields["rows"] = fields.get("rows") or fields["unreduced"]
    places = [i for i, name in enumerate(signature.parameters) if name in options]
    record = Loss(
        name=formula_of.__name__,
        public=public,
        function=formula_of,
        signature=signature,
        data=_annotated(signature, Spec),
        options=options,
        option_places=frozenset([*places, *options]),
        defaults={n: p.default for n, p in signature.parameters.items() if p.default is not p.empty},
        positional=sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in signature.parameters.values()),
        **fields,
    )
    public.loss = record  # type: ignore[attr-defined]
    public.__signature__ = short(signature)  # type: ignore[attr-defined]
    return record


class Words(str):
    """An annotation that a signature shows as it is, without quotes."""

    __repr__ = str.__str__


def short(signature: inspect.Signature) -> inspect.Signature:
    """The signature as `help` shows it: what each array holds and the type of each option, without the contract."""
    parameters = [p.replace(annotation=_words(p.annotation)) for p in signature.parameters.values()]
    return inspect.Signature(parameters, return_annotation=_words(signature.return_annotation))


def _words(annotation: Any) -> Any:
    """None is not among them where it is the default, which stands beside it."""
    if annotation is inspect.Parameter.empty:
        return annotation
    said, *notes = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Annotated else (annotation,)
    if specs := [spec for note in notes if isinstance(note, Spec) for spec in note]:
        return Words(" | ".join(dict.fromkeys(spec.domain.name for spec in specs)))
    text = re.sub(r"(typing\.)?Literal\[[^]]*\]", "str", inspect.formatannotation(said)).removesuffix(" | None")
    for long, word in (("collections.abc.", ""), ("typing.Any", "Array"), ("~A", "Array"), ("Array | float", "float")):
        text = text.replace(long, word)
    return Words(text)


def _annotated(signature: inspect.Signature, wanted: type | tuple[type, ...]) -> dict[str, Any]:
    found = {}
    for name, parameter in signature.parameters.items():
        for annotation in typing.get_args(parameter.annotation)[1:]:
            if isinstance(annotation, Choice):
                words = typing.get_args(typing.get_args(parameter.annotation)[0])
                annotation = dataclasses.replace(annotation, words=words)
            if isinstance(annotation, wanted):
                found[name] = annotation
    return found


def _refuse_incomplete(record: Loss) -> None:
    """A loss enters the catalogue whole or not at all."""
    refuse_wrong(record)
    problems = [
        (record.family not in FAMILIES, f"family {record.family!r} is not one of {FAMILIES}"),
        (not record.doc, "it has no docstring"),
        *((not getattr(record, name), f"{name} is empty") for name in TOLD),
        (record.name in CATALOGUE, "a loss of this name is in the catalogue already"),
    ]
    _raise(record, problems)


def refuse_wrong(record: Loss) -> None:
    """What no call could go by: arguments without a contract, properties that mean nothing."""
    parameters = record.signature.parameters
    keyword_only = tuple(n for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY)
    undeclared = [n for n in parameters if n not in (*record.data, *record.options, *HANDLED)]
    problems = [
        (keyword_only[-3:] != KEYWORD_TAIL, f"the signature must end in the keyword-only {KEYWORD_TAIL}"),
        ("reduction" not in parameters, "the signature has no `reduction`"),
        (bool(undeclared), f"{undeclared} carry no contract: annotate them with a domain, a Range or their kin"),
        (not set(record.properties) <= set(PROPERTIES), f"properties must be among {tuple(PROPERTIES)}"),
        (
            ("bounded" in record.properties) != (record.bounds is not None),
            "the property 'bounded' and bounds=(lowest, highest) come together",
        ),
    ]
    _raise(record, problems)


def _raise(record: Loss, problems: list[tuple[bool, str]]) -> None:
    for wrong, reason in problems:
        if wrong:
            raise TypeError(f"@loss {record.name}: {reason}")
