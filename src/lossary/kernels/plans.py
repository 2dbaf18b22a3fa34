"""A checked call as a call of an operator, and the memory of such calls: the next of the same kind skips the check.

What a check decides follows from dtypes, shapes and options, never from data; the operator itself checks data.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lossary.core.arrays import Array, is_array, is_compiling
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
_kinds: list[Any] = []
"""What is in `KNOWN`, by places of which a new kind takes one when all are taken."""
_lock = threading.Lock()


class Complaint(Exception):
    """What an operator says of its data. Its cause is the operator's own error, which knows no argument's name.

    A type of its own, since what else a call raises, in hooks of the caller's for one, is the caller's.
    """


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
    derived: how to make the tensors where a later caller has not all of them, in place of sources and casts.
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
    derived: Derived | None = None
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
        elif self.derived is not None:
            _, arguments = _arguments(self.derived.call_of(args, kwargs))
            answer = self.run([arguments[i] for i in self.slots])
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
        beside = {name: given.pop(name) for name in BESIDE_VALUES if name in given}
        values = self.call.values | given
        first = values[next(iter(self.call.loss.data))]
        return run(dataclasses.replace(self.call, values=values, first=first, **beside), REFERENCE)


@dataclass(frozen=True, slots=True)
class Derived:
    """A checked call without its tensors.

    parts: of each, its name, where a later caller's arguments hold it, and the dtype and the shape that the check gave
    it, None where these are the caller's.
    """

    call: Checked
    parts: tuple[tuple[str, int | str, Any, Any], ...]

    def call_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Checked:
        given = {}
        for name, source, dtype, shape in self.parts:
            x = args[source] if isinstance(source, int) else kwargs[source]
            x = x if dtype is None else x.to(dtype)
            given[name] = x if shape is None else x.reshape(shape)
        beside = {name: given.pop(name) for name in BESIDE_VALUES if name in given}
        values = self.call.values | given
        return dataclasses.replace(self.call, values=values, first=values[next(iter(self.call.loss.data))], **beside)


BESIDE_VALUES = ("sample_weight", "normalizer")
"""Arrays of a checked call that are not among its values."""


def _arguments(call: Checked) -> tuple[Checked, list[Any]]:
    """The call as its kernel wants data to lie, and the operator's arguments."""
    kernel = kernel_of(call)
    arranged = kernel.arrange(of_one_dtype(call))
    *given, row_weight, normalizer = kernel.arguments(arranged)
    return arranged, [*given, row_weight, REDUCTIONS[call.reduction], normalizer]


def make(call: Checked) -> tuple[Plan, list[Array]]:
    """The plan of a call that the kernels do not refuse, and its tensors."""
    import torch

    from lossary import ops

    kernel = kernel_of(call)
    operator = getattr(ops, kernel.operator)
    arranged, arguments = _arguments(call)
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
        return plan, tensors
    ops.mind_process_groups()
    parts = _parts(arranged, kernel.inputs, operator.inputs, arguments)
    beside = {n: None for n in BESIDE_VALUES if n in parts}
    values = {n: None if n in parts else x for n, x in arranged.values.items()}
    rest = dataclasses.replace(arranged, values=values, first=None, answer_dtype=call.dtype, **beside)
    return dataclasses.replace(plan, call=rest, parts=tuple(parts.items())), tensors


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
    # As `imported` finds modules, without its call: of all that a small loss takes, this is a tenth.
    torch: Any = sys.modules.get("torch")
    if torch is None or torch.__spec__._initializing or torch.compiler.is_dynamo_compiling() or is_strict():
        return None
    # Only now: what compiled code reads must not be changed by its own first run, which imports this.
    ops: Any = sys.modules.get("lossary.ops")
    if ops is None or ops.__spec__._initializing:
        return None
    return _kind(name, args, kwargs) if ops.native is None else ops.native.kind(name, args, kwargs)


