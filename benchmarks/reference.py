"""Time of the reference path beside torch's own losses: interleaved, medians, forward and backward, fresh gradient.

Run: python benchmarks/reference.py OUT.json
"""

import json
import os
import platform
import statistics
import sys
import time

import torch

import lossary
from lossary import functional as F

CASES = {
    "cross_entropy 32x10": ("cross_entropy", (32, 10), 200),
    "cross_entropy 1024x1000": ("cross_entropy", (1024, 1000), 11),
    "cross_entropy 512x32000": ("cross_entropy", (512, 32000), 7),
    "mse_loss 32x10": ("mse_loss", (32, 10), 200),
    "mse_loss 1000000": ("mse_loss", (1_000_000,), 31),
    "binary_cross_entropy_with_logits 1000000": ("binary_cross_entropy_with_logits", (1_000_000,), 31),
}


def target_of(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    if name == "cross_entropy":
        return torch.randint(shape[1], shape[:1], generator=generator)
    return torch.rand(shape, generator=generator)


def seconds(loss, x: torch.Tensor, y: torch.Tensor) -> float:
    x.grad = None
    begin = time.perf_counter()
    loss(x, y).backward()
    return time.perf_counter() - begin


def main(out: str) -> None:
    generator = torch.Generator().manual_seed(0)
    results = {}
    for title, (name, shape, rounds) in CASES.items():
        x, y = torch.randn(shape, generator=generator).requires_grad_(), target_of(name, shape, generator)
        contestants = {"lossary": getattr(F, name), "torch": getattr(torch.nn.functional, name)}
        times: dict[str, list[float]] = {who: [] for who in contestants}
        for _ in range(rounds + 1):
            for who, loss in contestants.items():
                times[who].append(seconds(loss, x, y))
        medians = {who: statistics.median(t[1:]) for who, t in times.items()}
        results[title] = {**medians, "lossary over torch": medians["lossary"] / medians["torch"]}
        print(f"{title:45} {1e3 * medians['lossary']:10.3f} ms {1e3 * medians['torch']:10.3f} ms", file=sys.stderr)
    machine = {"processor": platform.machine(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    versions = {"python": platform.python_version(), "torch": torch.__version__, "lossary": lossary.__version__}
    with open(out, "w") as file:
        json.dump({"machine": machine, "versions": versions, "unit": "seconds", "results": results}, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
