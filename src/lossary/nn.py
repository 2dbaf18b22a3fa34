"""Every loss as a module, under the names of torch.nn where torch has it.

A module takes the options of its function, in the same order, and the data in `forward`. Tensor options are buffers:
`.to()` moves them and the state dict holds them, as in torch. Whatever else is asked of this module is torch.nn's own,
its submodules included, so that `from lossary import nn` can stand for `from torch import nn`.
"""

try:
    import torch
except ImportError as error:
    raise ImportError("lossary.nn needs torch: pip install torch, or use the functions of lossary") from error

from collections.abc import Callable
from typing import Any

from lossary import functional as F
from lossary.core.record import of as record_of
from lossary.modules.adaptive_log_softmax import AdaptiveLogSoftmaxWithLoss as AdaptiveLogSoftmaxWithLoss
from lossary.modules.linear_cross_entropy import LinearCrossEntropyLoss as LinearCrossEntropyLoss
from lossary.modules.loss_module import LossModule as LossModule
from lossary.modules.submodules import find_submodules

functional = F
__path__: list[str] = []  # without one Python looks for no submodules
find_submodules()


def __getattr__(name: str) -> Any:
    if name.startswith("__"):  # what Python asks of a module itself, such as its path
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(torch.nn, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(torch.nn)})


def loss_modules() -> tuple[type[LossModule], ...]:
    """The module class of every loss."""
    return tuple(
        c for c in globals().values() if isinstance(c, type) and issubclass(c, LossModule) and c is not LossModule
    )


def module_of(function: Callable[..., Any]) -> type[LossModule]:
    """The module class of a loss function."""
    for module in loss_modules():
        if module.loss is record_of(function):
            return module
    raise LookupError(f"{record_of(function).name} has no module in lossary.nn")


class BCELoss(LossModule, of=F.binary_cross_entropy): ...


class BCEWithLogitsLoss(LossModule, of=F.binary_cross_entropy_with_logits): ...


class CosineEmbeddingLoss(LossModule, of=F.cosine_embedding_loss): ...


class CrossEntropyLoss(LossModule, of=F.cross_entropy): ...


class CTCLoss(LossModule, of=F.ctc_loss): ...


class CTCWithLogitsLoss(LossModule, of=F.ctc_loss_with_logits): ...


class FocalLoss(LossModule, of=F.focal_loss): ...


class GaussianNLLLoss(LossModule, of=F.gaussian_nll_loss): ...


class HingeEmbeddingLoss(LossModule, of=F.hinge_embedding_loss): ...


class HuberLoss(LossModule, of=F.huber_loss, per_call=("weight",)): ...


class KLDivLoss(LossModule, of=F.kl_div): ...


class KLDivWithLogitsLoss(LossModule, of=F.kl_div_with_logits): ...


class L1Loss(LossModule, of=F.l1_loss, per_call=("weight",)): ...


class MarginRankingLoss(LossModule, of=F.margin_ranking_loss): ...


class MSELoss(LossModule, of=F.mse_loss, per_call=("weight",)): ...


class MultiLabelMarginLoss(LossModule, of=F.multilabel_margin_loss): ...


class MultiLabelSoftMarginLoss(LossModule, of=F.multilabel_soft_margin_loss): ...


class MultiMarginLoss(LossModule, of=F.multi_margin_loss): ...


class NLLLoss(LossModule, of=F.nll_loss): ...


class PoissonNLLLoss(LossModule, of=F.poisson_nll_loss): ...


class SigmoidFocalLoss(LossModule, of=F.sigmoid_focal_loss): ...


class SmoothL1Loss(LossModule, of=F.smooth_l1_loss): ...


class SoftMarginLoss(LossModule, of=F.soft_margin_loss): ...


class TripletMarginLoss(LossModule, of=F.triplet_margin_loss): ...


class TripletMarginWithDistanceLoss(LossModule, of=F.triplet_margin_with_distance_loss): ...


__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]  # what torch.nn gives, and the losses
    *{name for name in dir(torch.nn) if not name.startswith("_")} - {module.__name__ for module in loss_modules()},
    *(module.__name__ for module in loss_modules()),
]
