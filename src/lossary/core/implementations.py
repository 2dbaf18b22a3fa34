"""The ways to compute a loss, in order of preference; each says why it cannot serve a call."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lossary.core.arrays import is_torch, is_transformed, library
from lossary.core.check import Checked, prepare
from lossary.core.contract import shown
from lossary.core.strict import is_strict
from lossary.kernels import calls, plans


@dataclass(frozen=True)
class Implementation:
    """refuse: the reason why this one cannot serve a call, or None. run: the unreduced loss, or the reduced one."""

    name: str
    refuse: Callable[[Checked], str | None]
    run: Callable[[Checked], Any]


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


def _run_aten(call: Checked) -> Any:
    # Not torch.nn.functional, which `lossary.patch_torch` sends here; its "none" is 0.
    import torch

    operator = getattr(torch.ops.aten, str(call.loss.aten))
    values = prepare(call)
    data = [values[name] for name in call.loss.data if values[name] is not None]
    return operator(*data, 0)


def _run_fused(call: Checked) -> Any:
    if is_strict():
        prepare(call)
    try:
        return plans.run(call)
    except plans.Complaint as complaint:
        prepare(call)  # which knows the argument, the position and the fix
        raise complaint.__cause__ from None  # pyright: ignore[reportGeneralTypeIssues]


REFERENCE = Implementation("reference", lambda call: None, lambda call: call.loss.function(**prepare(call)))
FUSED = Implementation("fused", calls.refuse, _run_fused)
ALL = (
    FUSED,
    Implementation("aten", _refuse_aten, _run_aten),
    REFERENCE,
)


def check_impl(loss: str, impl: Any) -> None:
    if not isinstance(impl, str) or impl not in ("auto", *(i.name for i in ALL)):
        known = ", ".join(repr(i.name) for i in ALL)
        raise ValueError(f"{loss}: impl is {shown(impl)}; it must be 'auto' or one of {known}")


def choose(call: Checked) -> Implementation:
    """The first implementation that does not refuse, or the one that was asked for by name."""
    name, wanted = call.loss.name, call.impl
    check_impl(name, wanted)
    if call.values.get("inplace_backward"):
        reason = FUSED.refuse(call) or calls.refuse_inplace(call)
        if reason is None and wanted in ("auto", FUSED.name):
            return FUSED
        reason = reason or f"impl={wanted!r} writes nothing over logits"
        raise ValueError(f"{name}: inplace_backward=True is not possible: {reason}. Leave it out")
    for implementation in ALL:
        if wanted in ("auto", implementation.name):
            reason = implementation.refuse(call)
            if reason is None:
                return implementation
            if wanted != "auto":
                raise ValueError(f"{name}: impl={wanted!r} cannot serve this call: {reason}. Use impl='auto'")
    raise AssertionError("the reference never refuses")
