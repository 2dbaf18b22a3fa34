"""DTensors: tensors of which each rank of a process group holds a part.

Their operators answer for the whole tensor or raise, so that a formula is right on them wherever it runs to its end;
tests/test_dtensors.py holds that on two ranks.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lossary.core.contract import describe

MODULE = "torch.distributed.tensor"
"""Without it there are none. Compiled code must not ask for it, whose guards would see it come."""

ERRORS = (RuntimeError, IndexError, AssertionError)
"""What their operators raise."""


def are_among(arguments: Iterable[Any]) -> bool:
    # By name: nothing is imported for it, and torch.compile traces it.
    return any(type(x).__name__ == "DTensor" for x in arguments)


def refuse(function: str, given: Mapping[str, Any], why: object) -> None:
    """Raise where DTensors are among the arguments, and say why."""
    parts: dict[str, Any] = {}
    for name, x in given.items():  # TopK and Mixed hold several
        parts |= {f"{name}.{field}": y for field, y in x._asdict().items()} if hasattr(x, "_asdict") else {name: x}
    found = {name: x for name, x in parts.items() if are_among([x])}
    if not found:
        return
    shown = " and ".join(f"{name} is a DTensor ({describe(x)}, {x.placements})" for name, x in found.items())
    fix = ", ".join(f"{name}.full_tensor()" for name in found)
    parallel = "; or call torch.nn.functional.cross_entropy, under loss_parallel() where classes are sharded"
    raise TypeError(
        f"{function}: {shown}, which it does not serve here: {str(why).partition(chr(10))[0] or repr(why)}. "
        f"Pass {fix}{parallel if function == 'cross_entropy' else ''}"
    )
