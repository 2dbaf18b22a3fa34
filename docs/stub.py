"""The stub of `lossary.nn`: to type checkers and editors nn.py itself shows neither options nor answers.

It is written from the modules' records by docs/generate.py.
"""

import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

from lossary import nn
from lossary.core.contract import Spec
from lossary.core.record import Loss
from lossary.modules.loss_module import LossModule

HEAD = """# `make docs` writes this file from nn.py and the catalogue; edit those.
# pyright: reportIncompatibleMethodOverride=false, reportWildcardImportFromLibrary=false, reportAssignmentType=false
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import *  # noqa: F403  # first: its losses are Lossary's here
from torch.nn import attention as attention
from torch.nn import init as init
from torch.nn import modules as modules
from torch.nn import parallel as parallel
from torch.nn import parameter as parameter
from torch.nn import utils as utils

from lossary import functional as functional
from lossary.core.arrays import Impl
{elsewhere}
from lossary.modules.loss_module import LossModule as LossModule

def loss_modules() -> tuple[type[LossModule], ...]: ...
def module_of(function: Callable[..., Any]) -> type[LossModule]: ...
"""


def stub() -> str:
    here = [module for module in nn.loss_modules() if module.__module__ == nn.__name__]
    elsewhere = [x for x in vars(nn).values() if isinstance(x, type) and x.__module__.startswith("lossary.modules.")]
    lines = [f"from {x.__module__} import {x.__name__} as {x.__name__}" for x in elsewhere if x is not LossModule]
    head = HEAD.format(elsewhere="\n".join(lines))
    return _formatted(head + "".join(f"\n{_class(module)}" for module in here))


def _formatted(text: str) -> str:
    run = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(Path(nn.__file__).with_suffix(".pyi")), "-"]
    return subprocess.run(run, input=text, capture_output=True, check=True, text=True).stdout


def _class(module: type[LossModule]) -> str:
    bases = ", ".join(b.__name__ if b is LossModule else f"torch.nn.{b.__name__}" for b in module.__bases__)
    forward = list(inspect.signature(module.forward).parameters.values())[1:]
    called = "".join(_method(name, forward, _of_tensor, "Tensor") for name in ("forward", "__call__"))
    options = list(module.signature.parameters.values())
    made = _method("__init__", options, lambda p: _of_option(module.loss, p), "None")
    return f"class {module.__name__}({bases}):\n{made}{called}"


def _method(name: str, parameters: list[inspect.Parameter], typed: typing.Any, answer: str) -> str:
    return "\n".join([f"    def {name}(", *_lines(parameters, typed), f"    ) -> {answer}: ...", ""])


def _lines(parameters: list[inspect.Parameter], typed: typing.Any) -> Iterator[str]:
    yield "        self,"
    keyword_only = False
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            yield "        *,"
        default = "" if p.default is p.empty else f" = {p.default!r}".replace("'", '"')
        yield f"        {p.name}: {typed(p)}{default},"


def _of_tensor(parameter: inspect.Parameter) -> str:
    return _said(parameter.annotation)


def _of_option(loss: Loss, parameter: inspect.Parameter) -> str:
    if parameter.name == "reduction":
        words = ", ".join(f'"{reduction}"' for reduction in loss.reductions)
        return f"Literal[{words}]"
    if parameter.name == "impl":
        return "Impl"
    if typing.get_origin(parameter.annotation) is not typing.Annotated:
        return _said(parameter.annotation)
    said, *notes = typing.get_args(parameter.annotation)
    return "Tensor | Sequence[float] | None" if isinstance(notes[0], Spec) else _said(said)


def _said(annotation: object) -> str:
    text = inspect.formatannotation(annotation)
    for long, word in (("collections.abc.", ""), ("typing.", ""), ("torch.Tensor", "Tensor"), ("Any", "Tensor")):
        text = text.replace(long, word)
    return text
