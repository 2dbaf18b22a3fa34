"""PyTorch's own samples of its operators (OpInfo), for the losses that torch has too."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_leaves, tree_map

LOSSES = (
    "cross_entropy",
    "nll_loss",
    "kl_div",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "l1_loss",
    "smooth_l1_loss",
    "mse_loss",
    "huber_loss",
    "ctc_loss",
)


class Call(NamedTuple):
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@cache
def infos() -> dict[str, Any]:
    from torch.testing._internal.common_methods_invocations import op_db  # seconds: only where it is needed

    named = {op.name.removeprefix("nn.functional."): op for op in op_db if op.name.startswith("nn.functional.")}
    return {loss: named[loss] for loss in LOSSES}


def samples(loss: str, dtype: torch.dtype) -> Iterator[Call]:
    for sample in infos()[loss].sample_inputs("cpu", dtype, requires_grad=True):
        yield Call((sample.input, *sample.args), sample.kwargs)


def error_inputs(loss: str) -> Iterator[Call]:
    if infos()[loss].error_inputs_func is not None:
        for error in infos()[loss].error_inputs("cpu"):
            yield Call((error.sample_input.input, *error.sample_input.args), error.sample_input.kwargs)


def value_and_gradients(function: Callable[..., torch.Tensor], call: Call, dtype: torch.dtype) -> list[torch.Tensor]:
    """The answer at `dtype`, then its gradient with respect to every tensor of the call that requires one."""

    def leaf(x: Any) -> Any:
        if not (isinstance(x, torch.Tensor) and x.is_floating_point()):
            return x
        return x.detach().to(dtype).requires_grad_(x.requires_grad)

    args, kwargs = tree_map(leaf, tuple(call))
    leaves = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor) and x.requires_grad]
    value = function(*args, **kwargs)
    # Unequal, so that a gradient given to the wrong element shows; small integers, exact in every dtype.
    cotangent = torch.arange(value.numel()).remainder(5).add(1).reshape(value.shape).to(value)
    return [value, *torch.autograd.grad(value, leaves, cotangent, materialize_grads=True)]
