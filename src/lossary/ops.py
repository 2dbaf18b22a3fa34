"""The operators of torch: what they answer on fake tensors, and their gradients.

Importing this module loads the kernels. The gradient comes from the pass that computes the value; a second backward
runs the kernel again, and derivatives of the gradient are those of the formula.
"""

from __future__ import annotations

import ctypes
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from lossary.kernels import log_probs, status
from lossary.kernels.calls import REDUCTIONS
from lossary.kernels.plans import Complaint, computed_in, takes_formula

if TYPE_CHECKING:
    from lossary.kernels.plans import Plan

NONE, SUM = REDUCTIONS["none"], REDUCTIONS["sum"]
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)

missing = status.missing()
if missing is None:
    try:
        torch.ops.load_library(str(status.library()))
    except OSError as error:  # of a torch that is older than what they were built for
        missing = f"The kernels do not load into torch {torch.__version__}, they need 2.11 or newer: {error}"
native: Any = None
"""The module that calls plans in C++, where it was built for this very torch; else they are called from Python."""
build = status.build()
if missing is None and build is not None and build.torch == torch.__version__:
    try:
        native = importlib.import_module("lossary.kernels._autograd")
    except ImportError:  # none was built, or for another Python
        native = None
if missing is None:
    library = ctypes.CDLL(str(status.library()))
    library.lossary_elementwise_functions.restype = ctypes.c_char_p
    FUNCTIONS = {name: i for i, name in enumerate(library.lossary_elementwise_functions().decode().split())}
    if native is not None:
        library.lossary_let_resize_by(ctypes.c_void_p(native.let_resize))


@dataclass(frozen=True)
class Operator:
    """name: of the operator. inputs: the places of its differentiable arguments.

    All end in: row_weight, reduction, normalizer, upstream (what the gradient is multiplied by), gradients (a bit for
    each input whose gradient is wanted); they answer the value and the wanted gradients.
    """

    name: str
    inputs: tuple[int, ...]

    @property
    def overload(self) -> Any:
        return getattr(torch.ops.lossary, self.name).default

    @property
    def over_logits(self) -> Any:
        """The operator that writes its gradient over the logits."""
        return getattr(torch.ops.lossary, f"{self.name}_").default

    def places(self, wanted: int) -> tuple[int, ...]:
        return tuple(place for i, place in enumerate(self.inputs) if wanted >> i & 1)


SOFTMAX_ROWS = Operator("softmax_rows", (0,))
SHAPED_ROWS = Operator("shaped_rows", (0,))
NLL = Operator("nll", (0,))
KL_ROWS = Operator("kl_rows", (0, 1))
ELEMENTWISE = Operator("elementwise", (1, 3))
PAIRS = Operator("pairs", (0, 1, 2))
CTC = Operator("ctc", (0,))
LINEAR = Operator("linear_softmax_rows", (0, 1, 2))


def _answer(plan: Plan, tensors: tuple[Tensor, ...], gradients: int) -> Any:
    try:
        return plan.overload(*plan.filled(tensors), None, gradients)
    except (IndexError, RuntimeError, ValueError) as error:
        raise Complaint from error


class Saved(NamedTuple):
    """What a call leaves for its backward."""

    plan: Plan
    saved_tensors: tuple[Tensor, ...]


