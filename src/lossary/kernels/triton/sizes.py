"""How rows are cut: the form of a kernel, how many rows and classes a program holds, how many warps work on them.

By what the rows are, never by how many there are: the bits of a row do not depend on its batch.
"""

import math
from dataclasses import dataclass

from torch import Tensor

LONGEST_BLOCK = 4096
"""Of a gradient that is nearly all 0, written block by block: 32 elements for each thread of four warps."""


@dataclass(frozen=True)
class Whole:
    """Rows that a program holds in registers: read once, written once. group: what divides the classes."""

    rows: int
    block: int
    group: int
    warps: int

    def options(self) -> dict[str, int]:
        """As kernels take them."""
        return {"ROWS": self.rows, "BLOCK": self.block, "GROUP": self.group, "num_warps": self.warps}


@dataclass(frozen=True)
class Loop:
    """A row read twice: by steps of lanes that are a group wide each, then by blocks of aligned groups."""

    steps: int
    lanes: int
    group: int
    block: int
    wide: int
    ends: bool
    warps: int

    def options(self) -> dict[str, int]:
        first = {"STEPS": self.steps, "LANES": self.lanes, "GROUP": self.group}
        return first | {"BLOCK": self.block, "WIDE": self.wide, "ENDS": self.ends, "num_warps": self.warps}


@dataclass(frozen=True)
class Blocks:
    """Rows of which a program reads some elements, and writes all, by blocks of aligned groups."""

    rows: int
    block: int
    wide: int
    ends: bool
    warps: int

    def options(self) -> dict[str, int]:
        written = {"ROWS": self.rows, "BLOCK": self.block, "WIDE": self.wide, "ENDS": self.ends}
        return written | {"num_warps": self.warps}


def power_of_two(n: int) -> int:
    """The smallest that is not below n."""
    return 1 << max(n - 1, 0).bit_length()


def group_of(x: Tensor) -> int:
    """Elements that are read or written at once, 16 bytes."""
    return 16 // x.element_size()


def of_rows(logits: Tensor, heavy: bool) -> Whole | Loop:
    """heavy: whether each class takes more than its exponential: a target of its own, a transformed logit.

    What is done once for a row is done by each of its warps: it has no more of them than its elements need.
    """
    classes, wide = logits.shape[-1], group_of(logits)
    block, group = power_of_two(classes), math.gcd(classes, wide)
    # Compiled for sm_90 without spills: 64 registers for each thread of 32 warps hold 32 exponentials, of heavy rows
    # 128 hold 16. Smaller groups have more places and masks: twice the registers.
    of_thread, most_warps = (16, 16) if heavy else (32, 32)
    if group < wide:
        most_warps //= 2
    if block > 32 * most_warps * of_thread:
        return in_loop(classes, wide, *((16, 16) if heavy else (32, 16)))
    if block > 32 * group:
        return Whole(1, block, group, max(block // (32 * of_thread), 1))
    # Rows that one reading of a warp takes whole: four for each thread of four warps, with a group of each.
    return Whole(512 * group // block, block, group, 4)


def in_loop(classes: int, wide: int, warps: int, of_thread: int) -> Loop:
    """A lane for each thread, which adds up all that it reads at a step."""
    lanes, group = 32 * warps, math.gcd(classes, wide)
    return Loop(max(of_thread // group, 1), lanes, group, lanes * of_thread, wide, classes % wide != 0, warps)


def of_nll(log_probabilities: Tensor) -> Blocks:
    classes, wide = log_probabilities.shape[-1], group_of(log_probabilities)
    block = min(power_of_two(classes), LONGEST_BLOCK)
    return Blocks(LONGEST_BLOCK // block, block, wide, classes % wide != 0, 4)
