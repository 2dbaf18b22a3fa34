"""The call of an operator, written down before it runs.

Running it, remembering it, calling it from C++, differentiating it twice and explaining it all read this one thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lossary.core import reference
from lossary.core.arrays import Array, cast_index, is_compiling
from lossary.core.boxes import KINDS
from lossary.core.check import Checked, Steps
from lossary.core.contract import BOX_FORMATS, Dims, axes
from lossary.kernels.schemas import FUNCTIONS, REDUCTIONS

if TYPE_CHECKING:
    from lossary.kernels.operators import Operator


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor of an operator: an argument of the loss, and what is applied to it in order, methods or functions."""

    argument: str
    steps: Steps = ()

    def arguments(self) -> tuple[str, ...]:
        return (self.argument,)

    def of(self, arrays: Mapping[str, Array]) -> Array:
        x = arrays[self.argument]
        for step in self.steps:
            x = _apply(step, x)
        return x

    def __str__(self) -> str:
        said = self.argument
        for step, *given in self.steps:
            listed = ", ".join(map(str, given))
            said = f"{said}.{step}({listed})" if isinstance(step, str) else f"{step.__name__}({said})"
        return said


@dataclass(frozen=True, slots=True)
class Derived:
    """A tensor of an operator that is computed of several arguments."""

    function: Callable[..., Array]
    sources: tuple[Source | None, ...]
    options: tuple[tuple[str, Any], ...]

    def arguments(self) -> tuple[str, ...]:
        return tuple(source.argument for source in self.sources if source is not None)

    def of(self, arrays: Mapping[str, Array]) -> Array:
        return self.function(*(s if s is None else s.of(arrays) for s in self.sources), **dict(self.options))

    def __str__(self) -> str:
        options = [f"{name}={value}" for name, value in self.options]
        return f"{self.function.__name__}({', '.join([*map(str, self.sources), *options])})"


def _apply(step: tuple[Any, ...], x: Array) -> Array:
    what, *given = step
    return getattr(x, what)(*given) if isinstance(what, str) else what(x, *given)


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor on its way into an operator, and its source: what is done to the one is written into the other."""

    tensor: Array
    source: Any

    @staticmethod
    def derived(function: Callable[..., Array], *operands: Operand | None, **options: Any) -> Operand:
        """What the function makes of the tensors of several operands, None for those that there are none of."""
        source = Derived(function, tuple(x and x.source for x in operands), tuple(options.items()))
        return Operand(function(*(x and x.tensor for x in operands), **options), source)

    def to(self, dtype: Any) -> Operand:
        return self if self.tensor.dtype == dtype else self._then("to", dtype)

    def contiguous(self) -> Operand:
        return self if not is_compiling() and self.tensor.is_contiguous() else self._then("contiguous")

    def reshape(self, *shape: int) -> Operand:
        return self if tuple(self.tensor.shape) == shape else self._then("reshape", shape)

    def expand(self, *shape: int) -> Operand:
        return self if tuple(self.tensor.shape) == shape else self._then("expand", shape)

    def movedim(self, source: int, destination: int) -> Operand:
        return self._then("movedim", source, destination)

    def index(self, like: Array) -> Operand:
        """In a dtype that can index, on the device of `like`."""
        import torch

        of_64_bits = str(self.tensor.dtype).endswith("uint64")
        made = self._then(_signed) if of_64_bits else self.to(torch.int64)
        return made if made.tensor.device == like.device else made._then("to", like.device)

    def _then(self, what: Any, *given: Any) -> Operand:
        step, source = (what, *given), self.source
        return Operand(_apply(step, self.tensor), Source(source.argument, (*source.steps, step)))


def _signed(x: Array) -> Array:
    return cast_index(x, x)


@dataclass
class Operands:
    """The tensors of a call on their way into an operator, by the names of its arguments, and the sizes of its axes."""

    call: Checked
    dims: Dims
    of: dict[str, Operand]

    @property
    def first(self) -> Operand:
        return self.of[next(iter(self.call.loss.data))]

    def __getitem__(self, name: str) -> Operand:
        return self.of[name]

    def get(self, name: str) -> Operand | None:
        return self.of.get(name)

    def unreduced(self) -> tuple[int, ...]:
        """The shape of the unreduced loss."""
        return tuple(n for _, n in axes(self.call.loss.unreduced, self.dims))


class DataError(Exception):
    """What an operator says of its data. Its cause is the operator's own error, which knows no argument's name.

    A type of its own, since what else a call raises, in hooks of the caller's for one, is the caller's.
    """


@dataclass(frozen=True, slots=True)
class Formula:
    """The call of a formula without its arrays. sources: where each of them comes from."""

    call: Checked
    sources: tuple[Source | Derived, ...]

    def call_of(self, tensors: Any) -> Checked:
        pairs = zip(self.sources, tensors, strict=True)
        return self.call.holding({source.argument: x for source, x in pairs if isinstance(source, Source)})

    def run(self, tensors: Any) -> Any:
        return reference.run(self.call_of(tensors))


@dataclass(frozen=True, slots=True)
class Recipe:
    """The call of an operator without its tensors.

    arguments: constants, and None in the slots of tensors. sources: where the tensor of each slot comes from.
    wanted, at_once: a bit for each input whose gradient is wanted, and for each that the forward answers.
    order: which of these gradients belongs to each tensor, -1 for none. inplace: it is written over the logits.
    dtype, shape: of the answer; the shape where it is not the operator's. answer: what holds several values.
    formula: the same call as a Formula, which takes the tensors of the operator; None in compiled code.
    """

    operator: Operator
    arguments: tuple[Any, ...]
    slots: tuple[int, ...]
    sources: tuple[Source | Derived, ...]
    wanted: int
    at_once: int
    order: tuple[int, ...]
    inplace: bool
    dtype: Any
    shape: tuple[int, ...] | None
    answer: Any
    formula: Any

    def filled(self, tensors: Any) -> list[Any]:
        """The operator's arguments, but for `upstream` and `gradients`, which follow."""
        arguments = list(self.arguments)
        for slot, tensor in zip(self.slots, tensors, strict=True):
            arguments[slot] = tensor
        return arguments

    def __str__(self) -> str:
        return "\n".join([f"torch.ops.lossary.{self.operator.name}(", *(f"  {line}" for line in self._lines()), ")"])

    def _lines(self) -> Iterator[str]:
        words = {"function": list(FUNCTIONS), "reduction": list(REDUCTIONS)}  # of which the operator has the numbers
        words |= {"kind": list(KINDS), "corners": list(BOX_FORMATS)}
        sources = dict(zip(self.slots, self.sources, strict=True))
        for i, (name, constant) in enumerate(zip(self.operator.arguments, self.arguments, strict=False)):
            yield f"{name} = {words[name][constant] if name in words else sources.get(i, constant)}"
        if self.operator.reduces:
            wanted = [self.operator.arguments[place] for place in self.operator.places(self.wanted)]
            yield f"gradients = {', '.join(wanted) or None}"


