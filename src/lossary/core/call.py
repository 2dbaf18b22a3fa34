"""The one path that every call of every loss takes: check, choose, run, reduce."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossary.core import dtensors, implementations
from lossary.core.arrays import Array, cast, is_jax, is_torch, namespace, size_fits
from lossary.core.check import GIVEN, Checked, check
from lossary.core.record import Loss, of
from lossary.core.reduce import Reduced, Unreduced, reduce
from lossary.kernels import plans


def call(loss: Loss, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Array:
    kind = plans.kind(loss.name, args, kwargs)
    plan = None if kind is None else plans.KNOWN.get(kind)
    if plan is not None:
        try:
            return plan.repeat(args, kwargs)
        except plans.Complaint:
            pass  # the check below names the argument
    if kind is not None:
        GIVEN.warnings.clear()
    arguments = loss.bind(args, kwargs)
    try:
        answer = _anew(loss, arguments)
    except dtensors.ERRORS as error:
        dtensors.refuse(loss.name, {name: arguments[name] for name in loss.signature.parameters}, error)
        raise
    if not isinstance(answer, Reduced):
        return answer
    if kind is not None:
        plans.remember(kind, answer, args, kwargs, tuple(GIVEN.warnings))
    return answer.value


def _anew(loss: Loss, arguments: dict[str, Any]) -> Array | Reduced:
    checked = check(loss, arguments)
    implementation = implementations.choose(checked)
    if is_torch(checked.first) or is_jax(checked.first):
        return run(checked, implementation)
    # What NumPy, also under another name, would warn of (log 0, inf - inf) the formulas answer on purpose.
    with np.errstate(all="ignore"):
        return run(checked, implementation)


def run(checked: Checked, implementation: implementations.Implementation) -> Array | Reduced:
    values = implementation.run(checked)
    if isinstance(values, Reduced):
        return values
    unreduced = values if isinstance(values, Unreduced) else Unreduced(values)
    reduced = reduce(unreduced, checked.reduction, _sample_weight(checked, unreduced.values), checked.normalizer)
    return cast(reduced, checked.answer_dtype)


def _sample_weight(checked: Checked, values: Array) -> Array | None:
    """The sample weight with as many dimensions as the loss, which a distance of the caller's own decides."""
    weight = checked.sample_weight
    if weight is None or weight.ndim == values.ndim:
        return weight
    shape, rows = tuple(weight.shape), tuple(values.shape)
    kept, rest = shape[: len(rows)], shape[len(rows) :]
    if any(n != 1 for n in rest) or not size_fits(kept, rows[: len(kept)]):
        raise ValueError(
            f"{checked.loss.name}: sample_weight has the dimensions {shape}, and the unreduced loss the shape {rows}; "
            "give one weight for each of its rows"
        )
    return namespace(values).reshape(weight, kept + (1,) * (len(rows) - len(kept)))


@dataclass(frozen=True)
class Explanation:
    """Which implementations can serve a call, in order of preference, and why the others cannot."""

    loss: str
    refusals: dict[str, str | None]

    @property
    def chosen(self) -> str:
        return next(name for name, reason in self.refusals.items() if reason is None)

    def __str__(self) -> str:
        lines = [f"{self.loss}: {self.chosen} runs"]
        lines += [f"  {name:<10} {reason or 'ok'}" for name, reason in self.refusals.items()]
        return "\n".join(lines)


def explain(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """Say which implementation `function(*args, **kwargs)` runs on, and what the others refuse.

    >>> import numpy as np, lossary
    >>> print(lossary.explain(lossary.mse_loss, np.zeros(3), np.ones(3)))
    mse_loss: reference runs
      aten       it runs on torch tensors; these are numpy arrays
      reference  ok
    """
    loss = of(function)
    checked = check(loss, loss.bind(args, kwargs))
    return Explanation(loss.name, {i.name: i.refuse(checked) for i in implementations.ALL})