class Fused(torch.autograd.Function):
    """The call of an operator by a plan. Kept lean: on small inputs what stands here is most of the time."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, *tensors: Tensor) -> Tensor:
        value, ctx.gradients = _answer(plan, tensors, plan.at_once)
        ctx.plan = plan
        ctx.save_for_backward(*tensors)
        return value if value.dtype is plan.dtype else value.to(plan.dtype)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        if ctx.plan.over_logits is not None:
            return _in_slots(ctx.plan, [_over_logits(ctx, upstream)])
        if takes_formula(upstream):
            return _in_slots(ctx.plan, _of_formula(ctx, upstream))
        ready, ctx.gradients = ctx.gradients, None  # autograd copies a gradient that somebody else holds
        factor = upstream.item() if ready else 0
        # Small gradients of fp16 are 0 before a loss scale comes to them.
        if not ready or (factor != 1 and ready[0].dtype is torch.float16):
            return _in_slots(ctx.plan, _of_operator(ctx, upstream))
        if factor != 1:
            for gradient in ready:
                gradient.mul_(upstream)
        return _in_slots(ctx.plan, ready)


fused: Any = super(torch.autograd.Function, Fused).apply  # pyright: ignore[reportAttributeAccessIssue]
"""`Fused.apply` without the arrangements for functorch, under which no call comes here: 3 of 30 microseconds."""


def forward(plan: Plan, *tensors: Tensor) -> Tensor:
    """The call of an operator of which nobody wants a gradient."""
    value = _answer(plan, tensors, 0)[0]
    return value if value.dtype is plan.dtype else value.to(plan.dtype)


def gradients(plan: Plan, upstream: Tensor, tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """The wanted gradients, computed now."""
    saved = Saved(plan, tensors)
    return _of_formula(saved, upstream) if takes_formula(upstream) else _of_operator(saved, upstream)


def step(plan: Plan) -> Any:
    """What calls the operator from a later caller's arguments, in C++."""
    casts = plan.casts or (None,) * len(plan.slots)
    parts = tuple(zip(plan.sources, casts, plan.slots, plan.order, strict=True))
    arguments = (*plan.arguments, None, plan.at_once)
    return native.Step(f"lossary::{plan.overload._opname}", arguments, parts, plan.dtype, gradients, Complaint)


class Traced(torch.autograd.Function):
    """As `Fused`, for torch.compile, which saves what it likes and differentiates what it sees."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, *tensors: Tensor) -> Tensor:
        value, ready = plan.overload(*plan.filled(tensors), None, plan.at_once)
        ctx.plan = plan
        ctx.save_for_backward(*tensors, *ready)
        return value.to(plan.dtype)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        plan, count = ctx.plan, len(ctx.plan.slots)
        ready = ctx.saved_tensors[count:]
        if ready:
            return _in_slots(plan, [(g * upstream).to(g.dtype) for g in ready])
        return _in_slots(plan, _of_operator(ctx, upstream))


def gradient_memory(limit: int | None = None) -> int:
    """The bytes that are kept for gradients to come; with `limit`, keep at most so many from now on, 0 for none.

    The memory of a large gradient is not handed back when the gradient goes: the next one finds it warm, where fresh
    memory costs more time in page faults than most losses take. At first the limit is 1 GiB, or a sixteenth of the
    machine's memory if that is less.

    Where repeated calls go through Python (`lossary doctor` says so) the storage of a gradient from 1 MiB on cannot be
    resized, which FSDP and offloading do to free it; there the limit becomes 0 once a process group is initialised. At
    0 gradients lie in memory of torch's own.

    >>> gradient_memory() >= 0
    True
    """
    if missing is not None:
        return 0
    if limit is not None:
        if not 0 <= limit < 2**63:
            raise ValueError(f"gradient_memory: limit is {limit}; it must be a number of bytes, 0 for none")
        torch.ops.lossary.gradient_memory_limit(limit)
    return torch.ops.lossary.gradient_memory_held()


def mind_process_groups() -> None:
    """Let torch free gradients in a process group, where kept memory would not let it."""
    distributed = torch.distributed
    if missing is None and native is None and distributed.is_available() and distributed.is_initialized():
        torch.ops.lossary.gradient_memory_limit(0)


def _in_slots(plan: Plan, found: Any) -> tuple[Any, ...]:
    """What autograd wants back: one for the plan, and one for each tensor."""
    found = [*found, None]
    return (None, *[found[i] for i in plan.order])


def _of_operator(ctx: Any, upstream: Tensor) -> list[Tensor]:
    return ctx.plan.overload(*_scaled_by(ctx, upstream), ctx.plan.wanted)[1]


def _scaled_by(ctx: Any, upstream: Tensor) -> list[Any]:
    """An operator's arguments, for a gradient that is multiplied by the incoming one."""
    plan, tensors = ctx.plan, ctx.saved_tensors[: len(ctx.plan.slots)]
    *given, row_weight, reduction, normalizer = plan.filled(tensors)
    weight = upstream.to(computed_in(tensors[0])).contiguous()
    if reduction != NONE:
        return [*given, row_weight, reduction, normalizer, weight]
    if row_weight is not None:
        weight = (weight.reshape(row_weight.numel(), -1) * row_weight.reshape(-1, 1)).reshape(weight.shape)
    return [*given, weight, SUM, None, None]


