"""PyTorch's own samples and error inputs (OpInfo, ModuleInfo) for the losses that torch has too."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import groupby
from operator import itemgetter
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch.func import functional_call
from torch.utils._pytree import tree_leaves, tree_map

MODULES = {
    "cross_entropy": "CrossEntropyLoss",
    "linear_cross_entropy": "LinearCrossEntropyLoss",
    "nll_loss": "NLLLoss",
    "kl_div": "KLDivLoss",
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "cosine_embedding_loss": "CosineEmbeddingLoss",
    "l1_loss": "L1Loss",
    "smooth_l1_loss": "SmoothL1Loss",
    "mse_loss": "MSELoss",
    "huber_loss": "HuberLoss",
    "ctc_loss": "CTCLoss",
    "soft_margin_loss": "SoftMarginLoss",
    "hinge_embedding_loss": "HingeEmbeddingLoss",
    "margin_ranking_loss": "MarginRankingLoss",
    "poisson_nll_loss": "PoissonNLLLoss",
    "gaussian_nll_loss": "GaussianNLLLoss",
    "multilabel_soft_margin_loss": "MultiLabelSoftMarginLoss",
    "multi_margin_loss": "MultiMarginLoss",
    "multilabel_margin_loss": "MultiLabelMarginLoss",
    "triplet_margin_loss": "TripletMarginLoss",
    "triplet_margin_with_distance_loss": "TripletMarginWithDistanceLoss",
}
if not hasattr(torch.nn, MODULES["linear_cross_entropy"]):  # of torch 2.13
    del MODULES["linear_cross_entropy"]

NAME = itemgetter(0)


class Call(NamedTuple):
    """Of a loss function; or of a loss module made of `sizes` and `kwargs`, its parameters by name among them."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    sizes: tuple[int, ...] = ()

    def of(self, functions: ModuleType, modules: ModuleType) -> Callable[..., torch.Tensor]:
        """The function of that name, or the module as a function."""
        if hasattr(functions, self.name):
            return getattr(functions, self.name)
        module = getattr(modules, self.name)

        def function(*args: Any, parameters: dict[str, torch.Tensor] | None = None, **kwargs: Any) -> torch.Tensor:
            return functional_call(module(*self.sizes, **kwargs), parameters or {}, args)

        return function

    def without(self, option: str) -> "Call":
        return self._replace(kwargs={name: value for name, value in self.kwargs.items() if name != option})


@cache
def infos() -> dict[str, list[Any]]:
    """Every entry of PyTorch's databases, by the name of the function or the class."""
    from torch.testing._internal.common_methods_invocations import op_db  # takes seconds
    from torch.testing._internal.common_modules import module_db

    entries = [(op.name.removeprefix("nn.functional."), op) for op in op_db]
    entries += [(info.module_cls.__name__, info) for info in module_db]
    return {name: [entry for _, entry in group] for name, group in groupby(sorted(entries, key=NAME), key=NAME)}


def samples(loss: str, dtype: torch.dtype) -> list[Call]:
    calls = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # torch seeds the samples of OpInfo itself, but not those of ModuleInfo
        for op in infos()[loss]:
            for sample in op.sample_inputs("cpu", dtype, requires_grad=True):
                calls.append(Call(loss, (sample.input, *sample.args), sample.kwargs))
        for info in infos().get(MODULES[loss], []):  # some modules have none
            for sample in info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=True):
                calls.append(_call_of_module(info.module_cls, sample))
    return calls


def _call_of_module(module: type[torch.nn.Module], sample: Any) -> Call:
    sizes, kwargs = sample.constructor_input.args, sample.constructor_input.kwargs
    parameters = dict(module(*sizes, **kwargs).named_parameters())
    kwargs = {**kwargs, "parameters": parameters} if parameters else kwargs
    return Call(module.__name__, sample.forward_input.args, kwargs, sizes)


def error_inputs(loss: str) -> Iterator[Call]:
    for op in infos()[loss]:
        if op.error_inputs_func is not None:
            for sample in (error.sample_input for error in op.error_inputs("cpu")):
                yield Call(loss, (sample.input, *sample.args), sample.kwargs)
    for info in infos().get(MODULES[loss], []):
        if info.module_error_inputs_func is None:
            continue
        dtype = torch.float64
        errors = info.module_error_inputs_func(info, device="cpu", dtype=dtype, requires_grad=False, training=True)
        for sample in (error.module_error_input for error in errors):
            args = sample.forward_input.args if sample.forward_input else (torch.zeros(2), torch.zeros(2))
            yield Call(MODULES[loss], args, sample.constructor_input.kwargs, sample.constructor_input.args)


def value_and_gradients(function: Callable[..., torch.Tensor], call: Call, dtype: torch.dtype) -> list[torch.Tensor]:
    """The answer at `dtype`, then its gradient with respect to every tensor of the call that requires one."""

    def leaf(x: Any) -> Any:
        if not (isinstance(x, torch.Tensor) and x.is_floating_point()):
            return x
        return x.detach().to(dtype).requires_grad_(x.requires_grad)

    args, kwargs = tree_map(leaf, (call.args, call.kwargs))
    leaves = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor) and x.requires_grad]
    value = function(*args, **kwargs)
    # Unequal, so that a gradient given to the wrong element shows; small integers, exact in every dtype.
    cotangent = torch.arange(value.numel()).remainder(5).add(1).reshape(value.shape).to(value)
    return [value, *torch.autograd.grad(value, leaves, cotangent, materialize_grads=True)]
