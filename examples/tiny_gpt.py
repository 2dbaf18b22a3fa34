"""A small character-level transformer, trained on the text of this repository with three last layers: the plain head,
which keeps its logits, torch's chunked one, and Lossary's. Prints the time of a step, the peak memory and the losses.

Run: python examples/tiny_gpt.py
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import lossary

HERE = Path(__file__).parents[1]
LENGTH, WIDTH, HEADS, LAYERS, BATCH = 64, 64, 4, 2, 16
CHARACTERS, PADDED = 128, 32_000
"""ASCII, and a vocabulary as large as those of language models, for which the last layer is what costs."""


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.wide = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        n, length, _ = x.shape
        q, k, v = self.attention(self.before(x)).view(n, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(n, length, WIDTH))
        return x + self.wide(self.between(x))


class TinyGPT(nn.Module):
    """Features of each position; the last layer belongs to the loss, its weights are the embedding's."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.place = nn.Embedding(PADDED, WIDTH), nn.Embedding(LENGTH, WIDTH)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)), nn.LayerNorm(WIDTH))

    def forward(self, characters: Tensor) -> Tensor:
        return self.blocks(self.embedding(characters) + self.place.weight)


def plain(x: Tensor, weight: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(F.linear(x, weight), target)


def chunked(x: Tensor, weight: Tensor, target: Tensor) -> Tensor:
    return F.linear_cross_entropy(x, weight, target, options=nn.LinearCrossEntropyOptions())


def fused(x: Tensor, weight: Tensor, target: Tensor) -> Tensor:
    return lossary.linear_cross_entropy(x, weight, target, memory_budget="16MB")


LAST_LAYERS = {"plain": plain, "torch's chunked": chunked, "Lossary's": fused}


def text() -> Tensor:
    pages = sorted((HERE / "src").rglob("*.py"))
    characters = "".join(page.read_text(encoding="utf-8") for page in pages).encode("ascii", "replace")
    return torch.frombuffer(bytearray(characters), dtype=torch.uint8).long()


def train(last_layer: str, steps: int) -> None:
    """Prints the milliseconds of a step, the peak memory in MB, and the losses."""
    torch.manual_seed(0)
    model, data = TinyGPT(), text()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses, began = [], time.perf_counter()
    for step in range(steps + 1):
        if step == 1:  # the first one warms up
            began = time.perf_counter()
        starts = torch.randint(len(data) - LENGTH, (BATCH,))
        batch = data[starts[:, None] + torch.arange(LENGTH + 1)]
        x = model(batch[:, :-1]).reshape(-1, WIDTH)
        loss = LAST_LAYERS[last_layer](x, model.embedding.weight, batch[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    spent = (time.perf_counter() - began) / steps * 1000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(f"{spent} {peak}", *losses)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a small transformer with three last layers")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--only", choices=tuple(LAST_LAYERS), help="one last layer, in this process")
    options = parser.parse_args()
    if options.only:
        return train(options.only, options.steps)

    print(f"{'last layer':<16}{'ms a step':>10}{'peak MB':>9}  losses")
    curves = {}
    for name in LAST_LAYERS:  # each in a process of its own, whose peak memory is its own
        command = [sys.executable, __file__, "--steps", str(options.steps), "--only", name]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        spent, peak, *losses = map(float, run.stdout.split())
        curves[name] = torch.tensor(losses)
        shown = " ".join(f"{loss:.4f}" for loss in losses[:: max(options.steps // 5, 1)])
        print(f"{name:<16}{spent:>10.0f}{peak:>9.0f}  {shown}")
    for name, curve in curves.items():
        torch.testing.assert_close(curve, curves["plain"], rtol=1e-3, atol=1e-3, msg=f"{name}: other losses")
    print("The losses are the same.")


if __name__ == "__main__":
    main()
