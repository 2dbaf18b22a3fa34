"""The one place that starts kernels."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor


def launch(kernel: Any, grid: Sequence[int], *arguments: Any, **options: Any) -> None:
    """On the device of the first tensor; of meta tensors nothing is computed."""
    start(kernel, tuple(grid), arguments, options)


def start(kernel: Any, grid: tuple[int, ...], arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    first = next(x for x in arguments if isinstance(x, Tensor))
    if first.is_meta:
        return
    elsewhere = first.is_cuda and first.device.index != torch.cuda.current_device()
    with torch.cuda.device(first.device) if elsewhere else nullcontext():
        kernel[grid](*arguments, enable_fp_fusion=True, **options)


def processors(x: Tensor) -> int:
    """How many programs a device runs at once, at least."""
    return torch.cuda.get_device_properties(x.device).multi_processor_count if x.is_cuda else 132
