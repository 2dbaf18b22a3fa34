"""One call of one loss on one library in one dtype, as the checks see it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from lossary.core.contract import axes
from lossary.core.record import Loss
from lossary.testing.derivatives import central_differences
from lossary.testing.libraries import Library
from lossary.testing.samples import Sample


@dataclass(frozen=True)
class Case:
    """function: the loss under test, which a mutant may stand in for. oracle: its independent definition.

    Of a loss that holds terms the oracle takes `frozen`, the arguments at which these are computed: None for its own.
    """

    loss: Loss
    function: Callable[..., Any]
    oracle: Callable[..., Any]
    sample: Sample
    library: Library
    dtype: str

    def of(self, sample: Sample, dtype: str | None = None) -> "Case":
        return Case(self.loss, self.function, self.oracle, sample, self.library, dtype or self.dtype)

    def convert(self, x: Any) -> Any:
        return self.library.array(np.asarray(x), self.dtype) if isinstance(x, (np.ndarray, np.generic)) else x

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """The sample's arguments as arrays of the library."""
        return {name: self.convert(x) for name, x in self.sample.arguments.items()}

    @cached_property
    def rounded(self) -> dict[str, Any]:
        """The sample's arguments as the library holds them, in float64: what the oracle must be asked about."""
        return {
            name: self.library.numpy(x)
            if name in self.sample.arrays and self.sample.arrays[name].dtype.kind == "f"
            else y
            for (name, x), y in zip(self.arguments.items(), self.sample.arguments.values(), strict=True)
        }

    @cached_property
    def scale(self) -> float:
        """The largest finite magnitude among the floating arguments, and what a projection makes of it."""
        finite = [
            np.abs(x[np.isfinite(x)])
            for x in self.rounded.values()
            if isinstance(x, np.ndarray) and x.dtype.kind == "f"
        ]
        return self.gain * max([1.0, *(float(x.max()) for x in finite if x.size)])

    @cached_property
    def gain(self) -> float:
        """How much larger than the features a projection can be, at least 1."""
        multiply = ("linear weights", "candidates")
        matrices = [self.rounded[n] for n, s in self.sample.specs.items() if s.domain.name in multiply]
        return max([1.0, *(float(w.shape[-1] * np.abs(w).max()) for w in matrices if w.size)])

    @property
    def unreduced_shape(self) -> tuple[int, ...]:
        return tuple(n for _, n in axes(self.loss.unreduced, self.sample.dims))

    @cached_property
    def row_scale(self) -> np.ndarray:
        """The largest finite magnitude that each element of the unreduced loss is made of, at least 1."""
        rows = [name for name, _ in axes(self.loss.unreduced, self.sample.dims)]
        scale = np.ones(self.unreduced_shape)
        for name, spec in self.sample.specs.items():
            x = self.rounded[name]
            multiplies = spec.domain.name == "linear weights"
            if spec.domain.dtype != "float" or not isinstance(x, np.ndarray) or x.size == 0 or multiplies:
                continue
            names = [n for n, _ in axes(spec.shape, self.sample.dims)][-x.ndim or None :] if x.ndim else []
            shared = tuple(i for i, n in enumerate(names) if n not in rows)
            size = np.where(np.isfinite(x), np.abs(x), 0.0).max(axis=shared, keepdims=True)
            kept = [n for n in names if n in rows]
            size = size.reshape([x.shape[names.index(n)] for n in kept])
            scale = np.maximum(scale, size.reshape([size.shape[kept.index(n)] if n in kept else 1 for n in rows]))
        return scale * self.gain

    def call(self, **changes: Any) -> Any:
        return self.function(**{**self.arguments, **changes})

    def value(self, **changes: Any) -> np.ndarray:
        return self.library.numpy(self.call(**changes))

    def true(self, **changes: Any) -> np.ndarray:
        """The oracle's answer in float64."""
        answer = np.asarray(self.oracle(**{**self.rounded, **changes}), dtype=object)
        return np.array([float(x) for x in answer.flat]).reshape(answer.shape)

    def as_function_of(self, name: str, **changes: Any) -> Callable[[Any], Any]:
        held = {**self.arguments, **changes}  # now: an array made while JAX traces would be of that trace
        return lambda x: self.function(**{**held, name: x})

    def gradient(self, name: str, **changes: Any) -> np.ndarray:
        return self.library.numpy(self.library.gradient(self.as_function_of(name, **changes), self.arguments[name]))

    def true_gradient(
        self, name: str, arguments: Mapping[str, Any], held_at: Mapping[str, Any] | None = None
    ) -> np.ndarray:
        """The oracle's gradient; the terms that the loss holds are those of `held_at`, or of the arguments."""
        frozen = {"frozen": arguments if held_at is None else held_at} if self.loss.held else {}
        return central_differences(partial(self.oracle, **frozen), arguments, name)

    def random(self, shape: tuple[int, ...], low: float = 0.5, high: float = 2.0) -> np.ndarray:
        """Numbers that are the same for the same sample."""
        return np.asarray(np.random.default_rng([7, self.sample.seed]).uniform(low, high, shape))
