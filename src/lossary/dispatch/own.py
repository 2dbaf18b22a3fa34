"""A loss of one's own: a decorator that makes it of its formula, with nothing but annotated arguments."""

import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

from lossary.core.arrays import Array, Impl, Reduction
from lossary.core.contract import Flag, Range, Spec, real
from lossary.core.record import CATALOGUE, OWN, Loss, Plot
from lossary.dispatch.loss import make_record, refuse_wrong

AXES_OF_A_ROW = {"C", "D"}
"""Classes and dimensions: axes that a loss of rows takes away."""


def _keyword(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


EVERY_LOSS_HAS = (
    _keyword("reduction", "mean", Reduction),
    _keyword("sample_weight", None, Array | None),
    _keyword("normalizer", None, Array | float | None),
    _keyword("impl", "auto", Impl),
)


def loss(formula_of: Callable[..., Any] | None = None, /, *, unreduced: str | None = None, **fields: Any) -> Any:
    """Make a loss of a formula of your own, in array API operations: unreduced values of annotated arguments.

    It gets reductions, sample weights, checks of its arguments, every array library and half precision in fp32, and
    `lossary.check`, `lossary.explain`, `lossary.plots` and `lossary.testing` take it; so does the command line, as
    MODULE:NAME. It is not in `lossary.catalogue()`, but in `lossary.catalogue(own=True)`.

    Arguments that are arrays are annotated with a word of `lossary.contract` and their shape; numbers and flags may be
    left to their defaults. unreduced: the shape of the values, if it is not that of the first argument without its
    classes. fields: whatever else is known, as of the records of Lossary: formula, gradient, properties, examples,
    plot, pitfalls, aliases, ...

    Raises TypeError where an argument has no contract, a field is unknown, or Lossary has a loss of this name.

    >>> from typing import Annotated, Any
    >>> import numpy as np
    >>> import lossary
    >>> from lossary.contract import real
    >>> @lossary.loss
    ... def charbonnier_loss(input: Annotated[Any, real("*s")], target: Annotated[Any, real("*s")], eps: float = 1e-3):
    ...     "A smooth absolute error."
    ...     return ((input - target) ** 2 + eps**2) ** 0.5
    >>> float(charbonnier_loss(np.array([3.0, 0.0]), np.array([0.0, 4.0]), eps=0.0, reduction="sum"))
    7.0
    """
    if formula_of is None:
        return lambda formula_of: loss(formula_of, unreduced=unreduced, **fields)
    name = formula_of.__name__
    if name in CATALOGUE:
        raise TypeError(f"@lossary.loss {name}: Lossary has a loss of this name; choose another")
    unknown = sorted(fields.keys() - Loss.__dataclass_fields__.keys())
    if unknown:
        raise TypeError(f"@lossary.loss {name}: a record has no {', '.join(unknown)}")
    signature = _whole(inspect.signature(formula_of, eval_str=True))
    record = make_record(
        formula_of,
        signature,
        **{
            "family": "own",
            "title": (inspect.getdoc(formula_of) or name).partition("\n")[0],
            "reductions": ("none", "mean", "sum"),
            "unreduced": unreduced or _shape_of_rows(name, signature),
            "plot": _plot(signature),
            **fields,
        },
    )
    refuse_wrong(record)
    OWN[name] = record
    return record.public


def _whole(signature: inspect.Signature) -> inspect.Signature:
    """The signature with what every loss has, and a contract for each plain number or flag."""
    given = [_with_contract(p) for p in signature.parameters.values()]
    missing = [p for p in EVERY_LOSS_HAS if p.name not in signature.parameters]
    return signature.replace(parameters=[*given, *missing])


def _with_contract(parameter: inspect.Parameter) -> inspect.Parameter:
    default = parameter.default
    if typing.get_origin(parameter.annotation) is Annotated or not isinstance(default, int | float):
        return parameter
    allowed = Flag() if isinstance(default, bool) else Range()
    return parameter.replace(annotation=Annotated[type(default), allowed])


def _shape_of_rows(name: str, signature: inspect.Signature) -> str:
    first = next(iter(signature.parameters.values()), None)
    for spec in typing.get_args(first.annotation)[1:] if first else ():
        return " ".join(axis for axis in spec.shape.split() if axis not in AXES_OF_A_ROW)
    raise TypeError(
        f"@lossary.loss {name}: its first argument has no contract: annotate it with a word of lossary.contract, as in "
        'Annotated[Any, real("*s")]'
    )


def _plot(signature: inspect.Signature) -> Plot | None:
    """The curve over the error, of a loss of numbers and their targets; others name theirs."""
    data = {p.name: spec for p in signature.parameters.values() for spec in typing.get_args(p.annotation)[1:]}
    arrays = {name: spec for name, spec in data.items() if isinstance(spec, Spec)}
    required = [name for name in arrays if signature.parameters[name].default is inspect.Parameter.empty]
    is_of_errors = len(required) == 2 and all(arrays[name] == real("*s") for name in required)
    return Plot(-3.0, 3.0, {required[1]: 0.0}, axis="x - y") if is_of_errors else None
