"""The ways to compute a loss, in order of preference; each says why it cannot serve a call."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from lossary.core import reference
from lossary.core.arrays import Array, is_compiling, is_torch, is_transformed, library
from lossary.core.check import Checked, prepare, warn
from lossary.core.contract import shown
from lossary.core.strict import is_strict
from lossary.kernels import families, status
from lossary.kernels.recipe import DataError, Formula, Recipe, make, of_formula


@dataclass(frozen=True)
class Implementation:
    """refuse: the reason why this one cannot serve a call, or None. recipe: what it does, to be remembered, and its
    tensors; None where it is not remembered. run: the answer."""

    name: str
    refuse: Callable[[Checked], str | None]
    recipe: Callable[[Checked], tuple[Recipe | Formula | None, list[Array]]]
    run: Callable[[Checked, Any, list[Array]], Any]


def _refuse_aten(call: Checked) -> str | None:
    if call.loss.aten is None:
        return "ATen has no operator that answers exactly what the contract asks"
    if not is_torch(call.first):
        return f"it runs on torch tensors; these are {library(call.first)} arrays"
    if call.answer_dtype != call.dtype:
        return f"it would round each element to {call.answer_dtype}, and the sum must not"
    data = [call.values[name] for name in call.loss.data if call.values[name] is not None]
    if len(data) > 2:
        return "weights are not ATen's"
    if any(is_transformed(x) for x in data):
        return "inside vmap and its kin torch's batching rules resize outputs, and warn"
    if any(x.shape != call.first.shape for x in data):
        return "input and target differ in shape"
    return None


def _run_aten(call: Checked, recipe: Any, tensors: list[Array]) -> Any:
    # Not torch.nn.functional, which `lossary.patch_torch` sends here; its "none" is 0.
    import torch

    operator = getattr(torch.ops.aten, str(call.loss.aten))
    values = prepare(call)
    data = [values[name] for name in call.loss.data if values[name] is not None]
    return reference.finish(call, operator(*data, 0))


def _run_fused(call: Checked, recipe: Recipe, tensors: list[Array]) -> Any:
    from lossary.kernels import autograd

    if is_strict():
        prepare(call)
    try:
        return autograd.run(recipe, tensors)
    except DataError as error:
        prepare(call)  # which knows the argument, the position and the fix
        raise error.__cause__ from None  # pyright: ignore[reportGeneralTypeIssues]


def _formula(call: Checked) -> tuple[Formula | None, list[Array]]:
    return of_formula(call) if is_torch(call.first) and not is_compiling() else (None, [])


FUSED = Implementation("fused", families.refuse, make, _run_fused)
REFERENCE = Implementation("reference", lambda call: None, _formula, lambda call, *_: reference.run(call))
ALL = (
    FUSED,
    Implementation("aten", _refuse_aten, lambda call: (None, []), _run_aten),
    REFERENCE,
)


@cache
def _mention(missing: str) -> None:
    """Once in a process, to those whom kernels would have served."""
    costs = "Until then losses of torch tensors on the CPU run as array operations, several times slower"
    warn(f"{missing}. {costs}", repeated=False)


def check_impl(loss: str, impl: Any) -> None:
    if not isinstance(impl, str) or impl not in ("auto", *(i.name for i in ALL)):
        known = ", ".join(repr(i.name) for i in ALL)
        raise ValueError(f"{loss}: impl is {shown(impl)}; it must be 'auto' or one of {known}")


def choose(call: Checked) -> Implementation:
    """The first implementation that does not refuse, or the one that was asked for by name."""
    name, wanted = call.loss.name, call.impl
    check_impl(name, wanted)
    if call.values.get("inplace_backward"):
        reason = FUSED.refuse(call) or families.refuse_inplace(call)
        if reason is None and wanted in ("auto", FUSED.name):
            return FUSED
        reason = reason or f"only 'fused' can overwrite the logits, and impl is {wanted!r}"
        raise ValueError(f"{name}: inplace_backward=True is not possible: {reason}. Leave it out")
    for implementation in ALL:
        if wanted in ("auto", implementation.name):
            reason = implementation.refuse(call)
            if reason is None:
                return implementation
            if wanted != "auto":
                raise ValueError(f"{name}: impl={wanted!r} cannot serve this call: {reason}. Use impl='auto'")
            if not is_compiling() and reason == status.missing():
                _mention(reason)
    raise AssertionError("the reference never refuses")
