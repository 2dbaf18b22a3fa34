"""Times and memory of the contestants of one case."""

from __future__ import annotations

import ctypes
import gc
import math
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.cases import COMPILE, EAGER, JAX, LOSSARY, SEED, Case
from benchmarks.contestants import Contestant, contestants
from lossary import ops

ROUNDS = 7
MOST_ROUNDS = 200
SLICE = 0.002
"""Seconds that a contestant has in a round: a quick call is repeated, so that the clock and the change do not count."""
REST = 0.005
"""Seconds in which a process at rest computes next to nothing."""
REMEMBERED = (LOSSARY, EAGER, COMPILE, JAX)


def times(case: Case, names: tuple[str, ...], seconds: float) -> dict[str, Any]:
    """Median seconds of a forward and of a step of each contestant, in rounds of which each has its own order."""
    entered = contestants(case, names)
    runs = [(mode, name, getattr(c, mode)) for name, c in entered.items() for mode in ("forward", "step")]
    repeats = [_repeats(run) for _, _, run in runs]
    found: list[list[float]] = [[] for _ in runs]
    order, shuffle = list(range(len(runs))), random.Random(SEED).shuffle
    gc.collect()
    gc.disable()
    begin, rounds = time.perf_counter(), 0
    while rounds < ROUNDS or (time.perf_counter() - begin < seconds and rounds < MOST_ROUNDS):
        shuffle(order)
        for i in order:
            _rest()
            runs[i][2]()  # wakes threads and fills caches, which a single call would pay for, and many share
            found[i].append(_seconds(runs[i][2], repeats[i]))
        rounds += 1
    gc.enable()
    medians: dict[str, Any] = {"forward": {}, "step": {}}
    for (mode, name, _), values in zip(runs, found, strict=True):
        medians[mode][name] = float(f"{statistics.median(values):.4g}")
    return {**_described(case), "how": {n: c.how for n, c in entered.items()}, "rounds": rounds, **medians}


def _rest() -> None:
    """Wait for what the contestant before has left running: XLA's threads go on when its answer is there."""
    computed = 1.0
    while computed > REST / 10:
        begin = time.process_time()
        time.sleep(REST)
        computed = time.process_time() - begin


def _described(case: Case) -> dict[str, Any]:
    return {"title": case.title, "loss": case.loss, "shape": list(case.shape), "dtype": case.dtype}


def _seconds(run: Callable[[], object], repeats: int) -> float:
    begin = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - begin) / repeats


def _repeats(run: Callable[[], object]) -> int:
    run()  # compiles
    once = _seconds(run, 1)
    return 1 if once > SLICE else math.ceil(SLICE / _seconds(run, 10))


def memory(case: Case) -> dict[str, Any]:
    """Bytes of the gradients, and by how much a step of each contestant raises the peak of the resident memory.

    The kernel counts for all alike; counts of one library's allocator would miss another's, and scratch of one's own.
    Lossary keeps no gradients' memory here: what an earlier step has left would not count.
    """
    ops.gradient_memory(limit=0)
    entered = contestants(case, REMEMBERED)
    extra = {name: _growth(contestant) for name, contestant in entered.items()}
    arguments = case.arguments()
    gradients = sum(arguments[name].nbytes for name in case.wanted)
    return {**_described(case), "gradients": gradients, "extra": extra}


def _growth(contestant: Contestant) -> int:
    for _ in range(2):
        contestant.step()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is resident; proc(5)
    before = _resident("VmRSS")
    contestant.step()
    return _resident("VmHWM") - before


def _resident(what: str) -> int:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(what))
    return int(line.split()[1]) << 10