def of_formula(call: Checked) -> tuple[Formula, list[Array]]:
    """The recipe of a call of the formula, and its arrays."""
    arrays = call.arrays()
    sources = tuple(Source(name, call.given.get(name, ())) for name in arrays)
    return Formula(call.empty(), sources), list(arrays.values())


def make(call: Checked) -> tuple[Recipe, list[Array]]:
    """The recipe of a call that the kernels do not refuse, and its tensors."""
    import torch

    from lossary.kernels.operators import OPERATORS, mind_process_groups

    kernel = call.loss.kernel.for_call(call)
    arrays = {name: Operand(x, Source(name, call.given.get(name, ()))) for name, x in call.arrays().items()}
    operands = kernel.arrange(Operands(call, call.dims, arrays))
    operator = OPERATORS[kernel.operator]
    arguments: tuple[Any, ...] = kernel.arguments(operands)
    if operator.reduces:
        reduction = REDUCTIONS[call.reduction]
        arguments += (kernel.row_weight(operands), reduction, kernel.normalizer(operands))
    slots = tuple(i for i, x in enumerate(arguments) if isinstance(x, Operand))
    tensors, sources = [arguments[i].tensor for i in slots], tuple(arguments[i].source for i in slots)
    wanted = 0
    if operator.reduces and torch.is_grad_enabled():
        is_wanted = {i for i, x in zip(slots, tensors, strict=True) if x.requires_grad}
        wanted = sum(1 << i for i, place in enumerate(operator.inputs) if place in is_wanted)
    places, unreduced = operator.places(wanted), operands.unreduced()
    inplace = bool(call.values.get("inplace_backward"))
    shape = tuple(n for _, n in axes(call.loss.unreduced, call.dims))
    # Derivatives of a gradient are the compiler's in compiled code, which remembers by itself.
    formula = None
    if not is_compiling():
        mind_process_groups()
        formula = Formula(replace(call.empty(), dims=operands.dims, answer_dtype=call.dtype), sources)
    # Unreduced, the gradient of each row waits for its upstream one. So does one in fp16, whose small numbers are 0
    # before a loss scale comes to them, where the host cannot look at that without waiting for the device; and in code
    # compiled for it, where the multiplication would be one more pass.
    first, ready = call.first, call.reduction != "none" and not inplace
    ready &= first.device.type == "cpu" or not (is_compiling() or first.dtype == torch.float16)
    recipe = Recipe(
        operator=operator,
        arguments=tuple(None if isinstance(x, Operand) else x for x in arguments),
        slots=slots,
        sources=sources,
        wanted=wanted,
        at_once=wanted if ready else 0,
        order=tuple(places.index(slot) if slot in places else -1 for slot in slots),
        inplace=inplace,
        dtype=call.answer_dtype,
        shape=shape if kernel.answer or (shape != unreduced and call.reduction == "none") else None,
        answer=kernel.answer,
        formula=formula,
    )
    return recipe, tensors
