"""The formula of a checked call, its reduction and its rounding: what every other implementation must answer too."""

from typing import Any

from lossary.core.arrays import Array, cast, namespace, size_fits
from lossary.core.check import Checked, prepare
from lossary.core.reduce import Unreduced, reduce


def run(call: Checked) -> Any:
    """The loss; of a function that is no loss and has nothing to reduce, what it answers."""
    values = call.loss.function(**prepare(call))
    return (call.loss.finish or finish)(call, values)


def finish(call: Checked, values: Array | Unreduced) -> Array:
    """Unreduced values, reduced and rounded to the dtype of the answer."""
    unreduced = values if isinstance(values, Unreduced) else Unreduced(values)
    reduced = reduce(unreduced, call.reduction, _weight_of(call, unreduced.values), call.normalizer)
    return cast(reduced, call.answer_dtype)


def _weight_of(call: Checked, values: Array) -> Array | None:
    """The sample weight with as many dimensions as the loss, which a distance of the caller's own decides."""
    weight = call.sample_weight
    if weight is None or weight.ndim == values.ndim:
        return weight
    shape, rows = tuple(weight.shape), tuple(values.shape)
    kept, rest = shape[: len(rows)], shape[len(rows) :]
    if any(n != 1 for n in rest) or not size_fits(kept, rows[: len(kept)]):
        raise ValueError(
            f"{call.loss.name}: sample_weight has the dimensions {shape}, and the unreduced loss the shape {rows}; "
            "give one weight for each of its rows"
        )
    return namespace(values).reshape(weight, kept + (1,) * (len(rows) - len(kept)))
