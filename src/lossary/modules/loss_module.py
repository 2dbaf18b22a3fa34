"""A loss function as a module of torch: what all classes of `lossary.nn` share."""

import dataclasses
import inspect
from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar

import torch
from torch.nn.modules.loss import _Loss

from lossary.core.arrays import is_array, is_traced
from lossary.core.check import check_options, check_reduction
from lossary.core.contract import Levels, check_rank, shown
from lossary.core.record import Loss, record_of
from lossary.dispatch.implementations import check_impl
from lossary.dispatch.loss import short

DEPRECATED = ("size_average", "reduce")


class LossModule(_Loss):
    """A loss function with its options fixed. `forward` says what belongs to a batch, in a signature of its own."""

    loss: ClassVar[Loss]
    named: ClassVar[Loss]
    """The record under the name of the class, which the messages of its checks then say."""
    function: ClassVar[Callable[..., Any]]
    signature: ClassVar[inspect.Signature]
    option_names: ClassVar[tuple[str, ...]]
    data_names: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, of: Callable[..., Any] | None = None, held: tuple[str, ...] = ()) -> None:
        """of: the function. held: what a module with parameters of its own gives it beside the data."""
        super().__init_subclass__()
        if of is None:  # a user's subclass of one of the losses
            return
        record = record_of(of)
        taken = [p for p in inspect.signature(cls.forward).parameters.values() if p.name != "self"]
        beside = (*held, *(p.name for p in taken if p.kind is p.KEYWORD_ONLY))
        parameters = record.signature.parameters.values()
        options = [p for p in parameters if p.default is not p.empty and p.name not in beside]
        cls.loss, cls.function = record, staticmethod(of)
        cls.named = dataclasses.replace(record, name=cls.__name__)
        cls.data_names = tuple(p.name for p in taken if p.kind is not p.KEYWORD_ONLY)
        cls.option_names = tuple(p.name for p in options if p.name not in DEPRECATED)
        cls.signature = inspect.Signature(options)
        if "__init__" not in vars(cls):  # a module with parameters of its own has one, and says what it is
            cls.__signature__ = short(cls.signature)  # type: ignore[attr-defined]
            cls.__doc__ = f"{record.title}.\n\nThe module of `lossary.{record.name}`, whose documentation holds."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super(_Loss, self).__init__()  # past torch's class of the same name, which knows torch's options alone
        try:
            options = self._checked(args, kwargs)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{error}{self._fix(args, kwargs)}") from None
        for name, value in options.items():
            is_tensor = name in self.loss.data or isinstance(value, torch.Tensor)
            if is_tensor and not isinstance(value, torch.nn.Parameter):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def _checked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The options by name, checked as the function checks them, and left as they were given."""
        name = self.named.name
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}: {error}; its options are {', '.join(self.signature.parameters)}") from None
        bound.apply_defaults()
        values = bound.arguments
        values |= {"reduction": check_reduction(self.named, values)}
        check_options(self.named, dict(values))
        check_impl(name, values["impl"])
        return {n: _weights(self.named, n, values[n]) if n in self.loss.data else values[n] for n in self.option_names}

    def _fix(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The call that was probably meant where data stand in the place of options."""
        given = any(self._is_data(name, x) for name, x in zip(self.signature.parameters, args, strict=False))
        if given or any(name in self.data_names and name not in self.signature.parameters for name in kwargs):
            return call_on_data(self.named.name, "", self.data_names)
        return ""

    def _is_data(self, name: str, x: Any) -> bool:
        """Whether an array has more dimensions than an option has, or stands where none belongs."""
        allowed = (
            1
            if name in self.loss.data or isinstance(self.loss.options.get(name), Levels)
            else 0
            if name in self.loss.options
            else -1
        )
        return getattr(x, "ndim", 1 if isinstance(x, (list, tuple)) else -1) > allowed

    def _run(self, *data: Any, **options: Any) -> torch.Tensor:
        for name in self.option_names:
            options[name] = getattr(self, name)
        return type(self).function(*data, **options)

    def extra_repr(self) -> str:
        defaults = self.loss.defaults
        # A module among the options, such as a distance, is a child, which torch shows itself.
        values = {n: getattr(self, n) for n in self.option_names if n not in self._modules}
        return ", ".join(
            f"{n}={_shown(v)}" for n, v in values.items() if isinstance(v, torch.Tensor) or v != defaults[n]
        )


def call_on_data(module: str, options: str, data: tuple[str, ...]) -> str:
    return f". Make the module, then give it the data: {module}({options})({', '.join(data)})"


def check_sizes(module: str, options: str, **sizes: Any) -> None:
    """Raise where a number of features or of classes is no integer, as where data stand in its place."""
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, Integral):
            fix = call_on_data(module, options, ("input", "target")) if is_array(value) else ""
            raise TypeError(f"{module}: {name} is {shown(value)}; it must be an integer{fix}")


def _shown(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return repr(value)
    readable = value.ndim == 0 and not value.is_meta and not is_traced(value)
    return f"{value.item():.7g}" if readable else str(tuple(value.shape))


def _weights(loss: Loss, name: str, value: Any) -> torch.Tensor | None:
    if value is None:
        return None
    if not isinstance(value, torch.Tensor):
        try:
            kept = getattr(value, "dtype", None)  # NumPy's stays, a list takes the default
            value = torch.as_tensor(value, dtype=None if kept is not None else torch.get_default_dtype())
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(
                f"{loss.name}: {name} is {value!r}; it must be a tensor, a list of numbers or None"
            ) from None
    check_rank(loss.name, name, value, loss.data[name])
    return value
