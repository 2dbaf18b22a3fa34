"""The contestants: one case, ready to run in each library, on the same numbers in memory of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor

from benchmarks import formulas
from benchmarks.cases import COMPILE, EAGER, JAX, KERAS, LIMIT, LOSSARY, Case
from lossary import functional

BY_NAME = ("weight", "pos_weight")
Answer = tuple[float, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Contestant:
    """how: what it calls. forward: the loss alone. step: the loss and its gradients, made anew and let go."""

    how: str
    forward: Callable[[], object]
    step: Callable[[], object]
    answer: Callable[[], Answer]


def contestants(case: Case, names: tuple[str, ...], backend: str = "inductor") -> dict[str, Contestant]:
    """Those of the names that have the loss. backend: of torch.compile."""
    torch.compiler.reset()  # it remembers a limited number of shapes of one function
    arguments = case.arguments()
    torch_formula = formulas.of_torch(torch.nn.functional, case.loss)
    makers: dict[str, Callable[[], Contestant]] = {
        LOSSARY: lambda: in_torch(case, arguments, formulas.of_torch(functional, case.loss)),
        EAGER: lambda: in_torch(case, arguments, torch_formula),
        COMPILE: lambda: in_torch(case, arguments, torch_formula, backend),
        JAX: lambda: _in_jax(case, arguments, formulas.OPTAX[case.title]),
        KERAS: lambda: _in_jax(case, arguments, formulas.KERAS[case.title]),
        LIMIT: lambda: _limit(case, arguments),
    }
    return {name: makers[name]() for name in names if name != KERAS or case.title in formulas.KERAS}


def in_torch(
    case: Case, arguments: dict[str, Tensor], formula: formulas.Formula, backend: str | None = None
) -> Contestant:
    leaves = {name: x.detach().requires_grad_(name in case.wanted) for name, x in arguments.items()}
    inputs = [leaves[name] for name in case.wanted]
    function = formula.function if backend is None else torch.compile(formula.function, backend=backend, dynamic=False)

    def call(values: dict[str, Tensor]) -> Callable[[], Tensor]:
        """As users write it: weights by name, the rest by position."""
        positions = [x for name, x in values.items() if name not in BY_NAME]
        return partial(function, *positions, **{n: x for n, x in values.items() if n in BY_NAME}, **case.options)

    with_gradients = call(leaves)

    def step() -> None:
        with_gradients().backward()
        for x in inputs:
            x.grad = None

    def answer() -> Answer:
        loss = with_gradients()
        gradients = torch.autograd.grad(loss, inputs)
        return loss.item(), {n: g.double().numpy() for n, g in zip(case.wanted, gradients, strict=True)}

    return Contestant(formula.how, call(arguments), step, answer)


def _in_jax(case: Case, arguments: dict[str, Tensor], formula: formulas.Formula) -> Contestant:
    arrays = {name: _to_jax(x) for name, x in arguments.items()}
    wanted = {name: arrays.pop(name) for name in case.wanted}

    def function(wanted: dict[str, jax.Array], others: dict[str, jax.Array]) -> jax.Array:
        return formula.function(**wanted, **others, **case.options)

    value, value_and_gradients = jax.jit(function), jax.jit(jax.value_and_grad(function))

    def step() -> None:
        jax.block_until_ready(value_and_gradients(wanted, arrays))

    def answer() -> Answer:
        loss, gradients = value_and_gradients(wanted, arrays)
        return float(loss), {name: np.asarray(g, np.float64) for name, g in gradients.items()}

    return Contestant(formula.how, lambda: jax.block_until_ready(value(wanted, arrays)), step, answer)


def _to_jax(x: Tensor) -> jax.Array:
    """A copy; not through DLPack, which would share the memory."""
    if x.is_floating_point():
        return jnp.asarray(x.float().numpy().copy(), dtype=str(x.dtype).removeprefix("torch."))
    return jnp.asarray(x.numpy(), dtype=jnp.int32)


def _limit(case: Case, arguments: dict[str, Tensor]) -> Contestant:
    """What the memory allows: inputs read once, gradients written once, into memory that is already there.

    Fresh memory would add page faults, which are a contestant's own affair. Class indices and weights are not read.
    """
    if case.loss == "linear_cross_entropy":
        return _products(arguments["input"], arguments["linear_weight"])
    if case.loss == "info_nce_loss":
        return _products(arguments["input"], arguments["candidates"], twice=case.options.get("symmetric", False))
    wanted = [arguments[name] for name in case.wanted]
    shape = wanted[0].shape
    others = [x for n, x in arguments.items() if n not in case.wanted and x.shape == shape and x.is_floating_point()]
    written = [torch.zeros_like(x) for x in wanted]  # zeros, so that its pages are there

    def forward() -> None:
        for x in (*wanted, *others):
            x.sum()

    def step() -> None:
        for i, (x, out) in enumerate(zip(wanted, written, strict=True)):
            if i < len(others):
                torch.add(x, others[i], out=out)
            else:
                out.copy_(x)

    return Contestant("a copy", forward, step, _no_answer)


def _products(input: Tensor, linear_weight: Tensor, twice: bool = False) -> Contestant:
    """Of a linear layer the LIMIT is its three matrix products: memory is not what bounds it.

    twice: a softmax along both dimensions of logits that are never whole needs them twice, first for its sums.
    """
    logits, gradients = input @ linear_weight.T, [torch.zeros_like(input), torch.zeros_like(linear_weight)]

    def forward() -> None:
        torch.mm(input, linear_weight.T, out=logits)

    def step() -> None:
        for _ in range(1 + twice):
            forward()
        torch.mm(logits, linear_weight, out=gradients[0])
        torch.mm(logits.T, input, out=gradients[1])

    return Contestant("the matrix products", forward, step, _no_answer)


def _no_answer() -> Answer:
    raise NotImplementedError("the LIMIT computes no loss")
