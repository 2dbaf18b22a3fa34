# `make docs` writes this file from nn.py and the catalogue; edit those.
# pyright: reportIncompatibleMethodOverride=false, reportWildcardImportFromLibrary=false, reportAssignmentType=false
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import *  # noqa: F403  # first: its losses are Lossary's here
from torch.nn import attention as attention
from torch.nn import init as init
from torch.nn import modules as modules
from torch.nn import parallel as parallel
from torch.nn import parameter as parameter
from torch.nn import utils as utils

from lossary import functional as functional
from lossary.core.arrays import Impl
from lossary.modules.adaptive_log_softmax import AdaptiveLogSoftmaxWithLoss as AdaptiveLogSoftmaxWithLoss
from lossary.modules.linear_cross_entropy import LinearCrossEntropyLoss as LinearCrossEntropyLoss
from lossary.modules.loss_module import LossModule as LossModule

def loss_modules() -> tuple[type[LossModule], ...]: ...
def module_of(function: Callable[..., Any]) -> type[LossModule]: ...

class AsymmetricLoss(LossModule):
    def __init__(
        self,
        weight: Tensor | Sequence[float] | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        gamma_pos: Tensor | float = 0.0,
        gamma_neg: Tensor | float = 4.0,
        clip: Tensor | float = 0.05,
        pos_weight: Tensor | Sequence[float] | None = None,
        held: bool = False,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class BCELoss(LossModule, torch.nn.BCELoss):
    def __init__(
        self,
        weight: Tensor | Sequence[float] | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class BCEWithLogitsLoss(LossModule, torch.nn.BCEWithLogitsLoss):
    def __init__(
        self,
        weight: Tensor | Sequence[float] | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        pos_weight: Tensor | Sequence[float] | None = None,
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class BoxIoULoss(LossModule):
    def __init__(
        self,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        kind: Literal["iou", "giou", "diou", "ciou", "eiou"] = "giou",
        format: Literal["xyxy", "xywh", "cxcywh"] = "xyxy",
        held_alpha: bool = True,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class CategoricalHingeLoss(LossModule):
    def __init__(
        self,
        weight: Tensor | Sequence[float] | None = None,
        ignore_index: int = -100,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        margin: Tensor | float = 1.0,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class CompleteBoxIoULoss(LossModule):
    def __init__(
        self,
        reduction: Literal["none", "mean", "sum"] = "none",
        *,
        format: Literal["xyxy", "xywh", "cxcywh"] = "xyxy",
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class CosineEmbeddingLoss(LossModule, torch.nn.CosineEmbeddingLoss):
    def __init__(
        self,
        margin: Tensor | float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input1: Tensor,
        input2: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input1: Tensor,
        input2: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class CoxLoss(LossModule):
    def __init__(
        self,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        ties: Literal["breslow", "efron"] = "breslow",
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        duration: Tensor,
        event: Tensor,
        *,
        strata: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        duration: Tensor,
        event: Tensor,
        *,
        strata: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class CrossEntropyLoss(LossModule, torch.nn.CrossEntropyLoss):
    def __init__(
        self,
        weight: Tensor | Sequence[float] | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        label_smoothing: Tensor | float = 0.0,
        *,
        inplace_backward: bool = False,
        softcap: Tensor | float | None = None,
        temperature: Tensor | float = 1.0,
        z_loss: Tensor | float = 0.0,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class CTCLoss(LossModule, torch.nn.CTCLoss):
    def __init__(
        self,
        blank: int = 0,
        reduction: Literal["none", "mean", "sum"] = "mean",
        zero_infinity: bool = False,
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        log_probs: Tensor,
        targets: Tensor,
        input_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        log_probs: Tensor,
        targets: Tensor,
        input_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class CTCWithLogitsLoss(LossModule):
    def __init__(
        self,
        blank: int = 0,
        reduction: Literal["none", "mean", "sum"] = "mean",
        zero_infinity: bool = False,
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        input_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        logits: Tensor,
        targets: Tensor,
        input_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class DiceLoss(LossModule):
    def __init__(
        self,
        weight: Tensor | Sequence[float] | None = None,
        ignore_index: int = -100,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        activation: Literal["softmax", "sigmoid", "none"] = "softmax",
        smooth: Tensor | float = 1.0,
        squared: bool = False,
        overlap: Literal["minimum", "product"] = "minimum",
        batch: bool = False,
        classes: Literal["all", "present"] = "all",
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        pixel_weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        pixel_weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class DistanceBoxIoULoss(LossModule):
    def __init__(
        self,
        reduction: Literal["none", "mean", "sum"] = "none",
        *,
        format: Literal["xyxy", "xywh", "cxcywh"] = "xyxy",
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class DPOLoss(LossModule):
    def __init__(
        self,
        *,
        beta: Tensor | float = 0.1,
        kind: Literal[
            "sigmoid",
            "hinge",
            "ipo",
            "robust",
            "exo_pair",
            "nca_pair",
            "bco_pair",
            "sppo_hard",
            "apo_zero",
            "apo_down",
            "discopop",
        ] = "sigmoid",
        label_smoothing: Tensor | float = 0.0,
        tau: Tensor | float = 0.05,
        reduction: Literal["none", "mean", "sum"] = "mean",
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        chosen: Tensor,
        rejected: Tensor,
        reference_chosen: Tensor,
        reference_rejected: Tensor,
        *,
        margin: Tensor | float | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        chosen: Tensor,
        rejected: Tensor,
        reference_chosen: Tensor,
        reference_rejected: Tensor,
        *,
        margin: Tensor | float | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class FocalLoss(LossModule):
    def __init__(
        self,
        weight: Tensor | Sequence[float] | None = None,
        ignore_index: int = -100,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        gamma: Tensor | float = 2.0,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class GaussianNLLLoss(LossModule, torch.nn.GaussianNLLLoss):
    def __init__(
        self,
        full: bool = False,
        eps: Tensor | float = 1e-06,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        var: Tensor | float,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        var: Tensor | float,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class GeneralizedBoxIoULoss(LossModule):
    def __init__(
        self,
        reduction: Literal["none", "mean", "sum"] = "none",
        *,
        format: Literal["xyxy", "xywh", "cxcywh"] = "xyxy",
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class HingeEmbeddingLoss(LossModule, torch.nn.HingeEmbeddingLoss):
    def __init__(
        self,
        margin: Tensor | float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class HingeLoss(LossModule):
    def __init__(
        self,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        margin: Tensor | float = 1.0,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class HuberLoss(LossModule, torch.nn.HuberLoss):
    def __init__(
        self,
        reduction: Literal["none", "mean", "sum"] = "mean",
        delta: Tensor | float = 1.0,
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class InfoNCELoss(LossModule):
    def __init__(
        self,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        temperature: Tensor | float = 0.07,
        symmetric: bool = False,
        normalize: bool = True,
        memory_budget: int | str | None = None,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        candidates: Tensor,
        *,
        positives: Tensor | None = None,
        labels: Tensor | None = None,
        negatives: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        candidates: Tensor,
        *,
        positives: Tensor | None = None,
        labels: Tensor | None = None,
        negatives: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class JaccardLoss(LossModule):
    def __init__(
        self,
        weight: Tensor | Sequence[float] | None = None,
        ignore_index: int = -100,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        activation: Literal["softmax", "sigmoid", "none"] = "softmax",
        smooth: Tensor | float = 1.0,
        overlap: Literal["minimum", "product"] = "minimum",
        batch: bool = False,
        classes: Literal["all", "present"] = "all",
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        pixel_weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        pixel_weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class KLDivLoss(LossModule, torch.nn.KLDivLoss):
    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "batchmean", "mean", "sum"] = "mean",
        log_target: bool = False,
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class KLDivWithLogitsLoss(LossModule):
    def __init__(
        self,
        *,
        temperature: Tensor | float = 1.0,
        reduction: Literal["none", "batchmean", "mean", "sum"] = "mean",
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input_logits: Tensor,
        target_logits: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input_logits: Tensor,
        target_logits: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class L1Loss(LossModule, torch.nn.L1Loss):
    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class LogCoshLoss(LossModule):
    def __init__(
        self,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class MarginRankingLoss(LossModule, torch.nn.MarginRankingLoss):
    def __init__(
        self,
        margin: Tensor | float = 0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input1: Tensor,
        input2: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input1: Tensor,
        input2: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class MSELoss(LossModule, torch.nn.MSELoss):
    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class MultiLabelMarginLoss(LossModule, torch.nn.MultiLabelMarginLoss):
    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class MultiLabelSoftMarginLoss(LossModule, torch.nn.MultiLabelSoftMarginLoss):
    def __init__(
        self,
        weight: Tensor | Sequence[float] | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class MultiMarginLoss(LossModule, torch.nn.MultiMarginLoss):
    def __init__(
        self,
        p: int = 1,
        margin: Tensor | float = 1.0,
        weight: Tensor | Sequence[float] | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class NLLLoss(LossModule, torch.nn.NLLLoss):
    def __init__(
        self,
        weight: Tensor | Sequence[float] | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class PoissonNLLLoss(LossModule, torch.nn.PoissonNLLLoss):
    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: Tensor | float = 1e-08,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        log_input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        log_input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class QuantileLoss(LossModule):
    def __init__(
        self,
        quantiles: float | tuple[float, ...] = 0.5,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class RNNTLoss(LossModule):
    def __init__(
        self,
        blank: int = -1,
        clamp: int = -1,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        zero_infinity: bool = False,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        logit_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        logits: Tensor,
        targets: Tensor,
        logit_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class SigmoidFocalLoss(LossModule):
    def __init__(
        self,
        alpha: Tensor | float = 0.25,
        gamma: Tensor | float = 2,
        reduction: Literal["none", "mean", "sum"] = "none",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class SmoothL1Loss(LossModule, torch.nn.SmoothL1Loss):
    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        beta: Tensor | float = 1.0,
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class SoftMarginLoss(LossModule, torch.nn.SoftMarginLoss):
    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class SquaredHingeLoss(LossModule):
    def __init__(
        self,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        margin: Tensor | float = 1.0,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class TripletMarginLoss(LossModule, torch.nn.TripletMarginLoss):
    def __init__(
        self,
        margin: Tensor | float = 1.0,
        p: Tensor | float = 2,
        eps: Tensor | float = 1e-06,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        anchor: Tensor,
        positive: Tensor,
        negative: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        anchor: Tensor,
        positive: Tensor,
        negative: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class TripletMarginWithDistanceLoss(LossModule, torch.nn.TripletMarginWithDistanceLoss):
    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: Tensor | float = 1.0,
        swap: bool = False,
        reduction: Literal["none", "mean", "sum"] = "mean",
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        anchor: Tensor,
        positive: Tensor,
        negative: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        anchor: Tensor,
        positive: Tensor,
        negative: Tensor,
        *,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...

class TverskyLoss(LossModule):
    def __init__(
        self,
        weight: Tensor | Sequence[float] | None = None,
        ignore_index: int = -100,
        reduction: Literal["none", "mean", "sum"] = "mean",
        *,
        alpha: Tensor | float = 0.5,
        beta: Tensor | float = 0.5,
        gamma: Tensor | float = 1.0,
        activation: Literal["softmax", "sigmoid", "none"] = "softmax",
        smooth: Tensor | float = 1.0,
        overlap: Literal["minimum", "product"] = "minimum",
        batch: bool = False,
        classes: Literal["all", "present"] = "all",
        impl: Impl = "auto",
    ) -> None: ...
    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        pixel_weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        *,
        pixel_weight: Tensor | None = None,
        sample_weight: Tensor | None = None,
        normalizer: Tensor | float | None = None,
    ) -> Tensor: ...
