"""A checked call as a call of an operator, and the memory of such calls: the next of the same kind skips the check.

What a check decides follows from dtypes, shapes and options, never from data; the operator itself checks data.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lossary.core.arrays import Array, is_compiling
from lossary.core.check import warn
from lossary.core.contract import axes
from lossary.core.reduce import Reduced
from lossary.core.strict import is_strict
from lossary.kernels.calls import REDUCTIONS, kernel_of, of_one_dtype

if TYPE_CHECKING:
    from lossary.core.check import Checked

MOST = 1024
"""Kinds of calls that are remembered: many batch sizes and sequence lengths, a few kilobytes each."""
OPTIONS = (int, float, bool, str, type(None))

KNOWN: dict[Any, Plan] = {}


@dataclass(frozen=True, slots=True)
class Plan:
    """The call of an operator without its tensors.

    overload, arguments, slots: the operator, what it takes, and the places of the tensors there.
    wanted, at_once: a bit for each input whose gradient is wanted, and for each that the forward answers.
    over_logits: the operator that writes the gradient over the logits, or None.
    order: which of the gradients belongs to each tensor, -1 for none. apply: what calls the operator.
    dtype, shape: of the answer; the shape where it is not the operator's.
    call, parts: the checked call without the tensors that the operator has, and in which slot it has each.
    sources, casts: where a later caller's arguments hold the tensors, and to which dtype some are cast.
    warnings: what each caller is told. step: what does all this in C++, where that is built.
    """

    overload: Any
    arguments: tuple[Any, ...]
    slots: tuple[int, ...]
    wanted: int
    at_once: int
    over_logits: Any
    order: tuple[int, ...]
    apply: Any
    dtype: Any
    shape: tuple[int, ...] | None = None
    call: Checked | None = None
    parts: tuple[tuple[str, int], ...] = ()
    sources: tuple[int | str, ...] = ()
    casts: tuple[Any, ...] = ()
    warnings: tuple[tuple[str, type[Warning]], ...] = ()
    step: Any = None

    def filled(self, tensors: Any) -> list[Any]:
        """The operator's arguments, with `upstream` and `gradients` to follow."""
        arguments = list(self.arguments)
        for slot, tensor in zip(self.slots, tensors, strict=True):
            arguments[slot] = tensor
        return arguments

    def run(self, tensors: Any) -> Array:
        if self.wanted and is_compiling():
            from lossary import ops

            value = ops.Traced.apply(self, *tensors)
        else:
            value = self.apply(self, *tensors)
        return value if self.shape is None else value.reshape(self.shape)

    def repeat(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Array:
        if self.step is not None:
            answer = self.step(self, args, kwargs)
            answer = answer if self.shape is None else answer.reshape(self.shape)
        else:
            tensors = [args[s] if isinstance(s, int) else kwargs[s] for s in self.sources]
            if self.casts:
                tensors = [x if dtype is None else x.to(dtype) for x, dtype in zip(tensors, self.casts, strict=True)]
            answer = self.run(tensors)
        for message, category in self.warnings:
            warn(message, category)
        return answer

    def formula(self, tensors: Any) -> Array:
        """The same call by the formula."""
        from lossary.core.call import run
        from lossary.core.implementations import REFERENCE

        assert self.call is not None
        arguments = self.filled(tensors)
        given = {name: arguments[slot] for name, slot in self.parts}
        beside = {name: given.pop(name) for name in ("sample_weight", "normalizer") if name in given}
        values = self.call.values | given
        first = values[next(iter(self.call.loss.data))]
        return run(dataclasses.replace(self.call, values=values, first=first, **beside), REFERENCE)


def make(call: Checked) -> tuple[Plan, list[Array], list[Array | None]]:
    """The plan of a call that the kernels do not refuse, its tensors, and what of the call each is, or is a cast of."""
    from lossary import ops

    torch, kernel = sys.modules["torch"], kernel_of(call)
    assert kernel is not None
    operator = getattr(ops, kernel.operator)
    arranged = kernel.arrange(of_one_dtype(call))
    *given, row_weight, normalizer = kernel.arguments(arranged)
    arguments = [*given, row_weight, REDUCTIONS[call.reduction], normalizer]
    slots = tuple(i for i, x in enumerate(arguments) if isinstance(x, torch.Tensor))
    wanted = 0
    if torch.is_grad_enabled():
        wanted = sum(
            1 << i for i, place in enumerate(operator.inputs) if place in slots and arguments[place].requires_grad
        )
    places, rearranged = operator.places(wanted), arranged.dims is not call.dims and call.reduction == "none"
    inplace = bool(call.values.get("inplace_backward"))
    # Unreduced, the gradient of each row waits for its upstream one.
    plan = Plan(
        overload=operator.overload,
        arguments=tuple(None if i in slots else x for i, x in enumerate(arguments)),
        slots=slots,
        wanted=wanted,
        at_once=0 if call.reduction == "none" or inplace else wanted,
        over_logits=operator.over_logits if inplace else None,
        order=tuple(places.index(slot) if slot in places else -1 for slot in slots),
        apply=ops.fused if wanted else ops.forward,
        dtype=call.answer_dtype,
        shape=tuple(n for _, n in axes(call.loss.unreduced, call.dims)) if rearranged else None,
    )
    tensors = [arguments[i] for i in slots]
    if is_compiling():  # derivatives of the gradient are the compiler's, and it remembers by itself
        return plan, tensors, []
    parts = _parts(arranged, kernel.inputs, operator.inputs, arguments)
    beside = {n: None for n in ("sample_weight", "normalizer") if n in parts}
    values = {n: None if n in parts else x for n, x in arranged.values.items()}
    rest = dataclasses.replace(arranged, values=values, first=None, answer_dtype=call.dtype, **beside)
    return dataclasses.replace(plan, call=rest, parts=tuple(parts.items())), tensors, _origins(call, tensors)


def _origins(call: Checked, tensors: list[Array]) -> list[Array | None]:
    among: list[Any] = [*call.values.values(), call.sample_weight, call.normalizer]
    given = [x for x in among if hasattr(x, "dtype")]
    rest = [x for x in given if not any(x is tensor for tensor in tensors)]

    def origin(tensor: Array) -> Array | None:
        if any(x is tensor for x in given):
            return tensor
        casts = [
            x for x in rest if x.shape == tensor.shape and not str(x.dtype).endswith("uint64")
        ]  # whose cast clamps
        return casts[0] if len(casts) == 1 and casts[0].dtype != tensor.dtype else None

    return [origin(tensor) for tensor in tensors]


def _parts(call: Checked, inputs: tuple[str, ...], places: tuple[int, ...], arguments: list[Any]) -> dict[str, int]:
    """Which arguments of the loss the operator has as they are, or cast; an input also as a contiguous copy."""
    parts = {name: place for name, place in zip(inputs, places, strict=False) if name in call.specs}
    tensors = {i: x for i, x in enumerate(arguments) if hasattr(x, "dtype") and i not in parts.values()}
    origins = dict(zip(tensors, _origins(call, list(tensors.values())), strict=True))
    for name, x in (*call.values.items(), ("sample_weight", call.sample_weight), ("normalizer", call.normalizer)):
        found = [i for i, origin in origins.items() if origin is x and x is not None]
        if name not in parts and found:
            parts[name] = found[0]
    return parts


def kind(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the check of a call depends on; None where that is more than contiguous CPU tensors and options."""
    ops = sys.modules.get("lossary.ops")  # which the first call that asks for kernels imports, and torch with it
    if ops is None or is_compiling() or is_strict():
        return None
    return _kind(name, args, kwargs) if ops.native is None else ops.native.kind(name, args, kwargs)


def _kind(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    torch = sys.modules["torch"]
    if not _is_plain(torch):
        return None
    tensors, strided = (torch.Tensor, torch.nn.Parameter), torch.strided
    parts: list[Any] = [name, torch.is_grad_enabled(), *kwargs]
    for x in (*args, *kwargs.values()):
        of = x.__class__
        if of in tensors:
            if not (x.is_cpu and x.layout is strided and x.is_contiguous()):
                return None
            parts += (x.dtype, x.shape, x.requires_grad)
        elif of in OPTIONS:
            parts += (of, x)
        else:
            return None
    return tuple(parts)


def _is_plain(torch: Any) -> bool:
    """No transformation, mode or autocast is at work."""
    c = torch._C
    return not (
        c._are_functorch_transforms_active()
        or c._len_torch_dispatch_stack()
        or c._get_tracing_state() is not None
        or torch.is_autocast_enabled("cpu")
        or torch.autograd.forward_ad._current_level >= 0
    )


def remember(
    kind: Any,
    made: Reduced,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    warnings: tuple[tuple[str, type[Warning]], ...],
) -> None:
    """Keep a plan whose tensors are the caller's own, or casts of them, each in one place."""
    plan = made.plan
    if plan.over_logits is not None:  # who made the logits decides whether that is safe
        return
    sources: list[int | str] = []
    for origin in made.origins:
        found = [i for i, x in (*enumerate(args), *kwargs.items()) if x is origin]
        if origin is None or len(found) != 1:
            return
        sources += found
    kept = any(hasattr(x, "dtype") for x in plan.call.values.values())  # it would use that tensor again
    if kept or len(set(sources)) < len(sources):
        return
    from lossary import ops

    casts = [None if x is origin else x.dtype for x, origin in zip(made.tensors, made.origins, strict=True)]
    if len(KNOWN) >= MOST:
        KNOWN.clear()
    plan = dataclasses.replace(
        plan, sources=tuple(sources), casts=tuple(casts) if any(casts) else (), warnings=warnings
    )
    KNOWN[kind] = plan if ops.native is None else dataclasses.replace(plan, step=ops.step(plan))


def takes_formula(upstream: Array) -> bool:
    """Derivatives of the gradient, and gradients of many incoming ones at once, are the formula's."""
    torch = sys.modules["torch"]
    f = torch._C._functorch
    return torch.is_grad_enabled() or f.is_legacy_batchedtensor(upstream) or f.is_batchedtensor(upstream)


def computed_in(x: Array) -> Any:
    torch = sys.modules["torch"]
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def run(call: Checked) -> Reduced:
    plan, tensors, origins = make(call)
    return Reduced(plan.run(tensors), plan, tensors, origins)
