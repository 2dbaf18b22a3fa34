"""What losses of CUDA tensors launch, seen on meta tensors: no host read, few kernels, no byte more than it takes."""

from math import prod

import pytest
import torch
from calls import CALLS, classes, learned
from launches import Launch, recorded
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map_only

import lossary
from lossary.kernels import operators
from lossary.kernels.triton.operators import IMPLEMENTATIONS

SLACK = 1.02
MOST = 2**31 - 1
"""Programs in the first dimension of a grid."""


def moved(launch: Launch, elements: int) -> int:
    """Bytes. Loops read rows twice, all but the gradient, which comes last and is written."""
    whole = [x.numel() * x.element_size() for x in launch.arguments if isinstance(x, Tensor) and x.numel() == elements]
    return launch.bytes() + (
        sum(whole[:-1]) if "LANES" in launch.options or launch.options.get("WHOLE") is False else 0
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_launches_and_bytes(name: str, dtype: torch.dtype) -> None:
    call = CALLS[name]
    with recorded() as found:
        x = call.run(dtype)
    assert len(found) == call.launches, [launch.name for launch in found]
    assert all(prod(launch.grid) <= MOST and len(launch.grid) == 1 for launch in found), found
    inputs = x.numel() * x.element_size()
    traffic = sum(moved(launch, x.numel()) for launch in found if launch.name != "rescale") / inputs
    assert traffic <= SLACK * call.traffic


def test_every_loss_with_kernels_is_here() -> None:
    have = {
        loss.name for loss in lossary.catalogue() if loss.kernel and operators.OPERATORS[loss.kernel.operator].on_cuda
    }
    assert {call.loss for call in CALLS.values()} == have


def test_what_is_left_out_is_left_out_on_purpose() -> None:
    """Products of a linear layer in chunks, and CTC, take the formula."""
    kernels = [loss.kernel for loss in lossary.catalogue() if loss.kernel]
    left_out = {type(kernel).__name__ for kernel in kernels if not operators.OPERATORS[kernel.operator].on_cuda}
    assert left_out == {"LinearRows", "CTC"}


def test_implementations_are_those_that_operators_names() -> None:
    assert set(IMPLEMENTATIONS) == {name for name, operator in operators.OPERATORS.items() if operator.on_cuda}


@pytest.mark.parametrize("name", CALLS)
def test_explain_says_fused(name: str) -> None:
    args, kwargs = CALLS[name].make(torch.float32)
    found = lossary.explain(getattr(lossary, CALLS[name].loss), *args, **kwargs)
    assert found.chosen == "fused", str(found)


@pytest.mark.parametrize("name", CALLS)
def test_explain_says_fused_of_fake_tensors(name: str) -> None:
    given = CALLS[name].make(torch.float32)
    with FakeTensorMode():
        args, kwargs = tree_map_only(Tensor, lambda x: torch.empty(x.shape, dtype=x.dtype, device="cuda"), given)
        found = lossary.explain(getattr(lossary, CALLS[name].loss), *args, **kwargs)
    assert found.chosen == "fused", str(found)


def test_large_tensors() -> None:
    x = learned(torch.bfloat16, 2**33)
    with recorded() as found:
        lossary.mse_loss(x, x.detach()).backward()
    assert [launch.name for launch in found] == ["elementwise", "total", "rescale"]
    assert found[0].bytes() >= 3 * 2**34


def test_small_losses_take_few_launches() -> None:
    x = learned(torch.float32, 32, 10)
    with recorded() as found:
        lossary.mse_loss(x, x.detach()).backward()
    assert [launch.name for launch in found] == ["elementwise", "rescale"]
    with recorded() as found:
        lossary.cross_entropy(x, classes(32)).backward()
    assert [launch.name for launch in found] == ["count", "cross_entropy_of_whole_rows", "rescale"]


def test_fp64_takes_the_formula() -> None:
    x = learned(torch.float64, 4, 5)
    assert "fp32, fp16 and bf16" in str(lossary.explain(lossary.mse_loss, x, x.detach()).refusals["fused"])


def test_masks_of_very_many_classes_take_the_formula() -> None:
    x = learned(torch.float32, 2, 1025, 4)
    assert "1,024 classes" in str(lossary.explain(lossary.dice_loss, x, classes(2, 4)).refusals["fused"])
