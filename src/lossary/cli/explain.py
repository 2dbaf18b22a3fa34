"""`lossary explain NAME`."""

import re
from importlib.util import find_spec
from math import prod
from typing import Annotated, Any

import numpy as np
import typer
from rich.text import Text

from lossary.cli.language import language_of
from lossary.cli.names import LossName, find_any
from lossary.cli.page import contract
from lossary.cli.show import show_named
from lossary.cli.terminal import AsJson, Refusal, indented, show, show_json, table
from lossary.core.arrays import dtype_name
from lossary.core.contract import Dims, Spec, axes, bind
from lossary.core.record import Loss
from lossary.dispatch.explain import Explanation
from lossary.dispatch.explain import explain as explain_call
from lossary.testing.libraries import LIBRARIES, Library

CHOICES = ("torch", "numpy", "jax")
LARGEST = 10**8
"""Elements: the arrays are made in memory."""
CLASSES = 10
"""Where the shape of the first argument does not say how many."""

VALUES = {"log-probabilities": -1.0, "probabilities": 0.5, "target probabilities": 0.5, "label sequences": 1}
"""What an array of a domain is filled with; in other domains indices are 0 and numbers 1."""


def explain(
    name: LossName,
    shape: Annotated[
        str | None,
        typer.Option(
            "--shape", metavar="AxBx...", help="Shape of the first argument.", show_default="32x10, of boxes 32x4"
        ),
    ] = None,
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="DTYPE", help="float16, bfloat16, float32 or float64.")
    ] = "float32",
    library: Annotated[
        str | None,
        typer.Option("--library", metavar="torch|numpy|jax", help="Whose arrays.", show_default="torch if installed"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which implementation of a loss runs, and why not another; of a code such as LS101, what it means.

    The call is made up by the contract of the loss: a first argument of the given shape, and others that fit it.
    """
    record = find_any(name)
    if not isinstance(record, Loss):
        show_named([record], language_of(None), as_json)
        return
    arrays = _library(library)
    if dtype not in arrays.dtypes:
        raise Refusal(f"--dtype {dtype}: {arrays.name} has {', '.join(arrays.dtypes)}")
    with arrays.context(dtype):
        data = {n: arrays.array(x, dtype) for n, x in _data(record, _shape(shape or _usual(record))).items()}
        try:
            explanation = explain_call(record.public, **data, reduction="none")
        except (ValueError, TypeError, IndexError) as error:
            raise Refusal(f"--shape {shape}: {error}") from None
    inputs = [{"name": n, "dtype": dtype_name(x), "shape": list(x.shape)} for n, x in data.items()]
    if as_json:
        refusals = [{"name": n, "refusal": reason} for n, reason in explanation.refusals.items()]
        chosen = {"loss": record.name, "library": arrays.name, "inputs": inputs, "chosen": explanation.chosen}
        show_json(chosen | {"implementations": refusals, "recipe": explanation.recipe.splitlines()})
    else:
        _print(explanation, arrays.name, inputs)


def _print(explanation: Explanation, library: str, inputs: list[dict[str, Any]]) -> None:
    shapes = ", ".join(f"{i['name']} {i['dtype']} {tuple(i['shape'])}" for i in inputs)
    rows = [
        (Text(name, style="bold" if name == explanation.chosen else ""), reason or "ok")
        for name, reason in explanation.refusals.items()
    ]
    show(
        Text(f"{explanation.loss} on {library}: {explanation.chosen} runs"),
        indented(Text(shapes, style="dim")),
        indented(table(("implementation", "answer"), rows)),
        *(indented(Text(line, style="dim")) for line in explanation.recipe.splitlines()),
    )


def _library(name: str | None) -> Library:
    name = name or ("torch" if find_spec("torch") else "numpy")
    if name not in CHOICES:
        raise Refusal(f"--library {name}: it must be one of {', '.join(CHOICES)}")
    if find_spec(name) is None:
        raise Refusal(f"--library {name}: it is not installed: pip install 'lossary[{name}]'")
    return LIBRARIES[name]


def _usual(record: Loss) -> str:
    last = next(iter(record.data.values())).shape.split()[-1]
    return f"32x{last if last.isdecimal() else 10}"


def _shape(given: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+([x,]\d+)*", given):
        raise Refusal(f"--shape {given}: write sizes with x between them, such as 32x10")
    shape = tuple(map(int, re.split("[x,]", given)))
    if prod(shape) > LARGEST:
        raise Refusal(f"--shape {given}: {prod(shape):,} elements are more than this command makes ({LARGEST:,})")
    return shape


def _data(record: Loss, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The data of a valid call by the contract, the first argument being of `shape`."""
    first, *others = (name for name in record.data if name not in record.defaults)
    dims: Dims = {}
    if not bind(record.data[first].shape, shape, dims):
        raise Refusal(
            f"--shape {'x'.join(map(str, shape))}: {record.name} takes as {first} {contract(record.data[first])}"
        )
    dims = {"C": CLASSES, "d": (), "S": max(dims.get("T", 0) // 2, 1), "M": dims.get("N")} | dims
    data = {first: np.full(shape, _value(record.data[first], dims))}
    for name in others:
        spec = next(iter(record.data[name]))
        sizes = tuple(size for _, size in axes(spec.shape, dims))
        data[name] = np.full(sizes, _value(spec, dims))
    return data


def _value(spec: Spec, dims: Dims) -> int | float:
    if spec.domain.name == "lengths":
        return dims[spec.along]
    return VALUES.get(spec.domain.name, 0 if spec.domain.dtype == "integer" else 1.0)
