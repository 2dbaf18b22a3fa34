"""Every loss as a module, under the names of torch.nn where torch has it.

A module takes the options of its function, in the same order, and the data in `forward`, under torch's names. It is an
instance of torch's class of its name too. Tensors among the options are buffers, and parameters are parameters: `.to()`
moves them and the state dict holds them, as in torch. Whatever else is asked of this module is torch.nn's own,
its submodules included, so that `from lossary import nn` can stand for `from torch import nn`.
"""

try:
    import torch
except ImportError as error:
    raise ImportError("lossary.nn needs torch: pip install torch, or use the functions of lossary") from error

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from lossary import functional as F
from lossary.core.record import record_of
from lossary.modules.adaptive_log_softmax import AdaptiveLogSoftmaxWithLoss as AdaptiveLogSoftmaxWithLoss
from lossary.modules.linear_cross_entropy import LinearCrossEntropyLoss as LinearCrossEntropyLoss
from lossary.modules.loss_module import LossModule as LossModule
from lossary.modules.submodules import find_submodules

Weight = Tensor | None
Number = Tensor | float | None
Lengths = Tensor | Sequence[int]

functional = F
__path__: list[str] = []  # without one Python looks for no submodules
find_submodules()


def __getattr__(name: str) -> Any:
    if name.startswith("__"):  # what Python asks of a module itself, such as its path
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(torch.nn, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *(name for name in dir(torch.nn) if not name.startswith("__"))})


def loss_modules() -> tuple[type[LossModule], ...]:
    """The module class of every loss."""
    return tuple(
        c for c in globals().values() if isinstance(c, type) and issubclass(c, LossModule) and hasattr(c, "loss")
    )


def module_of(function: Callable[..., Any]) -> type[LossModule]:
    """The module class of a loss function."""
    for module in loss_modules():
        if module.loss is record_of(function):
            return module
    raise LookupError(f"{record_of(function).name} has no module in lossary.nn")


