"""A first call of each loss on torch, with the gradient: run when its page is built, and shown with its output."""

from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from lossary.core.record import Example, Loss


def example(record: Loss) -> str:
    """Code with prompts and its output; AssertionError where the value is not the one that was worked out by hand."""
    chosen = next(e for e in record.examples if not any(map(callable, e.arguments.values())))
    variables: dict[str, Any] = {}
    lines = [said for line in _lines(record, chosen) for said in _run(line, variables)]
    value = float(variables["loss"].detach())
    assert abs(value - chosen.value) <= 1e-5 * max(1.0, abs(chosen.value)), (record.name, value, chosen.value)
    return "\n".join(lines)


def _lines(record: Loss, chosen: Example) -> Iterator[str]:
    first = next(iter(record.data))
    yield "import torch"
    yield "import lossary"
    passed = []
    for name, value in chosen.arguments.items():
        if name in record.data and isinstance(value, list):
            gradient = ", requires_grad=True" if name == first else ""
            yield f"{name} = torch.tensor({value!r}{gradient})"
            passed.append(name if name in list(record.signature.parameters)[: len(passed) + 1] else f"{name}={name}")
        else:
            passed.append(f"{name}={value!r}")
    yield f"loss = lossary.{record.name}({', '.join(passed)})"
    yield "round(loss.item(), 4)"
    yield "loss.backward()"
    yield f"{first}.grad"


def _run(line: str, variables: dict[str, Any]) -> list[str]:
    with redirect_stdout(StringIO()) as written:
        exec(compile(line, "<example>", "single"), variables)
    return [f">>> {line}", *written.getvalue().splitlines()]
