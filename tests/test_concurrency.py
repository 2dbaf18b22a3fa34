"""Several threads at once: calls, backwards of one graph, memory of gradients; and a child of a threaded process.

`make sanitize` runs these under ThreadSanitizer too.
"""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import torch
from torch import Tensor

import lossary
from lossary import functional as F

THREADS, TIMES = 4, 20


def at_once(act: Callable[[int], Any]) -> list[Any]:
    """What `act` answers in each thread; all begin together."""
    barrier = Barrier(THREADS)

    def begun(i: int) -> Any:
        barrier.wait()
        return act(i)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begun, range(THREADS)))


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


X, CLASSES = drawn(400, 1000), torch.arange(400) % 1000
CALLS = {
    "rows": lambda x: F.cross_entropy(x, CLASSES),
    "images": lambda x: F.cross_entropy(x.reshape(2, 4, 50000), CLASSES[:100].repeat(2, 500) % 4),
    "shaped": lambda x: F.cross_entropy(x, CLASSES, softcap=5.0),
    "elements": lambda x: F.huber_loss(x, X.flip(0)),
    "pairs": lambda x: F.cosine_embedding_loss(x, X.flip(0), torch.ones(400)),
    "divergence": lambda x: F.kl_div_with_logits(x, X.flip(0)),
    "frames": lambda x: F.ctc_loss_with_logits(x.reshape(50, 8, 1000), CLASSES[1:41].reshape(8, 5), [50] * 8, [5] * 8),
    "unreduced": lambda x: F.cross_entropy(x, CLASSES, reduction="none").sum(),
}


def value_and_gradient(call: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    x = X.clone().requires_grad_()
    value = call(x)
    (2 * value).backward()
    return value.detach(), x.grad


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_several_threads_answer_as_alone(name: str) -> None:
    """Their gradients, of more than 1 MiB, come from the memory that all share."""
    expected = value_and_gradient(CALLS[name])
    for answers in at_once(lambda _: [value_and_gradient(CALLS[name]) for _ in range(3)]):
        for value, slope in answers:
            assert torch.equal(value, expected[0]) and torch.equal(slope, expected[1])


OUTSIDE = X.abs() + 2
WRONG = {
    "rows": lambda: F.cross_entropy(X, OUTSIDE),
    "smoothed rows": lambda: F.cross_entropy(X, OUTSIDE, label_smoothing=0.1, softcap=5.0),
    "images": lambda: F.cross_entropy(X.reshape(2, 4, 50000), OUTSIDE.reshape(2, 4, 50000)),
    "elements": lambda: F.binary_cross_entropy_with_logits(X, OUTSIDE),
}


@pytest.mark.parametrize("name", WRONG)
def test_all_threads_of_a_kernel_may_find_what_is_wrong(name: str) -> None:
    with pytest.raises(ValueError, match="target"):
        WRONG[name]()


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_one_graph_backward_in_several_threads(reduction: str) -> None:
    """The first takes the gradient that is ready, the others compute it; who comes after the release is told so."""
    logits, target, upstream = drawn(8, 5).requires_grad_(), torch.arange(8) % 5, torch.tensor(3.0)
    upstream = upstream if reduction == "mean" else upstream.expand(8)
    for _ in range(TIMES):
        loss = F.cross_entropy(logits, target, reduction=reduction)
        (expected,) = torch.autograd.grad(F.cross_entropy(logits, target, reduction=reduction), logits, upstream)

        def gradient(i: int, loss: Tensor = loss) -> Tensor | None:
            try:
                return torch.autograd.grad(loss, logits, upstream, retain_graph=i % 2 == 0)[0]
            except RuntimeError as error:
                assert "second time" in str(error)
                return None

        found = [x for x in at_once(gradient) if x is not None]
        assert found
        for x in found:
            torch.testing.assert_close(x, expected)


def test_the_memory_of_gradients_serves_several_threads() -> None:
    ops, before = torch.ops.lossary, torch.ops.lossary.gradient_memory_limit()

    def act(i: int) -> None:
        for _ in range(TIMES):
            value_and_gradient(CALLS["elements"])
            ops.gradient_memory_limit((i + 1) << 20)
            assert ops.gradient_memory_held() <= THREADS << 20

    try:
        at_once(act)
    finally:
        ops.gradient_memory_limit(before)


FORKS = """
import os, threading, torch
import lossary.functional as F
from lossary import ops

torch.set_num_threads(1)
ops.gradient_memory(1)  # blocks go back to the system, while the memory is locked
x = torch.zeros(1 << 21)

def step():
    z = x.clone().requires_grad_()
    F.l1_loss(z, x).backward()

step()
stop = threading.Event()
others = [threading.Thread(target=lambda: [step() for _ in iter(stop.is_set, True)]) for _ in range(2)]
for thread in others:
    thread.start()
for _ in range(40):
    child = os.fork()
    if child == 0:
        step()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="forks")
def test_a_child_finds_the_memory_of_gradients_unlocked() -> None:
    subprocess.run([sys.executable, "-c", FORKS], check=True, timeout=120)


def test_the_kernels_are_here() -> None:
    assert lossary.explain(F.cross_entropy, X, CLASSES).chosen == "fused"
