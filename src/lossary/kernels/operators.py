"""The operators of torch: where they come from, their schemas, and what they answer on fake tensors.

Importing this module loads the kernels. Where none are built it defines the schemas alone, for other devices' kernels.
"""

from __future__ import annotations

import ctypes
import importlib
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lossary.kernels import status

REDUCTIONS = {"none": 0, "mean": 1, "sum": 2, "batchmean": 3}
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
DEVICES = ("cpu",)
"""Types of devices that have kernels."""
SCHEMAS = re.findall(r'^"(.*)",$', Path(__file__).with_name("schemas.inc").read_text("utf-8"), re.MULTILINE)

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
FUNCTIONS: dict[str, int] = {}
"""The numbers of elementwise functions."""
if missing is None:
    library = ctypes.CDLL(str(status.library()))
    library.lossary_elementwise_functions.restype = ctypes.c_char_p
    FUNCTIONS |= {name: i for i, name in enumerate(library.lossary_elementwise_functions().decode().split())}
    if native is not None:
        library.lossary_let_resize_by(ctypes.c_void_p(native.let_resize))


def computed_in(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


@dataclass(frozen=True)
class Operator:
    """name: of the operator, with its overload. arguments: their names. inputs: the places of the differentiable ones.

    All that `reduces` end in: row_weight, reduction, normalizer, upstream (what the gradient is multiplied by),
    gradients (a bit for each input whose gradient is wanted); they answer the value and the wanted gradients.
    """

    name: str
    arguments: tuple[str, ...]
    inputs: tuple[int, ...]

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


def _operator(name: str, *inputs: str, answers: Callable[[Given], Any]) -> None:
    """Enter an operator, and what it answers on fake tensors; its schema says the rest."""
    schema = next(s for s in SCHEMAS if s.startswith(f"{name}("))
    arguments = tuple(re.findall(r"(\w+)[,)]", schema.partition(" -> ")[0]))
    OPERATORS[name] = Operator(name, arguments, tuple(map(arguments.index, inputs)))

    def fake(*args: Any, **kwargs: Any) -> Any:
        return answers(dict(zip(arguments, args, strict=False)) | kwargs)

    torch.library.register_fake(f"lossary::{name}", fake)


def _reducing(name: str, *inputs: str, unreduced: Callable[[Given], Sequence[int]]) -> None:
    """unreduced: the shape of the values that are reduced."""

    def answers(given: Given) -> Any:
        x, none = given[inputs[0]], given["reduction"] == REDUCTIONS["none"]
        value = x.new_empty(unreduced(given) if none else (), dtype=computed_in(x))
        # Those that write over the logits answer the value alone.
        return (value, _wanted(given, inputs)) if "gradients" in given else value

    _operator(name, *inputs, answers=answers)


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
    _reducing(_name, "logits", unreduced=_without(1, "logits"))
_reducing("nll", "log_probabilities", unreduced=_without(1, "log_probabilities"))
_reducing("kl_rows", "input_logits", "target_logits", unreduced=_without(1, "input_logits"))
for _name in ("elementwise", "elementwise.parameters"):
    _reducing(_name, "input", "third", unreduced=lambda given: given["input"].shape)
_reducing("overlap", "input", unreduced=_of_classes)
_reducing("pairs", "x1", "x2", "x3", unreduced=lambda given: given["x1"].shape[:-1])
_reducing("boxes", "input", unreduced=lambda given: given["input"].shape[:-1])
_reducing("ctc", "input", unreduced=lambda given: given["input"].shape[1:-1])
_reducing("cox", "input", unreduced=lambda given: given["input"].shape)
_reducing("rnnt", "logits", unreduced=lambda given: given["logits"].shape[:-3])
_reducing(
    "linear_softmax_rows",
    *LAYER,
    unreduced=lambda given: (given["input"].shape[0], *given["linear_weight"].shape[1:-1]),
)
_reducing("similarities", "input", "candidates", "temperature", unreduced=lambda given: given["input"].shape[:1])
_operator("log_prob", "logits", answers=_statistics)
_operator("log_prob_backward", answers=lambda given: torch.empty_like(given["logits"]))
_operator("linear_log_prob", *LAYER, answers=_statistics)
_operator("linear_log_prob_backward", answers=lambda given: _wanted(given, LAYER))


def mind_process_groups() -> None:
    """Let torch free gradients in a process group, where kept memory would not let it."""
    distributed = torch.distributed
    if missing is None and native is None and distributed.is_available() and distributed.is_initialized():
        torch.ops.lossary.gradient_memory_limit(0)


mind_process_groups()
