"""A call as the rules see it: the loss's own answer to it, and its arrays as NumPy arrays whose axes are named."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from lossary.core import reference
from lossary.core.arrays import Array, as_array, is_array, is_torch, kind
from lossary.core.check import Checked, check, prepare
from lossary.core.contract import Spec, axes, check_array
from lossary.core.record import Loss
from lossary.core.sparse_targets import by_heaviest
from lossary.misuse.reading import host, quiet, to_cpu
from lossary.misuse.sample import Sample, draw


class Unchecked(Exception):
    """A rule applies, and this call does not show enough to tell. The message completes "not checked: ..."."""


class Call:
    """One call of one loss.

    arguments: as they were given. refusal: the loss's own message, where it refuses them. checked: the call as the loss
    takes it, otherwise; its arrays hold no gradient, lie on the CPU, and may be a sample.
    """

    def __init__(self, loss: Loss, arguments: dict[str, Any], refusal: str = "") -> None:
        self.loss, self.arguments, self.refusal = loss, arguments, refusal
        self.reduction = str(arguments.get("reduction"))
        self.sample = Sample()
        self.specs: dict[str, Spec] = {}
        self._hosts: dict[str, np.ndarray] = {}
        if not refusal:
            try:
                with quiet():
                    given = {name: to_cpu(x) for name, x in arguments.items()}
                    checked, classes = check(loss, given), by_heaviest(loss, given)
                    if classes is not given:
                        prepare(checked)  # refuses what the heaviest class leaves out
                        checked = check(loss, classes)
                    self.checked = self._read(checked)
                    self._unreduced = host(reference.run(self.checked))
            except (ValueError, TypeError, IndexError) as error:
                self.refusal = str(error)
        self.refusal = self.refusal.removeprefix(f"{loss.name}: ")
        if self.refusal:
            given = {name: _from_list(arguments.get(name)) for name in loss.data}
            self._arrays = {n: x for n, x in given.items() if is_array(x) and kind(x) in ("float", "integer", "bool")}
            self.specs = {name: _of_kind(loss.data[name], x) for name, x in self._arrays.items()}

    def _read(self, checked: Checked) -> Checked:
        """`checked`, thinned where it is too long."""
        loss, values = self.loss, prepare(checked)
        self.dims, self.reduction = checked.dims, checked.reduction
        first = (next(iter(loss.data)), checked.first)
        for name, spec in loss.data.items():
            if values[name] is not None:
                self.specs[name] = check_array(loss.name, name, values[name], spec, dict(self.dims), first)
        self._arrays = {name: values[name] for name in self.specs}
        names = {name: self.names(name) for name in self.specs}
        # Concatenated labels have no axis along which samples could be left out, and coupled rows need each other.
        if loss.rows_independent and all(spec.shape != "L" for spec in self.specs.values()):
            self.sample = draw(self._arrays, names, dict(axes(loss.rows, self.dims)))
        part = {name: self.sample.part(x, names[name]) for name, x in self._arrays.items()}
        weight = checked.sample_weight
        of_losses = [axis for axis, _ in axes(checked.loss.unreduced, self.dims)]
        return replace(
            checked,
            values={**values, **part},
            first=part[first[0]],
            sample_weight=None if weight is None else self.sample.part(weight, of_losses),
            normalizer=None,
            reduction="none",
            answer_dtype=checked.dtype,
        )

    # What the arguments are -------------------------------------------------------------------------------------------

    @property
    def first(self) -> str:
        """The first argument, which has the shape that the others are held to."""
        name = next(iter(self.loss.data))
        if name not in self.specs:
            raise Unchecked(f"{name} is no array of numbers")
        return name

    def names(self, name: str) -> list[str]:
        """The names of an argument's axes, by its contract."""
        return [axis for axis, _ in axes(self.specs[name].shape, self.dims)]

    @cached_property
    def rows_axes(self) -> list[str]:
        """The names of the axes of the rows: of what has a target of its own."""
        return [axis for axis, _ in axes(self.loss.rows, self.dims)]

    def inner(self, name: str) -> list[str]:
        """The axes of an argument over which the loss is one number: classes, features, frames."""
        return [axis for axis in self.names(name) if axis not in self.rows_axes]

    def word(self, name: str) -> str:
        """The contract word of an argument; that of some follows an option."""
        given = {**self.loss.defaults, **self.arguments}
        word = self.loss.domains(given).get(name, self.specs[name].domain).name
        if word == "probabilities, or log-probabilities":
            return "log-probabilities" if self.option("log_target") else "target probabilities"
        return word

    def named(self, *words: str) -> list[str]:
        """The arguments of these contract words."""
        return [name for name in self.specs if self.word(name) in words]

    def is_required(self, name: str) -> bool:
        return name not in self.loss.defaults

    def has_classes(self, name: str) -> bool:
        """Whether the loss runs over classes of this argument, which is no option such as a bias."""
        return self.is_required(name) and "C" in self.names(name)

    def has_softmax(self, name: str) -> bool:
        """Whether the loss takes the softmax of this argument, and not the sigmoid of each number."""
        return self.has_classes(name) and self.option("activation") in (None, "softmax")

    def option(self, name: str) -> Any:
        """An option's value; None where the loss has none of that name."""
        value = self.arguments.get(name, self.loss.defaults.get(name))
        return host(value).item() if name in self.loss.options and is_array(value) else value

    def needs_grad(self, name: str) -> bool:
        return is_torch(self.arguments[name]) and bool(self.arguments[name].requires_grad)

    # Values -----------------------------------------------------------------------------------------------------------

    def array(self, name: str) -> Array:
        """All of an argument, in its own library."""
        return self._arrays[name]

    def host(self, name: str) -> np.ndarray:
        """An argument in float64 or int64, as the loss takes it; as it was given where the loss refuses the call."""
        if name not in self._hosts:
            self._hosts[name] = host(self._arrays[name] if self.refusal else self.checked.values[name])
        return self._hosts[name]

    def whole(self, name: str) -> np.ndarray:
        """All of an argument, also where other rules see a sample."""
        return host(self._arrays[name]) if self.sample.axis else self.host(name)

    def aligned(self, name: str) -> np.ndarray:
        """An argument with the axes of the rows first, its inner axes last."""
        x, names = self.host(name), self.names(name)
        x = x.reshape((1,) * (len(names) - x.ndim) + x.shape)
        order = [axis for axis in self.rows_axes if axis in names] + self.inner(name)
        x = x.transpose([names.index(axis) for axis in order])
        x = np.expand_dims(x, tuple(i for i, axis in enumerate(self.rows_axes) if axis not in names))
        sizes = dict(axes(self.specs[name].shape, self.dims))
        return np.broadcast_to(x, (*self.rows_shape, *(sizes[axis] for axis in self.inner(name))))

    @cached_property
    def rows_shape(self) -> tuple[int, ...]:
        """How many rows there are along each of their axes, in the sample."""
        return self._sampled(self.loss.rows)

    @cached_property
    def kept(self) -> np.ndarray:
        """Which rows count: not ignored, and of no weight 0."""
        kept = np.ones(self.rows_shape, bool)
        if self.checked.sample_weight is not None:
            kept = kept & self._of_rows(host(self.checked.sample_weight) != 0)
        for name in self.named("class indices"):
            if self.option("ignore_index") is not None:
                kept = kept & (self.aligned(name) != self.option("ignore_index"))
        return kept

    def _sampled(self, shape: str) -> tuple[int, ...]:
        sizes, places = axes(shape, self.dims), self.sample.places
        return tuple(n if places is None or axis != self.sample.axis else len(places) for axis, n in sizes)

    def _of_rows(self, marked: np.ndarray) -> np.ndarray:
        """Of marked losses the rows that belong to any."""
        names = [axis for axis, _ in axes(self.loss.unreduced, self.dims)]
        marked = np.broadcast_to(marked, self._sampled(self.loss.unreduced))
        of_any = marked.any(axis=tuple(i for i, axis in enumerate(names) if axis not in self.rows_axes))
        shared = [axis for axis in names if axis in self.rows_axes]
        return np.expand_dims(of_any, tuple(i for i, axis in enumerate(self.rows_axes) if axis not in shared))

    def rows(self, name: str) -> np.ndarray:
        """An argument's rows that count, (R, inner axes)."""
        return self.aligned(name)[self.kept]

    def lengths(self, name: str) -> np.ndarray:
        """The length of each sample, counted or not, (N,)."""
        return np.broadcast_to(self.host(name).reshape(-1), (prod(self.rows_shape),))

    @cached_property
    def losses(self) -> np.ndarray:
        """The losses of the rows that count, (R,)."""
        # A distance of the caller's own decides it, and some losses are of many rows each.
        if self.loss.rows != self.loss.unreduced or self._unreduced.size != self.kept.size:
            raise Unchecked(f"there are {self._unreduced.size:,} losses for {self.kept.size:,} rows")
        return self._unreduced.reshape(self.rows_shape)[self.kept]


def _from_list(x: Any) -> Any:
    return as_array(x, like=np.zeros(0)) if type(x) in (list, tuple) else x


def _of_kind(spec: Spec, x: Array) -> Spec:
    """The alternative of a contract that the dtype of `x` asks for, whatever its shape."""
    return next((s for s in spec if (s.domain.dtype == "integer") == (kind(x) == "integer")), spec)
