"""The steps of window.sh that are Python's: python -m benchmarks.gpu.steps STEP OUT [--dry].

Each writes OUT/STEP.json before the next begins. With --dry they run on the CPU, on a thousandth of the data: what they
write then has the form of a measurement and is none.
"""

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "tests/cuda"))  # whose calls name every variant

PACKAGES = ("torch", "triton", "numpy", "array-api-compat", "liger-kernel")
ROUNDS, SECONDS = 15, 10.0
"""Of each case: the most rounds, and when no other begins."""


def milliseconds(run: Callable[[], Any], dry: bool) -> float:
    if dry:
        begin = time.perf_counter()
        run()
        return 1e3 * (time.perf_counter() - begin)
    torch.empty(2**28, dtype=torch.uint8, device="cuda").zero_()  # whatever the L2 holds is that
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)


def median(run: Callable[[], Any], dry: bool, rounds: int = 10) -> float:
    run()
    return statistics.median(milliseconds(run, dry) for _ in range(rounds))


def machine(dry: bool) -> dict[str, Any]:
    device, of_bytes, size = ("cpu", 2**20, 64) if dry else ("cuda", 2**32, 8192)
    x = torch.zeros(of_bytes, dtype=torch.uint8, device=device)
    y, a = torch.empty_like(x), torch.zeros(size, size, dtype=torch.bfloat16, device=device)
    copied, multiplied = median(lambda: y.copy_(x), dry), median(lambda: a @ a, dry)
    return {
        "device": "cpu" if dry else torch.cuda.get_device_name(),
        "versions": dict(_versions()),
        "copy_bytes_per_s": 2 * of_bytes / copied * 1e3,
        "bf16_flop_per_s": 2 * size**3 / multiplied * 1e3,
    }


def _versions() -> Iterator[tuple[str, str | None]]:
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, None


def variants(dry: bool) -> dict[str, Any]:
    """Every kernel that a call of tests/cuda launches, compiled for this device."""
    from calls import CALLS

    jobs = list(product(CALLS, ("bfloat16", "float32")))
    begin = time.perf_counter()
    with ProcessPoolExecutor(2 if dry else 16, get_context("spawn")) as pool:
        found = list(pool.map(_compile, *zip(*jobs, strict=True), [dry] * len(jobs)))
    return {"seconds": time.perf_counter() - begin, "kernels": dict(zip(map("-".join, jobs), found, strict=True))}


def _compile(name: str, dtype: str, dry: bool) -> list[str]:
    from calls import CALLS
    from launches import recorded

    with recorded() as found:
        CALLS[name].run(getattr(torch, dtype))
    for launch in () if dry else found:
        launch.kernel.warmup(*launch.arguments, grid=launch.grid, enable_fp_fusion=True, **launch.options)
    return [launch.name for launch in found]


def times(dry: bool) -> dict[str, Any]:
    """Forward and backward of each contestant in turn: medians, and the memory beyond the arguments at its most."""
    from benchmarks.gpu.cases import CASES

    found = {}
    for case in CASES:
        for name in case.predicted:
            torch.compiler.reset()
            given = case.make(getattr(torch, name), "cpu" if dry else "cuda", 1000 if dry else 1)
            runs = {who: _step(loss, given) for who, loss in case.contestants(compiled=not dry).items()}
            bytes_moved = case.passes * given[0].numel() * given[0].element_size()
            found[f"{case.name} {name}"] = {
                "bytes": bytes_moved,
                "predicted_ms": case.predicted[name],
                "peak_bytes": {who: _peak(run, given, dry) for who, run in runs.items()},
                "ms": _interleaved(runs, dry),
            }
            del given, runs
            gc.collect()
    return found


def _step(loss: Callable[..., torch.Tensor], given: tuple[Any, ...]) -> Callable[[], None]:
    def step() -> None:
        for x in given:
            x.grad = None
        loss(*given).backward()

    return step


def _peak(run: Callable[[], None], given: tuple[Any, ...], dry: bool) -> int:
    run()
    if dry:
        return 0
    for x in given:
        x.grad = None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    return torch.cuda.max_memory_allocated() - before


def _interleaved(runs: dict[str, Callable[[], None]], dry: bool) -> dict[str, float]:
    begin, measured = time.perf_counter(), {who: [] for who in runs}
    while len(measured["lossary"]) < (2 if dry else ROUNDS) and time.perf_counter() - begin < SECONDS:
        for who, run in runs.items():
            measured[who].append(milliseconds(run, dry))
    return {who: statistics.median(found) for who, found in measured.items()}


def sizes(dry: bool) -> dict[str, Any]:
    """Elements of a program and its warps, best first, of kernels of elements."""
    from benchmarks.gpu.cases import CASES
    from lossary.kernels.triton import elementwise, launch

    start, found = launch.start, {}
    try:
        for case in (case for case in CASES if case.name.endswith("1e8")):
            given = case.make(torch.bfloat16, "cpu" if dry else "cuda", 10**5 if dry else 1)
            step, tried = _step(case.contestants(compiled=False)["lossary"], given), {}
            for block, warps in product((512, 1024, 2048, 4096), (4, 8)):
                elementwise.BLOCK = block
                launch.start = lambda *g, warps=warps: start(*g[:3], {**g[3], "num_warps": warps})
                tried[f"{block} elements, {warps} warps"] = median(step, dry, 2 if dry else 10)
            found[case.name] = dict(sorted(tried.items(), key=lambda pair: pair[1]))
    finally:
        launch.start, elementwise.BLOCK = start, 1024
    return found


STEPS = {"machine": machine, "variants": variants, "times": times, "sizes": sizes}


def main() -> None:
    parser = argparse.ArgumentParser(description="One step of what is measured on a GPU.")
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dry", action="store_true", help="on the CPU, a thousandth of the data")
    chosen = parser.parse_args()
    found = STEPS[chosen.step](chosen.dry)
    path = chosen.out / f"{chosen.step}.json"
    path.write_text(json.dumps({"dry": chosen.dry, **found}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
