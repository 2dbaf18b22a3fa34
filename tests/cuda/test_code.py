"""The code of every kernel that test_launches.py sees, compiled for devices that are not there."""

from dataclasses import replace
from functools import cache

import pytest
import torch
import triton
import triton.language as tl
from calls import CALLS, data
from launches import Code, Launch, recorded

INSTRUCTIONS = {"mse_loss": 17, "cross_entropy": 32, "binary_cross_entropy_with_logits": 43}
"""The most for each element, in bf16, on sm_90, with branches that are rarely taken: 14 of the 32 of cross-entropy."""


@cache
def launched(name: str, dtype: torch.dtype) -> list[Launch]:
    with recorded() as found:
        CALLS[name].run(dtype)
    return found


SEVERAL = [name for name in CALLS if name.startswith(("cox_loss", "rnnt_loss", "info_nce_loss"))]
"""Losses of several kernels of their own."""
BY_ELEMENT = {"nll_loss", "odd", "images", "short rows", *SEVERAL} - {"rnnt_loss"}
"""Where rows begin anywhere, or lie in any order, and where a thread has fewer neighbours than 16 bytes hold."""
SPILLS = pytest.mark.xfail(strict=True, reason="8 bytes of each thread, in a branch that is rarely taken")
SOME = ["cross_entropy", "mse_loss", "odd", "images", "cosine_embedding_loss"]


@pytest.mark.parametrize(
    ("name", "dtype", "capability"),
    [
        *((name, torch.bfloat16, 90) for name in CALLS),
        *((name, torch.float32, 90) for name in SOME[1:]),
        *((name, torch.bfloat16, other) for name in SOME for other in (80, 100)),
        pytest.param("cross_entropy", torch.float32, 90, marks=SPILLS),
    ],
)
def test_code(name: str, dtype: torch.dtype, capability: int) -> None:
    launch = max(launched(name, dtype), key=Launch.bytes)
    code = launch.code(capability)
    assert code.faults() == [], launch.name
    bits = min(128, 32 * dtype.itemsize) if launch.name == "boxes" else 128  # one box, four numbers
    if name not in BY_ELEMENT:
        assert code.count(rf"LDG\.E.*\.{bits}"), f"{launch.name} loads by less than {bits // 8} bytes"
        assert code.count(rf"STG\.E.*\.{bits}"), f"{launch.name} stores by less than {bits // 8} bytes"


@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("name", SEVERAL)
def test_code_of_every_launch(name: str, capability: int) -> None:
    for launch in {launch.name: launch for launch in launched(name, torch.float32)}.values():
        assert launch.code(capability).faults() == [], launch.name


@pytest.mark.parametrize("name", ["total", "count", "rescale"])
def test_code_of_what_all_losses_share(name: str) -> None:
    launch = next(launch for launch in launched("cross_entropy", torch.bfloat16) if launch.name == name)
    assert not launch.code(90).faults()


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_instructions(name: str) -> None:
    launch = max(launched(name, torch.bfloat16), key=Launch.bytes)
    code = launch.code(90)
    of_thread = launch.options.get("ROWS", 1) * launch.options["BLOCK"] / code.threads
    twice = 2 if launch.name == "elementwise" else 1  # whole blocks, and the last one
    assert len(code.instructions) / of_thread / twice <= INSTRUCTIONS[name]


@triton.jit
def unordered(x, y, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_add(y, tl.sum(tl.load(x + place).to(tl.float32)))


@triton.jit
def narrow(x, y, BLOCK: tl.constexpr):
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + place, tl.load(x + place))


@triton.jit
def plain(x, y, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    z = tl.load(x + place).to(tl.float32)
    tl.store(y + place, z - tl.sum(z))


@triton.jit
def by_element(x, y, elements, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + place, tl.load(x + place, place < elements), place < elements)


def code_of(kernel: object, *more: int, block: int = 1024, warps: int = 4) -> Code:
    x, y = data(torch.bfloat16, 2**20), data(torch.float32, 2**20)
    return Launch(kernel, (1,), (x, y, *more), {"BLOCK": block, "num_warps": warps}).code(90)


def test_a_plain_kernel_has_no_fault() -> None:
    assert not code_of(plain).faults()


def test_sums_in_any_order_are_found() -> None:
    assert any("ATOM or RED" in fault for fault in code_of(unordered).faults())


def test_offsets_of_32_bits_are_found() -> None:
    assert any("not widened" in fault for fault in code_of(narrow).faults())


def test_spills_are_found() -> None:
    assert any("spill" in fault for fault in code_of(plain, block=2**15, warps=4).faults())


def test_too_many_registers_are_found() -> None:
    assert any("are more than" in fault for fault in replace(code_of(plain), threads=2**16).faults())


def test_masks_by_element_are_found() -> None:
    code = code_of(by_element, 2**20 - 1)
    assert code_of(plain).count(r"LDG\.E.*\.128") and not code.count(r"LDG\.E.*\.128")
