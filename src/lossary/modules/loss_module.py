"""A loss function as a module of torch: what all classes of `lossary.nn` share."""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import torch

from lossary.core.check import legacy_reduction
from lossary.core.record import Loss
from lossary.core.record import of as record_of

PER_CALL = ("sample_weight", "normalizer")
"""Options that belong to a batch and not to a model."""


class LossModule(torch.nn.Module):
    """A loss function with its options fixed."""

    loss: ClassVar[Loss]
    function: ClassVar[Callable[..., Any]]
    options: ClassVar[tuple[str, ...]]
    """Their names; read from the class, since an option of torch's is called `options` too."""
    signature: ClassVar[inspect.Signature]
    inputs: ClassVar[int]

    def __init_subclass__(cls, of: Callable[..., Any] | None = None, per_call: tuple[str, ...] = ()) -> None:
        super().__init_subclass__()
        if of is None:  # a user's subclass of one of the losses
            return
        record = record_of(of)
        parameters = record.signature.parameters.values()
        in_forward = (*PER_CALL, *per_call)
        options = [p for p in parameters if p.default is not p.empty and p.name not in in_forward]
        data = [p for p in parameters if p.default is p.empty]
        cls.loss, cls.function = record, staticmethod(of)
        cls.options = tuple(p.name for p in options)
        cls.inputs = len(data)
        cls.signature = inspect.Signature(options)
        if "__init__" not in vars(cls):  # a module with parameters of its own has one, and says what it is
            cls.__signature__ = cls.signature  # type: ignore[attr-defined]
            cls.__doc__ = f"{record.title}.\n\nThe module of `lossary.{record.name}`, whose documentation holds."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(
                f"{type(self).__name__}: {error}; its options are {', '.join(type(self).options)}"
            ) from None
        bound.apply_defaults()
        if "size_average" in bound.arguments:
            given = (bound.arguments[n] for n in ("reduction", "size_average", "reduce"))
            bound.arguments |= {"reduction": legacy_reduction(type(self).__name__, *given)}
            bound.arguments |= {"size_average": None, "reduce": None}
        for name, value in bound.arguments.items():
            if name in self.loss.data:  # weights: tensors or None
                if value is not None and not isinstance(value, torch.Tensor):
                    value = _weights(type(self).__name__, name, value)
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        if len(args) > self.inputs:
            wanted = ", ".join(list(self.loss.signature.parameters)[: self.inputs])
            raise TypeError(f"{type(self).__name__} takes {wanted}; got {len(args)} positional arguments")
        return type(self).function(*args, **kwargs, **{name: getattr(self, name) for name in type(self).options})

    def extra_repr(self) -> str:
        defaults = self.loss.defaults
        # A module among the options, such as a distance, is a child, which torch shows itself.
        shown = {n: getattr(self, n) for n in type(self).options if n not in self._modules}
        return ", ".join(
            f"{n}={tuple(v.shape) if isinstance(v, torch.Tensor) else repr(v)}"
            for n, v in shown.items()
            if isinstance(v, torch.Tensor) or v != defaults[n]
        )


def _weights(module: str, name: str, value: object) -> torch.Tensor:
    try:
        kept = getattr(value, "dtype", None)  # NumPy's stays, a list takes the default
        return torch.as_tensor(value, dtype=None if kept is not None else torch.get_default_dtype())
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{module}: {name} is {value!r}; it must be a tensor, a list of numbers or None") from None
