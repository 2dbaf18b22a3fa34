"""The times and the memory of Lossary, its peers and the LIMIT: make bench, or python -m benchmarks.run --help.

Every phase runs in a process of its own, which runs this file again: memory needs a fixed threshold of malloc, and
huge pages are an environment variable that torch reads at its start.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.cases import EAGER, LIMIT, LOSSARY, PEERS, Case, large, listed, small
from benchmarks.page import BUSY, summary
from lossary.kernels import operators

THREADS = 2
PHASES: dict[str, dict[str, str]] = {
    "times": {},
    "small": {},
    "memory": {"MALLOC_MMAP_THRESHOLD_": str(1 << 17), "MALLOC_TRIM_THRESHOLD_": str(1 << 17)},
    "huge_pages": {"THP_MEM_ALLOC_ENABLE": "1"},
}
"""And the environment of each."""
QUICK = ("times", "small")
SMALL_SHARE = 0.15
"""Of the seconds of a case, for a small one."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times and memory of Lossary, its peers and the LIMIT.")
    parser.add_argument("--seconds", type=float, default=1.5, help="for the rounds of a case, of which there are 7")
    parser.add_argument("--only", default="", metavar="PATTERN", help="cases whose name has this regular expression")
    parser.add_argument("--quick", action="store_true", help="Lossary, torch eager and the LIMIT, fp32; no memory")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes; without it, only the summary")
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    chosen = options()
    if chosen.phase:
        return phase(chosen)
    if not any(re.search(chosen.only, case.name) for case in (*listed(), *small())):
        sys.exit(f"--only {chosen.only!r}: no case has that in its name, as {listed()[0].name!r} is one")
    if os.getloadavg()[0] > BUSY:
        print(
            f"The load is {os.getloadavg()[0]:.1f}: other processes run, and threads that wait for a core spoil the "
            "times, of small inputs most of all",
            file=sys.stderr,
        )
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(),
        "threads": THREADS,
        "seconds": chosen.seconds,
    }
    try:
        for name in QUICK if chosen.quick else PHASES:
            report[name] = in_a_process(name)
    except (KeyboardInterrupt, subprocess.CalledProcessError) as stopped:
        sys.exit(f"stopped, and nothing is written: {stopped!r}")
    print(summary(report))
    if chosen.out:
        written = chosen.out.with_suffix(".part")
        written.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        written.replace(chosen.out)


def in_a_process(name: str) -> list[dict[str, Any]]:
    removed = {variable for environment in PHASES.values() for variable in environment}
    inherited = {k: v for k, v in os.environ.items() if k not in removed}
    threads = {"OMP_NUM_THREADS": str(THREADS), "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "phase.json"
        command = [sys.executable, "-m", "benchmarks.run", *sys.argv[1:], "--phase", name, "--out", str(out)]
        subprocess.run(command, env={**inherited, **threads, **PHASES[name]}, check=True)
        return json.loads(out.read_text(encoding="utf-8"))


def phase(chosen: argparse.Namespace) -> None:
    """One phase, in this process: on the first cores, which XLA's pool of threads then counts."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    from benchmarks import measure  # which imports JAX

    torch.set_num_threads(THREADS)
    cases = {"times": listed, "small": small, "memory": large, "huge_pages": large}[chosen.phase]()
    if chosen.quick:
        cases = [case for case in cases if case.dtype == "fp32"]
    cases = [case for case in cases if re.search(chosen.only, case.name)]
    few = (LOSSARY, EAGER, LIMIT)
    names = few if chosen.quick or chosen.phase == "small" else (LOSSARY, *PEERS, LIMIT)
    seconds = chosen.seconds * (SMALL_SHARE if chosen.phase == "small" else 1.0)
    found: list[dict[str, Any]] = []
    for case in shown(cases, chosen.phase):
        found.append(measure.memory(case) if chosen.phase == "memory" else measure.times(case, names, seconds))
    chosen.out.write_text(json.dumps(found), encoding="utf-8")


def shown(cases: list[Case], phase: str) -> Iterator[Case]:
    """The cases, with a bar that moves between them only: its thread would take part in the measurement."""
    console = Console(stderr=True)
    columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(TextColumn("{task.description}"), *columns, console=console, auto_refresh=False) as bar:
        task = bar.add_task(phase, total=len(cases))
        for i, case in enumerate(cases):
            bar.update(task, description=f"{phase}: {case.name}", refresh=True)
            if not console.is_terminal:
                console.print(f"{phase} {i + 1} of {len(cases)}: {case.name}", highlight=False)
            yield case
            bar.advance(task)


def machine() -> dict[str, Any]:
    information = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    named = re.search(r"^model name\s*: (.*)$", information, re.MULTILINE)
    pages = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    huge = re.search(r"\[(\w+)\]", pages.read_text()) if pages.exists() else None
    return {
        "date": datetime.date.today().isoformat(),
        "processor": named[1] if named else platform.machine(),
        "instruction set": "none" if operators.missing else torch.ops.lossary.instruction_set(),
        "cores": os.cpu_count(),
        "memory in GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release().split("-")[0],
        "transparent huge pages": huge[1] if huge else "none",
        "load at start": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    packages = ("lossary", "torch", "jax", "optax", "keras", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


if __name__ == "__main__":
    main()
