"""Which implementation serves a call, why not another, and what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lossary.core.check import check
from lossary.core.record import record_of
from lossary.core.shown import bullets, folded, pairs, paragraph, shown
from lossary.dispatch import implementations


@dataclass(frozen=True)
class Explanation:
    """Which implementations can serve a call, in order of preference, and why the others cannot.

    recipe: how the operator of the fused one is called, a line for each of its arguments; empty where another runs.
    """

    loss: str
    refusals: dict[str, str | None]
    recipe: str = ""

    @property
    def chosen(self) -> str:
        return next(name for name, reason in self.refusals.items() if reason is None)

    def __str__(self) -> str:
        lines = [f"{self.loss}: {self.chosen} runs"]
        lines += [f"  {name:<10} {reason or 'ok'}" for name, reason in self.refusals.items()]
        return "\n".join([*lines, *(f"  {line}" for line in self.recipe.splitlines())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return shown(
            paragraph(f"{self.loss}: {self.chosen} runs", "title"),
            pairs((name, reason or "ok") for name, reason in self.refusals.items()),
            folded("How it is called", bullets(f"`{line.strip()}`" for line in self.recipe.splitlines()))
            if self.recipe
            else "",
        )


def explain(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """Say which implementation `function(*args, **kwargs)` runs on, what the others refuse, and what becomes of each
    argument on its way into a fused kernel. Nothing is computed but the casts and copies that this takes.

    >>> import numpy as np, lossary
    >>> print(lossary.explain(lossary.mse_loss, np.zeros(3), np.ones(3)))
    mse_loss: reference runs
      fused      it runs on torch tensors; these are numpy arrays
      aten       it runs on torch tensors; these are numpy arrays
      reference  ok
    """
    loss = record_of(function)
    call = check(loss, loss.bind(args, kwargs))
    refusals = {i.name: i.refuse(call) for i in implementations.ALL}
    fused = next(i for i in implementations.ALL if refusals[i.name] is None) is implementations.FUSED
    return Explanation(loss.name, refusals, str(implementations.FUSED.recipe(call)[0]) if fused else "")
