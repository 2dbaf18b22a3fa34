"""Launches of kernels in Triton, recorded on meta tensors, and compiled for devices that are not there."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget

from lossary.kernels import operators
from lossary.kernels.triton import launch as launching

THREADS, REGISTERS = 32, 65536
"""Of a warp, and of a multiprocessor."""


@dataclass
class Launch:
    kernel: Any
    grid: tuple[int, ...]
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def name(self) -> str:
        return self.kernel.fn.__name__

    def bytes(self) -> int:
        """Of the tensors that are handed over."""
        return sum(x.numel() * x.element_size() for x in self.arguments if isinstance(x, torch.Tensor))

    def code(self, capability: int) -> "Code":
        driver = SimpleNamespace(
            get_current_target=lambda: GPUTarget("cuda", capability, 32),
            get_current_device=lambda: capability,  # by which Triton keeps what it has compiled
            get_current_stream=lambda device: 0,
        )
        before = triton.runtime.driver._active
        triton.runtime.driver.set_active(driver)
        try:
            made = self.kernel.warmup(*self.arguments, grid=self.grid, enable_fp_fusion=True, **self.options)
        finally:
            triton.runtime.driver._active = before
        return Code(made.asm["ttir"], made.asm["cubin"], THREADS * made.metadata.num_warps)


@contextmanager
def recorded() -> Iterator[list[Launch]]:
    """Those that losses of meta tensors make meanwhile; they compute nothing."""
    found: list[Launch] = []
    start, fakes = launching.start, operators.implement("Meta", allow_override=True)
    launching.start = lambda *given: found.append(Launch(*given))
    try:
        yield found
    finally:
        launching.start = start
        fakes._destroy()


@dataclass
class Code:
    """A kernel's code: in Triton's own language, and in a device's. threads: of each program."""

    ttir: str
    cubin: bytes
    threads: int

    @cached_property
    def sass(self) -> str:
        tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(self.cubin)
            file.flush()
            run = subprocess.run(
                [str(tool), "-sass", "-res-usage", file.name], capture_output=True, text=True, check=True
            )
        return run.stdout

    @property
    def instructions(self) -> list[str]:
        return re.findall(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\d\s+)?([A-Z][\w.]*)", self.sass)

    def count(self, pattern: str) -> int:
        return sum(bool(re.match(pattern, instruction)) for instruction in self.instructions)

    def faults(self) -> list[str]:
        """What no kernel may do, as sentences."""
        found = []
        used = {name: int(n) for name, n in re.findall(r"(REG|STACK|LOCAL):(\d+)", self.sass)}
        if used["STACK"] or used.get("LOCAL") or self.count(r"LDL|STL"):
            found.append(f"registers spill: {used}")
        if used["REG"] * self.threads > REGISTERS:
            found.append(f"{used['REG']} registers of {self.threads} threads are more than {REGISTERS}")
        if self.count(r"(ATOM|RED)(G|S)?\b(?!UX)"):
            found.append("it adds in whatever order programs come: ATOM or RED")
        if narrow := self.narrow_programs():
            found.append(f"the number of a program is not widened first: {narrow}")
        return found

    def narrow_programs(self) -> list[str]:
        """Uses of a program's number in 32 bits, which overflow in large tensors."""
        numbers = re.findall(r"(%\w+) = tt\.get_program_id", self.ttir)
        uses = [line.strip() for line in self.ttir.splitlines() for n in numbers if re.search(rf"{n}\b(?! =)", line)]
        return [line for line in uses if "get_program_id" not in line and "arith.extsi" not in line]