class AsymmetricLoss(LossModule, of=F.asymmetric_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class BCELoss(LossModule, torch.nn.BCELoss, of=F.binary_cross_entropy):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class BCEWithLogitsLoss(LossModule, torch.nn.BCEWithLogitsLoss, of=F.binary_cross_entropy_with_logits):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class BoxIoULoss(LossModule, of=F.box_iou_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class CategoricalHingeLoss(LossModule, of=F.categorical_hinge_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class CompleteBoxIoULoss(LossModule, of=F.complete_box_iou_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class CosineEmbeddingLoss(LossModule, torch.nn.CosineEmbeddingLoss, of=F.cosine_embedding_loss):
    def forward(
        self, input1: Tensor, input2: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input1, input2, target, sample_weight=sample_weight, normalizer=normalizer)


class CoxLoss(LossModule, of=F.cox_loss):
    def forward(
        self,
        input: Tensor,
        duration: Tensor,
        event: Tensor,
        *,
        strata: Tensor | None = None,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(input, duration, event, strata=strata, sample_weight=sample_weight, normalizer=normalizer)


class CrossEntropyLoss(LossModule, torch.nn.CrossEntropyLoss, of=F.cross_entropy):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class CTCLoss(LossModule, torch.nn.CTCLoss, of=F.ctc_loss):
    def forward(
        self,
        log_probs: Tensor,
        targets: Tensor,
        input_lengths: Lengths,
        target_lengths: Lengths,
        *,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(
            log_probs, targets, input_lengths, target_lengths, sample_weight=sample_weight, normalizer=normalizer
        )


class CTCWithLogitsLoss(LossModule, of=F.ctc_loss_with_logits):
    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        input_lengths: Lengths,
        target_lengths: Lengths,
        *,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(
            logits, targets, input_lengths, target_lengths, sample_weight=sample_weight, normalizer=normalizer
        )


class DiceLoss(LossModule, of=F.dice_loss):
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        pixel_weight: Weight = None,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(input, target, pixel_weight=pixel_weight, sample_weight=sample_weight, normalizer=normalizer)


class DistanceBoxIoULoss(LossModule, of=F.distance_box_iou_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class DPOLoss(LossModule, of=F.dpo_loss):
    def forward(
        self,
        chosen: Tensor,
        rejected: Tensor,
        reference_chosen: Tensor,
        reference_rejected: Tensor,
        *,
        margin: Number = None,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(
            chosen,
            rejected,
            reference_chosen,
            reference_rejected,
            margin=margin,
            sample_weight=sample_weight,
            normalizer=normalizer,
        )


class FocalLoss(LossModule, of=F.focal_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class GaussianNLLLoss(LossModule, torch.nn.GaussianNLLLoss, of=F.gaussian_nll_loss):
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        var: Tensor | float,
        *,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(input, target, var, sample_weight=sample_weight, normalizer=normalizer)


class GeneralizedBoxIoULoss(LossModule, of=F.generalized_box_iou_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class HingeEmbeddingLoss(LossModule, torch.nn.HingeEmbeddingLoss, of=F.hinge_embedding_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class HingeLoss(LossModule, of=F.hinge_loss):
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Weight = None,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(input, target, weight=weight, sample_weight=sample_weight, normalizer=normalizer)


class HuberLoss(LossModule, torch.nn.HuberLoss, of=F.huber_loss):
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Weight = None,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(input, target, weight=weight, sample_weight=sample_weight, normalizer=normalizer)


class InfoNCELoss(LossModule, of=F.info_nce_loss):
    def forward(
        self,
        input: Tensor,
        candidates: Tensor,
        *,
        positives: Tensor | None = None,
        labels: Tensor | None = None,
        negatives: Tensor | None = None,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        beside = {"positives": positives, "labels": labels, "negatives": negatives}
        return self._run(input, candidates, **beside, sample_weight=sample_weight, normalizer=normalizer)


class JaccardLoss(LossModule, of=F.jaccard_loss):
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        pixel_weight: Weight = None,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(input, target, pixel_weight=pixel_weight, sample_weight=sample_weight, normalizer=normalizer)


class KLDivLoss(LossModule, torch.nn.KLDivLoss, of=F.kl_div):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class KLDivWithLogitsLoss(LossModule, of=F.kl_div_with_logits):
    def forward(
        self, input_logits: Tensor, target_logits: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input_logits, target_logits, sample_weight=sample_weight, normalizer=normalizer)


class L1Loss(LossModule, torch.nn.L1Loss, of=F.l1_loss):
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Weight = None,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(input, target, weight=weight, sample_weight=sample_weight, normalizer=normalizer)


class LogCoshLoss(LossModule, of=F.log_cosh_loss):
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Weight = None,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(input, target, weight=weight, sample_weight=sample_weight, normalizer=normalizer)


class MarginRankingLoss(LossModule, torch.nn.MarginRankingLoss, of=F.margin_ranking_loss):
    def forward(
        self, input1: Tensor, input2: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input1, input2, target, sample_weight=sample_weight, normalizer=normalizer)


class MSELoss(LossModule, torch.nn.MSELoss, of=F.mse_loss):
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Weight = None,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(input, target, weight=weight, sample_weight=sample_weight, normalizer=normalizer)


class MultiLabelMarginLoss(LossModule, torch.nn.MultiLabelMarginLoss, of=F.multilabel_margin_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class MultiLabelSoftMarginLoss(LossModule, torch.nn.MultiLabelSoftMarginLoss, of=F.multilabel_soft_margin_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class MultiMarginLoss(LossModule, torch.nn.MultiMarginLoss, of=F.multi_margin_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class NLLLoss(LossModule, torch.nn.NLLLoss, of=F.nll_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class PoissonNLLLoss(LossModule, torch.nn.PoissonNLLLoss, of=F.poisson_nll_loss):
    def forward(
        self, log_input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(log_input, target, sample_weight=sample_weight, normalizer=normalizer)


class QuantileLoss(LossModule, of=F.quantile_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class RNNTLoss(LossModule, of=F.rnnt_loss):
    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        logit_lengths: Lengths,
        target_lengths: Lengths,
        *,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(
            logits, targets, logit_lengths, target_lengths, sample_weight=sample_weight, normalizer=normalizer
        )


class SigmoidFocalLoss(LossModule, of=F.sigmoid_focal_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class SmoothL1Loss(LossModule, torch.nn.SmoothL1Loss, of=F.smooth_l1_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class SoftMarginLoss(LossModule, torch.nn.SoftMarginLoss, of=F.soft_margin_loss):
    def forward(
        self, input: Tensor, target: Tensor, *, sample_weight: Weight = None, normalizer: Number = None
    ) -> Tensor:
        return self._run(input, target, sample_weight=sample_weight, normalizer=normalizer)


class SquaredHingeLoss(LossModule, of=F.squared_hinge_loss):
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Weight = None,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(input, target, weight=weight, sample_weight=sample_weight, normalizer=normalizer)


class TripletMarginLoss(LossModule, torch.nn.TripletMarginLoss, of=F.triplet_margin_loss):
    def forward(
        self,
        anchor: Tensor,
        positive: Tensor,
        negative: Tensor,
        *,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(anchor, positive, negative, sample_weight=sample_weight, normalizer=normalizer)


class TripletMarginWithDistanceLoss(
    LossModule, torch.nn.TripletMarginWithDistanceLoss, of=F.triplet_margin_with_distance_loss
):
    def forward(
        self,
        anchor: Tensor,
        positive: Tensor,
        negative: Tensor,
        *,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(anchor, positive, negative, sample_weight=sample_weight, normalizer=normalizer)


class TverskyLoss(LossModule, of=F.tversky_loss):
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        pixel_weight: Weight = None,
        sample_weight: Weight = None,
        normalizer: Number = None,
    ) -> Tensor:
        return self._run(input, target, pixel_weight=pixel_weight, sample_weight=sample_weight, normalizer=normalizer)


__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]  # what torch.nn gives, and the losses
    *{name for name in dir(torch.nn) if not name.startswith("_")} - {module.__name__ for module in loss_modules()},
    *(module.__name__ for module in loss_modules()),
]
