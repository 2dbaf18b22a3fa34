"""What `lossary report` costs: CPU time for 100 MB of .npy, and peak memory, for each form of predictions.

    python -m benchmarks.report.speed --size 100 --form classes_10 --form regression

Each file is made, read by `lossary report FILES --no-html` in a child, and removed. CPU time is user and system time
of the child with all its threads, without that of a report on a small file of the same form: imports, fits and tables.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from scipy.special import expit

RESULTS = Path(__file__).parents[1] / "results" / "report_speed.json"
MB = 10**6
SMALL = 2.0  # MB
BLOCK = 2**22  # scores drawn at a time


@dataclass(frozen=True)
class Form:
    """Predictions of `shape` for each sample, and the targets that `draw` gives for a block of them."""

    shape: tuple[int, ...]
    dtype: str
    draw: Callable[[np.random.Generator, np.ndarray], np.ndarray]
    target: str = "int64"
    targets_shape: tuple[int, ...] = ()
    probabilities: bool = False

    @property
    def row_bytes(self) -> int:
        sizes = (
            prod(self.shape) * np.dtype(self.dtype).itemsize,
            prod(self.targets_shape) * np.dtype(self.target).itemsize,
        )
        return sum(sizes)


def _classes(rng: np.random.Generator, scores: np.ndarray) -> np.ndarray:
    """The likeliest class for seven of ten samples, and any class for the others."""
    chosen = scores.argmax(axis=1)
    return np.where(rng.random(chosen.shape) < 0.7, chosen, rng.integers(0, scores.shape[1], chosen.shape))


def _yes_or_no(rng: np.random.Generator, probs: np.ndarray) -> np.ndarray:
    return rng.random(probs.shape) < probs


def _near(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    return values + rng.standard_normal(values.shape)


FORMS = {
    "classes_10": Form((10,), "float32", _classes),
    "classes_1000": Form((1000,), "float32", _classes),
    "classes_32000": Form((32000,), "float32", _classes),
    "classes_1000_float16": Form((1000,), "float16", _classes),
    "segmentation_21": Form((21, 128, 128), "float32", _classes, "uint8", (128, 128)),
    "regression": Form((), "float32", _near, "float32"),
    "binary": Form((), "float32", _yes_or_no, "int64", probabilities=True),
}


def make(form: Form, size: float, folder: Path) -> tuple[list[Path], int]:
    """A pair of .npy files of about `size` MB, and their bytes."""
    samples = max(1, int(size * MB / form.row_bytes))
    rng = np.random.default_rng(0)
    paths = [folder / ("probs.npy" if form.probabilities else "predictions.npy"), folder / "targets.npy"]
    shapes, dtypes = ((samples, *form.shape), (samples, *form.targets_shape)), (form.dtype, form.target)
    step = max(1, BLOCK // prod(form.shape))
    with open(paths[0], "wb") as predictions, open(paths[1], "wb") as targets:
        for stream, shape, dtype in zip((predictions, targets), shapes, dtypes, strict=True):
            header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
        for start in range(0, samples, step):
            scores = rng.standard_normal((min(step, samples - start), *form.shape), dtype=np.float32) * 3
            scores = expit(scores) if form.probabilities else scores
            scores.astype(form.dtype).tofile(predictions)
            form.draw(rng, scores).astype(form.target).tofile(targets)
    return paths, sum(path.stat().st_size for path in paths)


def cost(paths: list[Path]) -> tuple[float, float]:
    """Seconds of CPU and peak MB of a report on these files."""
    command = [sys.executable, "-m", "lossary", "report", *map(str, paths), "--no-html", "--json"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / MB


def measure(name: str, size: float, folder: Path) -> dict[str, float]:
    at_rest, _ = _cost_of(FORMS[name], SMALL, folder)
    seconds, peak, written = *_cost_of(FORMS[name], size, folder), size
    return {
        "mb": written,
        "cpu_seconds": round(seconds, 2),
        "cpu_seconds_of_2_mb": round(at_rest, 2),
        "cpu_seconds_for_100_mb": round((seconds - at_rest) / (written - SMALL) * 100, 2),
        "peak_mb": round(peak),
    }


def _cost_of(form: Form, size: float, folder: Path) -> tuple[float, float]:
    paths, _ = make(form, size, folder)
    try:
        return cost(paths)
    finally:
        for path in paths:
            path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU time and memory of `lossary report`, by form of predictions.")
    parser.add_argument("--size", type=float, default=1000, help="MB of each pair of files")
    parser.add_argument("--form", choices=FORMS, action="append", help="all by default")
    parser.add_argument("--folder", help="where the files are made")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    results = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}
    for name in chosen.form or FORMS:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            results[name] = measure(name, chosen.size, Path(folder))
        print(f"{name:22}", *(f"{key} {value:g}" for key, value in results[name].items()), sep="  ", flush=True)
        chosen.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
