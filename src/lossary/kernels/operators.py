"""The operators of torch: where they come from, their schemas, and what they answer on fake tensors.

Importing this module loads the kernels. Where none are built it defines the schemas alone, for other devices' kernels.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lossary.kernels import status
from lossary.kernels.schemas import REDUCTIONS, SCHEMAS

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)

missing = status.missing()
if missing is None:
    try:
        torch.ops.load_library(str(status.library()))
    except OSError as error:  # of a torch that is older than what they were built for
        missing = f"The kernels do not load into torch {torch.__version__}, they need 2.11 or newer: {error}"
if missing is not None:
    definitions = torch.library.Library("lossary", "DEF")
    for schema in SCHEMAS:
        definitions.define(schema)
native: Any = None
"""The module that runs recipes in C++, where one was built for this release of torch and this Python."""
native_missing = ""
"""Why there is none; Python runs recipes then."""
if missing is None:
    release = torch.__version__.partition("+")[0]
    module = f"lossary.kernels._autograd_{re.sub(r'[^0-9a-zA-Z]', '_', release)}"
    try:
        native = importlib.import_module(module)
    except ModuleNotFoundError:
        native_missing = f"no {module} was built for torch {release} and Python {platform.python_version()}"
    except ImportError as error:
        native_missing = str(error)
if native is not None:
    ctypes.CDLL(str(status.library())).lossary_let_resize_by(ctypes.c_void_p(native.let_resize))


def computed_in(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


@dataclass(frozen=True)
class Operator:
    """name: of the operator, with its overload. arguments: their names. inputs: the places of the differentiable ones.
    on_cuda: kernels/triton has it.

    All that `reduces` end in: row_weight, reduction, normalizer, upstream (what the gradient is multiplied by),
    gradients (a bit for each input whose gradient is wanted); they answer the value and the wanted gradients.
    """

    name: str
    arguments: tuple[str, ...]
    inputs: tuple[int, ...]
    on_cuda: bool

    @property
    def overload(self) -> Any:
        packet, _, overload = self.name.partition(".")
        return getattr(getattr(torch.ops.lossary, packet), overload or "default")

    @property
    def reduces(self) -> bool:
        return "reduction" in self.arguments

    def places(self, wanted: int) -> tuple[int, ...]:
        return tuple(place for i, place in enumerate(self.inputs) if wanted >> i & 1)


OPERATORS: dict[str, Operator] = {}

Given = Mapping[str, Any]
"""The arguments of an operator by name."""


def _operator(name: str, *inputs: str, answers: Callable[[Given], Any], on_cuda: bool = False) -> None:
    """Enter an operator, and what it answers on fake tensors; its schema says the rest."""
    schema = next(s for s in SCHEMAS if s.startswith(f"{name}("))
    arguments = tuple(re.findall(r"(\w+)[,)]", schema.partition(" -> ")[0]))
    OPERATORS[name] = Operator(name, arguments, tuple(map(arguments.index, inputs)), on_cuda)

    def fake(*args: Any, **kwargs: Any) -> Any:
        return answers(dict(zip(arguments, args, strict=False)) | kwargs)

    torch.library.register_fake(f"lossary::{name}", fake)


def _reducing(name: str, *inputs: str, unreduced: Callable[[Given], Sequence[int]], on_cuda: bool = False) -> None:
    """unreduced: the shape of the values that are reduced."""

    def answers(given: Given) -> Any:
        x, none = given[inputs[0]], given["reduction"] == REDUCTIONS["none"]
        value = x.new_empty(unreduced(given) if none else (), dtype=computed_in(x))
        # Those that write over the logits answer the value alone.
        return (value, _wanted(given, inputs)) if "gradients" in given else value

    _operator(name, *inputs, answers=answers, on_cuda=on_cuda)


def _wanted(given: Given, inputs: tuple[str, ...]) -> list[Tensor]:
    layout = torch.contiguous_format if "linear_weight" in given else torch.preserve_format
    wanted = (given[name] for i, name in enumerate(inputs) if given["gradients"] >> i & 1)
    return [torch.empty_like(x, memory_format=layout) for x in wanted]


def _without(axis: int, name: str) -> Callable[[Given], Sequence[int]]:
    """The shape of an argument without one axis, or of a vector without its only one."""
    return lambda given: [n for d, n in enumerate(given[name].shape) if d != min(axis, given[name].ndim - 1)]


def _of_classes(given: Given) -> Sequence[int]:
    """One number for each sample and class; for each class, where the sums run over the batch or there is none."""
    shape = given["input"].shape
    return shape[:2] if len(shape) > 1 and not given["batch"] else shape[min(1, len(shape) - 1) :][:1]


def _statistics(given: Given) -> tuple[Tensor, ...]:
    """Log-probability, entropy, log-sum-exp and predicted class of each row."""
    x = given["logits"] if "logits" in given else given["input"]
    values = [x.new_empty(x.shape[0], dtype=computed_in(x)) for _ in range(3)]
    return *values, x.new_empty(x.shape[0], dtype=torch.long)


LAYER = ("input", "linear_weight", "linear_bias")
for _name in ("softmax_rows", "softmax_rows_", "shaped_rows", "shaped_rows_"):
    _reducing(_name, "logits", unreduced=_without(1, "logits"), on_cuda=True)
_reducing("nll", "log_probabilities", unreduced=_without(1, "log_probabilities"), on_cuda=True)
_reducing("kl_rows", "input_logits", "target_logits", unreduced=_without(1, "input_logits"), on_cuda=True)
for _name in ("elementwise", "elementwise.parameters"):
    _reducing(_name, "input", "third", unreduced=lambda given: given["input"].shape, on_cuda=True)
_reducing("overlap", "input", unreduced=_of_classes, on_cuda=True)
_reducing("pairs", "x1", "x2", "x3", unreduced=lambda given: given["x1"].shape[:-1], on_cuda=True)
_reducing("boxes", "input", unreduced=lambda given: given["input"].shape[:-1], on_cuda=True)
_reducing("ctc", "input", unreduced=lambda given: given["input"].shape[1:-1])
_reducing("cox", "input", unreduced=lambda given: given["input"].shape, on_cuda=True)
_reducing("rnnt", "logits", unreduced=lambda given: given["logits"].shape[:-3], on_cuda=True)
_reducing(
    "linear_softmax_rows",
    *LAYER,
    unreduced=lambda given: (given["input"].shape[0], *given["linear_weight"].shape[1:-1]),
)
_reducing(
    "similarities",
    *("input", "candidates", "temperature"),
    unreduced=lambda given: given["input"].shape[:1],
    on_cuda=True,
)
_operator("log_prob", "logits", answers=_statistics, on_cuda=True)
_operator("log_prob_backward", answers=lambda given: torch.empty_like(given["logits"]), on_cuda=True)
_operator("linear_log_prob", *LAYER, answers=_statistics)
_operator("linear_log_prob_backward", answers=lambda given: _wanted(given, LAYER))
_operator("rescale_", answers=lambda given: None, on_cuda=True)

triton_missing = ""
"""Why there are no kernels for CUDA."""
try:
    triton_version = tuple(map(int, importlib.metadata.version("triton").split(".")[:2]))
    if triton_version < (3, 6):
        triton_missing = (
            f"on CUDA kernels take triton 3.6 or newer, and {importlib.metadata.version('triton')} is installed"
        )
except importlib.metadata.PackageNotFoundError:
    triton_missing = "on CUDA kernels take triton, which is not installed: pip install triton"


def _on_cuda(name: str) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        from lossary.kernels.triton.operators import IMPLEMENTATIONS  # triton takes a while to import

        return IMPLEMENTATIONS[name](*args)

    return call


def implement(key: str, **options: Any) -> Any:
    """Have the kernels in Triton serve the devices of a dispatch key, while the answer lives."""
    library = torch.library.Library("lossary", "IMPL")
    for operator in OPERATORS.values():
        if operator.on_cuda:
            library.impl(operator.name, _on_cuda(operator.name), key, **options)
    return library


if not triton_missing:
    cuda_implementations = implement("CUDA")


def refuse_device(operator: str, x: Tensor) -> str | None:
    """Why an operator cannot compute with a tensor."""
    kind = x.device.type
    if kind == "cpu":
        return missing if x.dtype in DTYPES else f"it takes fp64, fp32, fp16 and bf16, and not {x.dtype}"
    if kind not in ("cuda", "meta"):
        return f"it runs on CPUs and CUDA devices; these tensors are on {kind}"
    if not OPERATORS[operator].on_cuda:
        return f"it runs on the CPU; these tensors are on {kind}"
    if triton_missing:
        return triton_missing
    if x.dtype not in DTYPES[:-1]:
        return f"on CUDA it takes fp32, fp16 and bf16, and not {x.dtype}"
    if kind == "cuda" and torch.cuda.is_available() and torch.cuda.get_device_capability(x.device) < (8, 0):
        return "on CUDA it takes a device of compute capability 8.0 or newer"
    return None


def mind_process_groups() -> None:
    """Let torch free gradients in a process group, where kept memory would not let it."""
    distributed = torch.distributed
    if missing is None and native is None and distributed.is_available() and distributed.is_initialized():
        torch.ops.lossary.gradient_memory_limit(0)


mind_process_groups()
