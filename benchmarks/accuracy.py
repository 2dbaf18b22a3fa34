"""The largest error of every loss, dtype and implementation in ulp, against mpmath: what docs/accuracy.md states.

Run: python benchmarks/accuracy.py [--seeds N] [--loss NAME] OUT.json
"""

import argparse
import json
import os
import platform
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import mpmath
import numpy
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # where the oracles are
import oracles

import lossary
from lossary.core.record import Loss
from lossary.testing import LIBRARIES, Case, samples
from lossary.testing.accuracy import measured, truth

DTYPES = ("float64", "float32", "float16", "bfloat16")
CONTESTANTS = ("numpy", "torch", "jax")
OF_ONE_SIGN = {
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "quantile_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
}
"""Losses whose terms do not cancel: their errors are counted in ulp of the answer."""
ON_JAX = 20
DIFFERENCES = 4
"""One seed in so many on JAX, which compiles every operation for every shape, and for differences of oracles."""

Errors = dict[str, dict[str, dict[str, float]]]
"""The largest error by implementation, dtype and what was measured."""


def cases(loss: Loss, dtype: str, seeds: Iterable[int]) -> Iterator[tuple[Case, bool]]:
    """Calls with ordinary and with extreme arguments, and whether to measure gradients: extreme ones have kinks."""
    oracle: Callable[..., Any] = getattr(oracles, loss.name)
    for seed in seeds:
        for draw in (samples.ordinary, samples.extreme):
            case = Case(loss, loss.public, oracle, draw(loss, seed), LIBRARIES["torch"], dtype)
            yield case, draw is samples.ordinary and (dtype != "float64" or seed % DIFFERENCES == 0)


def largest(loss: Loss, seeds: Iterable[int], libraries: tuple[str, ...] = CONTESTANTS) -> Errors:
    found: Errors = {}
    for dtype in DTYPES:
        for case, gradients in cases(loss, dtype, seeds):
            true = truth(case, loss.name not in OF_ONE_SIGN, gradients)
            for name in libraries:
                library = LIBRARIES[name]
                if dtype not in library.dtypes or (name == "jax" and case.sample.seed % ON_JAX):
                    continue
                with library.context(dtype):
                    here = Case(loss, loss.public, case.oracle, case.sample, library, dtype)
                    for impl, reason in lossary.explain(loss.public, **here.arguments).refusals.items():
                        if reason is None:
                            worst = found.setdefault(f"{name}, {impl}", {}).setdefault(dtype, {})
                            for what, error in measured(here, true, impl, library.differentiates).items():
                                worst[what] = max(worst.get(what, 0.0), error)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Errors in ulp of every loss, as JSON.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--loss", action="append", help="measure this one, and leave what OUT says of the others")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "kl_div")
    numpy.seterr(over="ignore")  # extreme arguments are infinities of the narrower dtypes
    known = json.loads(options.out.read_text())["results"] if options.loss else {}
    chosen = [loss for loss in lossary.catalogue() if loss.name in (options.loss or [loss.name])]
    for i, loss in enumerate(chosen):
        print(f"{i + 1:3} of {len(chosen)}  {loss.name}", file=sys.stderr, flush=True)
        known[loss.name] = {"of one sign": loss.name in OF_ONE_SIGN, "errors": largest(loss, range(options.seeds))}
    machine = {"processor": platform.machine(), "cores": os.cpu_count()}
    libraries = {x.__name__: x.__version__ for x in (lossary, numpy, torch, jax, mpmath)}
    report = {
        "machine": machine,
        "versions": {"python": platform.python_version(), **libraries},
        "unit": "ulp",
        "seeds": options.seeds,
        "results": {loss.name: known[loss.name] for loss in lossary.catalogue() if loss.name in known},
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
