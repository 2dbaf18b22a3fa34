"""Every loss as a module, under the names of torch.nn where torch has it.

A module takes the options of its function, in the same order, and the data in `forward`. Tensor options are buffers:
`.to()` moves them and the state dict holds them, as in torch. Whatever else is asked of this module is torch.nn's own,
so that `from lossary import nn` can stand for `from torch import nn`.
"""

try:
    import torch
except ImportError as error:
    raise ImportError("lossary.nn needs torch: pip install torch, or use the functions of lossary") from error

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from lossary import functional as F
from lossary.core.check import legacy_reduction
from lossary.core.record import Loss
from lossary.core.record import of as record_of

functional = F

PER_CALL = ("sample_weight", "normalizer")
"""Options that belong to a batch and not to a model."""


class LossModule(torch.nn.Module):
    """A loss function with its options fixed."""

    loss: ClassVar[Loss]
    function: ClassVar[Callable[..., Any]]
    options: ClassVar[tuple[str, ...]]
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
        cls.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        cls.__doc__ = f"{record.title}.\n\nThe module of `lossary.{record.name}`, whose documentation holds."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        try:
            bound = type(self).__signature__.bind(*args, **kwargs)  # type: ignore[attr-defined]
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}; its options are {', '.join(self.options)}") from None
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
        return type(self).function(*args, **kwargs, **{name: getattr(self, name) for name in self.options})

    def extra_repr(self) -> str:
        defaults = self.loss.defaults
        shown = {n: getattr(self, n) for n in self.options}
        return ", ".join(
            f"{n}={tuple(v.shape) if isinstance(v, torch.Tensor) else repr(v)}"
            for n, v in shown.items()
            if isinstance(v, torch.Tensor) or v != defaults[n]
        )


def __getattr__(name: str) -> Any:
    return getattr(torch.nn, name)


def module_of(function: Callable[..., Any]) -> type[LossModule]:
    """The module class of a loss function."""
    for module in LossModule.__subclasses__():
        if module.loss is record_of(function):
            return module
    raise LookupError(f"{record_of(function).name} has no module in lossary.nn")


def _weights(module: str, name: str, value: object) -> torch.Tensor:
    try:
        kept = getattr(value, "dtype", None)  # NumPy's stays, a list takes the default
        return torch.as_tensor(value, dtype=None if kept is not None else torch.get_default_dtype())
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{module}: {name} is {value!r}; it must be a tensor, a list of numbers or None") from None


class BCELoss(LossModule, of=F.binary_cross_entropy): ...


class BCEWithLogitsLoss(LossModule, of=F.binary_cross_entropy_with_logits): ...


class CosineEmbeddingLoss(LossModule, of=F.cosine_embedding_loss): ...


class CrossEntropyLoss(LossModule, of=F.cross_entropy): ...


class CTCLoss(LossModule, of=F.ctc_loss): ...


class GaussianNLLLoss(LossModule, of=F.gaussian_nll_loss): ...


class HingeEmbeddingLoss(LossModule, of=F.hinge_embedding_loss): ...


class HuberLoss(LossModule, of=F.huber_loss, per_call=("weight",)): ...


class KLDivLoss(LossModule, of=F.kl_div): ...


class L1Loss(LossModule, of=F.l1_loss, per_call=("weight",)): ...


class MarginRankingLoss(LossModule, of=F.margin_ranking_loss): ...


class MSELoss(LossModule, of=F.mse_loss, per_call=("weight",)): ...


class MultiLabelMarginLoss(LossModule, of=F.multilabel_margin_loss): ...


class MultiLabelSoftMarginLoss(LossModule, of=F.multilabel_soft_margin_loss): ...


class MultiMarginLoss(LossModule, of=F.multi_margin_loss): ...


class NLLLoss(LossModule, of=F.nll_loss): ...


class PoissonNLLLoss(LossModule, of=F.poisson_nll_loss): ...


class SmoothL1Loss(LossModule, of=F.smooth_l1_loss): ...


class SoftMarginLoss(LossModule, of=F.soft_margin_loss): ...


class TripletMarginLoss(LossModule, of=F.triplet_margin_loss): ...
