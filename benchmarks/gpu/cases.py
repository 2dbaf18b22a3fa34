"""The losses that are timed on a GPU, and what was predicted of them (docs/decisions/0011-triton.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import lossary

Maker = Callable[[torch.dtype, str, int], tuple[Any, ...]]


@dataclass(frozen=True)
class Case:
    """make: the arguments of one batch, for a dtype, a device and a divisor of the batch. passes: the bytes that
    kernels move, over the first input's. predicted: ms on an H200, by dtype."""

    name: str
    loss: str
    make: Maker
    passes: float
    predicted: dict[str, float]
    options: dict[str, Any]

    def contestants(self, compiled: bool) -> dict[str, Callable[..., Tensor]]:
        eager = EAGER.get(self.loss) or getattr(F, self.loss)
        found: dict[str, Callable[..., Tensor]] = {
            "lossary": lambda *given: getattr(lossary, self.loss)(*given, **self.options),
            "eager": lambda *given: eager(*given, **self.options),
        }
        if compiled:
            found["compiled"] = torch.compile(found["eager"])
        if self.loss == "cross_entropy" and (liger := _liger()):
            found["liger"] = liger
        return found


def _liger() -> Any:
    try:
        from liger_kernel.transformers import LigerCrossEntropyLoss
    except ImportError:
        return None
    return LigerCrossEntropyLoss()


def sigmoid_focal(x: Tensor, t: Tensor, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "mean") -> Tensor:
    """As it is usually written."""
    p = torch.sigmoid(x)
    ce = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    p_t = p * t + (1 - p) * (1 - t)
    return ((alpha * t + (1 - alpha) * (1 - t)) * ce * (1 - p_t) ** gamma).mean()


EAGER: dict[str, Any] = {"sigmoid_focal_loss": sigmoid_focal}


def _rows(rows: int, classes: int, *inner: int) -> Maker:
    def make(dtype: torch.dtype, device: str, share: int) -> tuple[Any, ...]:
        n = max(rows // share, 2)
        g = torch.Generator(device).manual_seed(0)
        x = torch.randn(n, classes, *inner, generator=g, device=device).to(dtype).requires_grad_()
        return x, torch.randint(classes, (n, *inner), generator=g, device=device)

    return make


def _elements(count: int) -> Maker:
    def make(dtype: torch.dtype, device: str, share: int) -> tuple[Any, ...]:
        g = torch.Generator(device).manual_seed(0)
        x = torch.randn(count // share, generator=g, device=device).to(dtype).requires_grad_()
        return x, torch.rand(count // share, generator=g, device=device).to(dtype)

    return make


def _vectors(rows: int, width: int) -> Maker:
    def make(dtype: torch.dtype, device: str, share: int) -> tuple[Any, ...]:
        n, g = max(rows // share, 2), torch.Generator(device).manual_seed(0)
        x, y = (torch.randn(n, width, generator=g, device=device).to(dtype).requires_grad_() for _ in range(2))
        return x, y, torch.randint(2, (n,), generator=g, device=device).to(dtype) * 2 - 1

    return make


def _case(name: str, loss: str, make: Maker, passes: float, bf16: float = 0, fp32: float = 0, **options: Any) -> Case:
    predicted = {dtype: ms for dtype, ms in (("bfloat16", bf16), ("float32", fp32)) if ms}
    return Case(name, loss, make, passes, predicted, options)


CASES = [
    _case("cross_entropy 8192x32000", "cross_entropy", _rows(8192, 32000), 2, 0.28, 0.55),
    _case("cross_entropy 8192x50257", "cross_entropy", _rows(8192, 50257), 3, 0.48),
    _case("cross_entropy 8192x128256", "cross_entropy", _rows(8192, 128256), 3, 1.25, 2.9),
    _case("cross_entropy 4096x262144", "cross_entropy", _rows(4096, 262144), 3, 1.5),
    _case("cross_entropy 65536x1000", "cross_entropy", _rows(65536, 1000), 2, fp32=0.14),
    _case("cross_entropy 16x21x512x512", "cross_entropy", _rows(16, 21, 512, 512), 2, fp32=0.20),
    _case("mse_loss 1e8", "mse_loss", _elements(10**8), 3, 0.16, 0.31),
    _case("huber_loss 1e8", "huber_loss", _elements(10**8), 3, 0.16, 0.31),
    _case("bce_with_logits 1e8", "binary_cross_entropy_with_logits", _elements(10**8), 3, 0.16, 0.31),
    _case("sigmoid_focal_loss 1e8", "sigmoid_focal_loss", _elements(10**8), 3, 0.17, reduction="mean"),
    _case("cosine 65536x1024", "cosine_embedding_loss", _vectors(65536, 1024), 4, 0.14),
    _case("cross_entropy 32x10", "cross_entropy", _rows(32, 10), 2, fp32=0.06),
]
