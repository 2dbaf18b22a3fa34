"""The cross-entropy of a linear layer that belongs to the loss."""

import math
from typing import Any

import torch

from lossary import functional as F
from lossary.core.contract import describe
from lossary.modules.loss_module import LossModule, check_sizes

Torchs: Any = getattr(torch.nn, "LinearCrossEntropyLoss", torch.nn.Module)  # which torch has from 2.13 on


class LinearCrossEntropyLoss(LossModule, Torchs, of=F.linear_cross_entropy, held=("linear_bias",)):
    """Cross-entropy of the outputs of a linear layer that the loss holds.

    The module of `lossary.linear_cross_entropy`, whose documentation holds. Its layer, `linear`, has the names, the
    shapes and the initial values of torch's: a state dict of either fits the other. To tie the layer's weights to an
    embedding's use the function.

    Parameters
    ----------
    in_features : int
        Features of each row.
    num_classes : int
    out_features : tuple of int
        Positions at which each row is classified: input (N, in_features), target (N, *out_features).
    bias : bool
        Whether the layer has a bias.
    device, dtype
        Of the layer's parameters.
    reduction, weight, ignore_index, label_smoothing, options, impl
        As for the function.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        reduction: str = "mean",
        weight: torch.Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
        impl: str = "auto",
    ) -> None:
        name = type(self).__name__
        check_sizes(name, "in_features, num_classes", in_features=in_features, num_classes=num_classes)
        super().__init__(
            weight=weight,
            reduction=reduction,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            options=options,
            impl=impl,
        )
        if self.weight is not None and tuple(self.weight.shape) != (num_classes,):
            raise ValueError(f"{name}: weight is {describe(self.weight)}; num_classes, {num_classes}, is its length")
        self.num_classes, self.out_features = num_classes, tuple(out_features)
        rows = math.prod(self.out_features, start=num_classes)
        self.linear = torch.nn.Linear(in_features, rows, bias=bias, device=device, dtype=dtype)

    def forward(
        self,
        input: torch.Tensor,
        target: torch.Tensor,
        *,
        sample_weight: torch.Tensor | None = None,
        normalizer: torch.Tensor | float | None = None,
    ) -> torch.Tensor:
        shape = (self.num_classes, *self.out_features)
        weight = self.linear.weight.reshape(*shape, self.linear.in_features)
        bias = None if self.linear.bias is None else self.linear.bias.reshape(shape)
        beside = {"linear_bias": bias, "sample_weight": sample_weight, "normalizer": normalizer}
        return self._run(input, weight, target, **beside)

    def extra_repr(self) -> str:
        own = f"num_classes={self.num_classes}, out_features={self.out_features}"
        return ", ".join(filter(None, (own, super().extra_repr())))
