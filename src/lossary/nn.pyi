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
from lossary.modules.adaptive_log_softmax import AdaptiveLogSoftmaxWithLoss as AdaptiveLogSoftmaxWithLoss
from lossary.modules.linear_cross_entropy import LinearCrossEntropyLoss as LinearCrossEntropyLoss
from lossary.modules.loss_module import LossModule as LossModule

Impl = Literal["auto", "reference", "fused"]

def loss_modules() -> tuple[type[LossModule], ...]: ...
def module_of(function: Callable[..., Any]) -> type[LossModule]: ...

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
