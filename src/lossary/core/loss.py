"""The decorator that makes a loss of a formula.

The one piece of magic in Lossary: a loss's signature declares options that its body never reads (`reduction`,
`sample_weight`, ...), so that editors, type checkers and `help()` see the whole signature. The call path reads them,
and calls the body, which is the unreduced formula, with the rest.
"""

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from lossary.core.call import call
from lossary.core.contract import Bytes, Domain, Flag, Function, Instance, Range, Spec
from lossary.core.record import CATALOGUE, FAMILIES, HANDLED, PROPERTIES, Elsewhere, Example, Loss, Plot, Source

P = ParamSpec("P")
R = TypeVar("R")

OPTIONS = (Range, Flag, Instance, Function, Bytes)
KEYWORD_TAIL = ("sample_weight", "normalizer", "impl")


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
    domains: Callable[[dict[str, Any]], dict[str, Domain]] = lambda values: {},
    adapt: Callable[[dict[str, Any]], None] | None = None,
    variant: Callable[[Loss, dict[str, Any]], tuple[Loss, dict[str, Any]]] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a loss of a formula: its record enters the catalogue, and calls go through the call path.

    title: one line. formula: LaTeX. unreduced: the shape of the loss before reduction.
    properties: what tests verify, from PROPERTIES. aten: the operator of ATen that answers exactly
    the formula on equal floating dtypes. check: what the contract's words cannot say, called with every argument.
    adapt: brings what torch takes beside the contract to it, called with the arguments as they were given.
    variant: the loss and the arguments for a call that is of another form.
    """

    def decorate(formula_of: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(formula_of)
        def public(*args: P.args, **kwargs: P.kwargs) -> Any:
            return call(record, args, kwargs)

        signature = inspect.signature(formula_of)
        record = Loss(
            name=formula_of.__name__,
            public=public,
            function=formula_of,
            signature=signature,
            data=_annotated(signature, Spec),
            options=_annotated(signature, OPTIONS),
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
            domains=domains,
            adapt=adapt,
            variant=variant,
            defaults={n: p.default for n, p in signature.parameters.items() if p.default is not p.empty},
            positional=sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in signature.parameters.values()),
        )
        _refuse_incomplete(record)
        public.loss = record  # type: ignore[attr-defined]
        CATALOGUE[record.name] = record
        return public

    return decorate


def contract(name: str, formula_of: Callable[..., Any], unreduced: str) -> Loss:
    """The record of a function that is no loss but is checked as one; it is not in the catalogue."""
    signature = inspect.signature(formula_of)
    return Loss(
        name=name,
        public=formula_of,
        function=formula_of,
        signature=signature,
        data=_annotated(signature, Spec),
        options=_annotated(signature, OPTIONS),
        family="",
        title="",
        formula="",
        unreduced=unreduced,
        sources=(),
        properties=(),
        elsewhere=(),
        examples=(),
        pitfalls=(),
        plot=None,
        aten=None,
        reductions=("none",),
        check=None,
        domains=lambda values: {},
        adapt=None,
        defaults={n: p.default for n, p in signature.parameters.items() if p.default is not p.empty},
        positional=sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in signature.parameters.values()),
    )


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
        (bool(undeclared), f"{undeclared} carry no contract: annotate them with a domain, a Range or their kin"),
        (not set(record.properties) <= set(PROPERTIES), f"properties must be among {PROPERTIES}"),
        (not record.doc, "it has no docstring"),
        (not (record.sources and record.examples and record.pitfalls), "sources, examples and pitfalls are needed"),
        (record.name in CATALOGUE, "a loss of this name is in the catalogue already"),
    ]
    for wrong, reason in problems:
        if wrong:
            raise TypeError(f"@loss {record.name}: {reason}")