def _kind(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    import torch

    if not _is_plain():
        return None
    tensors, strided = (torch.Tensor, torch.nn.Parameter), torch.strided
    parts: list[Any] = [name, torch.is_grad_enabled(), *kwargs]
    for x in (*args, *kwargs.values()):
        of = x.__class__
        if of in tensors:
            if not (x.is_cpu and x.layout is strided and not x.is_nested and x.is_contiguous()):
                return None
            parts += (x.dtype, x.shape, x.requires_grad)
        elif of in OPTIONS:
            parts += (of, x)
        else:
            return None
    return tuple(parts)


def _is_plain() -> bool:
    """No transformation, mode or autocast is at work."""
    import torch

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
    """Keep a plan, with where its tensors are among the arguments of a call."""
    plan = made.plan
    if plan.over_logits is not None:  # who made the logits decides whether that is safe
        return
    loss = plan.call.loss
    given = dict(zip(loss.signature.parameters, args, strict=False)) | kwargs
    arrays = [x for x in given.values() if is_array(x)]
    beside = (getattr(plan.call, name) for name in BESIDE_VALUES)
    if (
        any(is_array(given.get(name)) for name in loss.options)  # a kind knows no tensor's value
        or any(is_array(x) for x in (*plan.call.values.values(), *beside))  # it would use that tensor again
        or len({id(x) for x in arrays}) < len(arrays)  # which of two places a tensor comes from cannot be told
    ):
        return
    how = _sources(made, args, kwargs) or _derived(made.call, args, kwargs)
    if how is None:
        return
    plan = dataclasses.replace(plan, warnings=warnings, **how)
    from lossary import ops

    in_cpp = ops.native is not None and plan.derived is None
    _keep(kind, dataclasses.replace(plan, step=ops.step(plan)) if in_cpp else plan)


def _sources(made: Reduced, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Where the operator's tensors are, if they are the caller's own, or casts of them."""
    origins = _origins(made.call, made.tensors)
    if any(origin is None for origin in origins):
        return None
    places = [i for origin in origins for i, x in (*enumerate(args), *kwargs.items()) if x is origin]
    if not len(set(places)) == len(places) == len(origins):
        return None
    casts = [None if x is origin else x.dtype for x, origin in zip(made.tensors, origins, strict=True)]
    return {"sources": tuple(places), "casts": tuple(casts) if any(casts) else ()}


def _derived(call: Checked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """How the operator's tensors are made, if the arrays of the checked call are the caller's own, cast and reshaped
    at most."""
    places = dict(zip(call.loss.signature.parameters, range(len(args)), strict=False)) | {name: name for name in kwargs}
    parts = []
    for name, x in (*call.values.items(), *((name, getattr(call, name)) for name in BESIDE_VALUES)):
        if not is_array(x):
            continue
        place = places.get(name)
        own: Any = args[place] if isinstance(place, int) else kwargs.get(name)
        if type(own) in (int, float):  # which the kind knows
            continue
        if not is_array(own) or own.numel() != x.numel():
            return None
        dtype, shape = (None if own.dtype == x.dtype else x.dtype), (None if own.shape == x.shape else tuple(x.shape))
        if dtype is not None and str(own.dtype).endswith("uint64"):  # whose cast clamps
            return None
        parts.append((name, place, dtype, shape))
    names = {name for name, *_ in parts}
    values = {name: None if name in names else x for name, x in call.values.items()}
    beside = {name: None for name in BESIDE_VALUES if name in names}
    return {"derived": Derived(dataclasses.replace(call, values=values, first=None, **beside), tuple(parts))}


def _keep(kind: Any, plan: Plan) -> None:
    with _lock:
        if kind not in KNOWN:
            if len(_kinds) < MOST:
                _kinds.append(kind)
            else:  # the oldest would be the next that is asked for, where the same kinds come round and round
                place = hash(kind) % MOST
                KNOWN.pop(_kinds[place], None)
                _kinds[place] = kind
        KNOWN[kind] = plan


def takes_formula(upstream: Array) -> bool:
    """Derivatives of the gradient, and gradients of many incoming ones at once, are the formula's."""
    import torch

    f = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]
    return torch.is_grad_enabled() or f.is_legacy_batchedtensor(upstream) or f.is_batchedtensor(upstream)


def computed_in(x: Array) -> Any:
    import torch

    return torch.float64 if x.dtype == torch.float64 else torch.float32


def run(call: Checked) -> Reduced:
    plan, tensors = make(call)
    return Reduced(plan.run(tensors), plan, tensors, call)
