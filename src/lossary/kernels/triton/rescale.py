"""Gradients that are there already, multiplied by the incoming one."""

import triton
import triton.language as tl
from torch import Tensor

from lossary.kernels.triton.launch import launch, processors

BLOCK = 4096


@triton.jit
def rescale(gradient, upstream, elements, BLOCK: tl.constexpr):
    """Reads and writes nothing where upstream is 1, as it is at the end of most training steps."""
    factor = tl.load(upstream).to(tl.float32)
    if factor != 1.0:
        first = tl.program_id(0).to(tl.int64) * BLOCK
        stride = tl.num_programs(0).to(tl.int64) * BLOCK
        for begin in range(first, elements, stride):
            place = begin + tl.arange(0, BLOCK)
            within = place < elements
            x = tl.load(gradient + place, within, 0.0).to(tl.float32)
            tl.store(gradient + place, x * factor, within)


def rescale_(gradients: list[Tensor], upstream: Tensor) -> None:
    for gradient in gradients:
        elements = gradient.numel()
        programs = min(-(-elements // BLOCK), 4 * processors(gradient))
        if programs:
            launch(rescale, (programs,), gradient, upstream, elements, BLOCK=BLOCK, num_warps=8)
