"""Calls that are remembered: the next one like them skips the check.

What a check decides follows from types, dtypes, shapes and options, never from data; operators and formulas look at
data themselves. Decision 0005.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lossary.core.arrays import Array
from lossary.core.check import GIVEN, Checked, warn
from lossary.core.record import Loss
from lossary.core.strict import depth
from lossary.kernels.recipe import Formula, Recipe

MAX_REMEMBERED = 4096
"""Many batch sizes and sequence lengths of many losses, 2.6 kB each."""
OPTIONS = (int, float, bool, str, type(None))

REMEMBERED: OrderedDict[Any, Remembered] = OrderedDict()
"""The least recently used first."""
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Remembered:
    """A recipe for later callers. repeat: what runs it, with their args and kwargs. in_cpp: that is C++."""

    recipe: Recipe | Formula
    repeat: Callable[[tuple[Any, ...], dict[str, Any]], Any]
    in_cpp: bool


def cache_key(loss: Loss, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the check of a call depends on: of data their device, dtype, shape and need of a gradient, of options their
    type and value. None for whatever is more than contiguous tensors on the CPU or CUDA devices and plain options."""
    # As `imported` and `is_strict` do it, without their calls: of all that a small loss takes, this is a tenth.
    torch: Any = sys.modules.get("torch")
    if torch is None or torch.__spec__._initializing or torch.compiler.is_dynamo_compiling() or depth.value:
        return None
    # Only now: what compiled code reads must not be changed by its own first run, which imports this.
    operators: Any = sys.modules.get("lossary.kernels.operators")
    if operators is None or operators.__spec__._initializing:
        return None
    key = _cache_key if operators.native is None else operators.native.cache_key
    return key(loss.name, loss.option_places, args, kwargs)


def _cache_key(
    name: str, options: frozenset[int | str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...] | None:
    import torch

    if not _is_plain():
        return None
    tensors, strided = (torch.Tensor, torch.nn.Parameter), torch.strided
    parts: list[Any] = [name, torch.is_grad_enabled(), *kwargs]
    for place, x in (*enumerate(args), *kwargs.items()):
        of = x.__class__
        if of in tensors:
            here = x.is_cpu or x.is_cuda
            if not (here and x.layout is strided and not x.is_nested and x.is_contiguous()) or place in options:
                return None
            parts += (x.get_device(), x.dtype, x.shape, x.requires_grad)
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
        or torch.is_autocast_enabled("cuda")
        or torch.autograd.forward_ad._current_level >= 0
    )


def recall(key: Any) -> Remembered | None:
    try:
        REMEMBERED.move_to_end(key)
        return REMEMBERED[key]
    except KeyError:
        return None


def remember(key: Any, recipe: Recipe | Formula, call: Checked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Keep a recipe, if all that it takes can be had from any caller with this key."""
    if isinstance(recipe, Recipe) and recipe.inplace:  # who made the logits decides whether that is safe
        return
    places: dict[str, int | str] = dict(zip(call.loss.signature.parameters, range(len(args)), strict=False))
    places |= {name: name for name in kwargs}
    needed = {name for source in recipe.sources for name in source.arguments()}
    constants = {name: x for name, x in call.arrays().items() if name in needed and name not in call.given}
    given = {name: args[at] if isinstance(at, int) else kwargs[at] for name, at in places.items()}
    if not all(type(given.get(name)) in (int, float) for name in constants):  # which the key knows
        return
    repeat, in_cpp = repeater(recipe, {n: at for n, at in places.items() if n in needed}, constants, GIVEN.warnings)
    with _lock:
        REMEMBERED[key] = Remembered(recipe, repeat, in_cpp)
        if len(REMEMBERED) > MAX_REMEMBERED:
            REMEMBERED.popitem(last=False)


def repeater(
    recipe: Recipe | Formula,
    places: dict[str, int | str],
    constants: dict[str, Array],
    warnings: Iterable[tuple[str, type[Warning]]] = (),
) -> tuple[Callable[[tuple[Any, ...], dict[str, Any]], Any], bool]:
    """What runs a recipe for a later caller, and whether that is C++.

    places: where the caller has each argument that it takes, in order or by name. constants: arrays that were made of
    numbers, which are in the key. warnings: what each caller is told.
    """
    from lossary.kernels import autograd, operators

    warnings, step, run = tuple(warnings), None, Formula.run
    if isinstance(recipe, Recipe):
        run: Any = autograd.run
        step = autograd.step(recipe, places) if operators.native is not None and not constants else None
    if step is not None and not warnings:
        return step, True

    def repeat(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if step is not None:
            answer = step(args, kwargs)
        else:
            arrays = {n: args[at] if isinstance(at, int) else kwargs[at] for n, at in places.items()} | constants
            answer = run(recipe, [source.of(arrays) for source in recipe.sources])
        for message, category in warnings:
            warn(message, category)
        return answer

    return repeat, step is not None
