"""Kernels on a GPU: answers beside the formula's in fp64, no synchronisation, graphs, streams, the same bits twice."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import lossary

if not torch.cuda.is_available():
    pytest.skip("no GPU", allow_module_level=True)

EPS = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}


def rows(n: int, *shape: int, classes: bool = True) -> Callable[[torch.Generator], tuple[Tensor, ...]]:
    def make(g: torch.Generator) -> tuple[Tensor, ...]:
        x = 3 * torch.randn(n, *shape, generator=g)
        if not classes:
            return x, torch.rand(n, *shape, generator=g)
        return x, torch.randint(shape[0], (n, *shape[1:]), generator=g)

    return make


def probabilities(n: int, classes: int) -> Callable[[torch.Generator], tuple[Tensor, ...]]:
    return lambda g: (torch.randn(n, classes, generator=g), torch.randn(n, classes, generator=g).softmax(1))


def vectors(count: int, n: int, width: int) -> Callable[[torch.Generator], tuple[Tensor, ...]]:
    return lambda g: tuple(torch.randn(n, width, generator=g) for _ in range(count))


def boxes(n: int) -> Callable[[torch.Generator], tuple[Tensor, ...]]:
    return lambda g: tuple(torch.rand(n, 2, 2, generator=g).cumsum(1).reshape(n, 4) for _ in range(2))


CALLS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "small rows": ("cross_entropy", rows(32, 10), {}),
    "small odd rows": ("cross_entropy", rows(5, 101), {"label_smoothing": 0.1}),
    "small elements": ("mse_loss", rows(3, 700, classes=False), {}),
    "small images": ("cross_entropy", rows(2, 21, 17, 13), {}),
    "small vectors": ("triplet_margin_loss", vectors(3, 9, 100), {}),
    "whole rows": ("cross_entropy", rows(64, 32000), {}),
    "long rows": ("cross_entropy", rows(16, 128256), {}),
    "long odd rows": ("cross_entropy", rows(16, 50257), {"softcap": 30.0}),
    "z-loss": ("cross_entropy", rows(64, 5000), {"z_loss": 1e-3, "temperature": 2.0}),
    "probabilities": ("cross_entropy", probabilities(64, 5000), {}),
    "many classes of images": ("cross_entropy", rows(2, 150, 40, 30), {}),
    "focal": ("focal_loss", rows(64, 1000), {"gamma": 1.7}),
    "nll": ("nll_loss", rows(64, 1000), {}),
    "bce": ("binary_cross_entropy_with_logits", rows(64, 10000, classes=False), {}),
    "sigmoid focal": ("sigmoid_focal_loss", rows(64, 10000, classes=False), {"reduction": "mean"}),
    "huber": ("huber_loss", rows(64, 10000, classes=False), {"delta": 0.7}),
    "divergence": ("kl_div_with_logits", vectors(2, 64, 4096), {"reduction": "batchmean"}),
    "long divergence": ("kl_div_with_logits", vectors(2, 16, 32000), {"reduction": "batchmean"}),
    "boxes": ("complete_box_iou_loss", boxes(1000), {"reduction": "mean"}),
    "masks": ("dice_loss", rows(4, 21, 64, 64), {"classes": "present"}),
    "triplets": ("triplet_margin_loss", vectors(3, 64, 1024), {"swap": True}),
}


def given(name: str, dtype: torch.dtype) -> tuple[Tensor, ...]:
    made = CALLS[name][1](torch.Generator().manual_seed(0))
    arrays = [x.to(dtype) if x.is_floating_point() else x for x in made]
    return tuple(x.cuda() for x in arrays)


def run(name: str, arrays: tuple[Tensor, ...], **options: Any) -> tuple[Tensor, Tensor]:
    loss, _, given_options = CALLS[name]
    x = arrays[0].detach().requires_grad_()
    value = getattr(lossary, loss)(x, *arrays[1:], **given_options, **options)
    (gradient,) = torch.autograd.grad(value, x)
    return value.detach(), gradient


@pytest.mark.parametrize("dtype", EPS, ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_answers(name: str, dtype: torch.dtype) -> None:
    arrays = given(name, dtype)
    wide = tuple(x.double() if x.is_floating_point() else x for x in arrays)
    assert lossary.explain(getattr(lossary, CALLS[name][0]), *arrays, **CALLS[name][2]).chosen == "fused"
    value, gradient = run(name, arrays)
    expected, slope = run(name, wide, impl="reference")
    torch.testing.assert_close(value.double(), expected, rtol=EPS[dtype], atol=EPS[dtype])
    scale = slope.abs().max().item()
    torch.testing.assert_close(gradient.double(), slope, rtol=EPS[dtype], atol=EPS[dtype] * scale)


@pytest.mark.parametrize("name", CALLS)
def test_nothing_waits_and_bits_repeat(name: str) -> None:
    arrays = given(name, torch.bfloat16)
    first = run(name, arrays)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            again = run(name, arrays)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("name", ["small rows", "long rows", "huber", "small images"])
def test_graphs(name: str) -> None:
    arrays = given(name, torch.float32)
    expected = run(name, arrays)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = run(name, arrays)
    graph.replay()
    torch.cuda.synchronize()
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_streams() -> None:
    arrays = given("whole rows", torch.bfloat16)
    expected, streams = run("whole rows", arrays), [torch.cuda.Stream() for _ in range(2)]
    found = []
    for stream in streams:
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            found.append(run("whole rows", arrays))
    torch.cuda.synchronize()
    assert all(torch.equal(a, b) for pair in found for a, b in zip(pair, expected, strict=True))


def test_classes_out_of_range_are_nan_and_read_nothing() -> None:
    x, target = torch.randn(4, 100, device="cuda"), torch.tensor([1, 10**12, -7, 99], device="cuda")
    value = lossary.cross_entropy(x, target, reduction="none")
    assert value.isnan().tolist() == [False, True, True, False]


def test_upstream_gradients_and_loss_scales() -> None:
    x, target = torch.randn(64, 1000, device="cuda"), torch.arange(64, device="cuda")
    for dtype in (torch.float32, torch.float16):
        logits = x.to(dtype).requires_grad_()
        (plain,) = torch.autograd.grad(lossary.cross_entropy(logits, target), logits)
        (scaled,) = torch.autograd.grad(lossary.cross_entropy(logits, target) * 1024, logits)
        torch.testing.assert_close(scaled.float(), 1024 * plain.float(), rtol=1e-2, atol=1e-3)


def test_compiled_code() -> None:
    arrays = given("small rows", torch.float32)
    expected = run("small rows", arrays)
    found = torch.compile(lambda: run("small rows", arrays), fullgraph=False)()
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