def _over_logits(ctx: Any, upstream: Tensor) -> Tensor:
    if torch.is_grad_enabled():
        raise RuntimeError("cross_entropy: inplace_backward=True has no second derivative; leave it out")
    logits, *rest = _scaled_by(ctx, upstream)
    gradient = logits.detach()
    ctx.plan.over_logits(gradient, *rest)
    torch.autograd.graph.increment_version(logits)  # so that whoever saved the logits too is told
    return gradient


def _of_formula(ctx: Any, upstream: Tensor) -> list[Tensor]:
    plan, tensors, again = ctx.plan, ctx.saved_tensors, torch.is_grad_enabled()
    inputs = [tensors[plan.order.index(i)] for i in range(len(plan.order) - plan.order.count(-1))]
    with torch.enable_grad():
        value = plan.formula(tensors)
        return list(torch.autograd.grad(value, inputs, upstream.to(value.dtype), create_graph=again))


def _fake(x: Tensor, shape: Any, reduction: int, inputs: tuple[Any, ...], wanted: int) -> tuple[Tensor, list[Tensor]]:
    value = x.new_empty(shape if reduction == NONE else [], dtype=computed_in(x))
    return value, [torch.empty_like(y) for i, y in enumerate(inputs) if wanted >> i & 1]


def _fake_softmax_rows(
    x, target, weight, ignore_index, smoothing, gamma, rows, reduction, normalizer, upstream, wanted
):
    axis = min(x.ndim - 1, 1)
    return _fake(x, [n for i, n in enumerate(x.shape) if i != axis], reduction, (x,), wanted)


def _fake_over_logits(x, target, weight, ignore_index, smoothing, gamma, rows, reduction, normalizer, upstream):
    return _fake_softmax_rows(
        x, target, weight, ignore_index, smoothing, gamma, rows, reduction, normalizer, upstream, 0
    )[0]


def _fake_shaped_rows(
    x, target, shares, weight, ignore_index, smoothing, softcap, temperature, z_loss, rows, reduction, normalizer,
    upstream, wanted,
):  # fmt: skip
    return _fake(x, x.shape[:1], reduction, (x,), wanted)


def _fake_nll(x, target, weight, ignore_index, rows, reduction, normalizer, upstream, wanted):
    axis = min(x.ndim - 1, 1)
    return _fake(x, [n for i, n in enumerate(x.shape) if i != axis], reduction, (x,), wanted)


def _fake_kl_rows(x, target, temperature, rows, reduction, normalizer, upstream, wanted):
    return _fake(x, x.shape[:-1], reduction, (x, target), wanted)


def _fake_elementwise(f, x, target, third, cycle, weight, a, b, rows, reduction, normalizer, upstream, wanted):
    return _fake(x, x.shape, reduction, (x, third), wanted)


def _fake_pairs(x1, x2, x3, target, margin, eps, swap, rows, reduction, normalizer, upstream, wanted):
    return _fake(x1, x1.shape[:-1], reduction, (x1, x2, x3), wanted)


def _fake_ctc(
    x, targets, frames, labels, blank, zero_infinity, from_logits, rows, reduction, normalizer, upstream, wanted
):
    return _fake(x, x.shape[1:-1], reduction, (x,), wanted)


def _fake_linear_softmax_rows(
    x, linear_weight, linear_bias, target, shares, weight, ignore_index, smoothing, softcap, temperature, z_loss,
    memory_budget, widens, rows, reduction, normalizer, upstream, wanted,
):  # fmt: skip
    inputs = (x.contiguous(), linear_weight, linear_bias)
    return _fake(x, (x.shape[0], *linear_weight.shape[1:-1]), reduction, inputs, wanted)


if missing is None:
    torch.library.register_fake("lossary::softmax_rows", _fake_softmax_rows)
    torch.library.register_fake("lossary::softmax_rows_", _fake_over_logits)
    torch.library.register_fake("lossary::shaped_rows", _fake_shaped_rows)
    torch.library.register_fake("lossary::nll", _fake_nll)
    torch.library.register_fake("lossary::kl_rows", _fake_kl_rows)
    torch.library.register_fake("lossary::elementwise", _fake_elementwise)
    torch.library.register_fake("lossary::pairs", _fake_pairs)
    torch.library.register_fake("lossary::ctc", _fake_ctc)
    torch.library.register_fake("lossary::linear_softmax_rows", _fake_linear_softmax_rows)
    log_probs.register()
    mind_process_groups()
