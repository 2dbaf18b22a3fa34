"""Softmax over many classes in two steps: the frequent ones and the clusters of the others, then within a cluster."""

from collections.abc import Sequence
from itertools import pairwise
from numbers import Real
from typing import Any, NamedTuple

import torch

from lossary import functional as F
from lossary.core.arrays import cast, cast_index, compute_dtype, is_traced, linear, result_dtype, under_autocast
from lossary.core.contract import Dims, check_array, check_values, class_indices, features
from lossary.core.elementary import log_softmax
from lossary.core.reduce import Unreduced, reduce
from lossary.modules.loss_module import check_sizes

INPUT, TARGET = features("?N D"), class_indices("?N")


class AdaptiveOutput(NamedTuple):
    """output: the log-probability of each row's class. loss: minus their mean."""

    output: torch.Tensor
    loss: torch.Tensor


class AdaptiveLogSoftmaxWithLoss(torch.nn.AdaptiveLogSoftmaxWithLoss):
    """Adaptive softmax: log-probabilities of many classes at the cost of a few, and their negative log-likelihood.

    Use it where classes are very many and their frequencies very unequal, as words are. Classes are sorted, the most
    frequent first. Those below cutoffs[0], and one entry for each cluster of the others, make the head; a cluster has a
    layer of its own, over fewer features the rarer it is, which only its rows pay for. Parameters, their initial values
    and state dicts are torch's.

    Parameters
    ----------
    in_features : int
        Features of each row.
    n_classes : int
    cutoffs : sequence of int
        Where clusters begin: rising, from 1 to n_classes - 1.
    div_value : float above 0
        Cluster i, counted from 1, works on in_features / div_value^i features.
    head_bias : bool
        Whether the head has a bias.
    device, dtype
        Of the parameters.

    Methods
    -------
    forward(input, target)
        Input (N, in_features) and target (N,), or (in_features,) and (), to (output, loss): the log-probability of
        each target, and minus their mean, in nats.
    log_prob(input)
        Log-probabilities (N, n_classes) of all classes.
    predict(input)
        The most probable class of each row.

    Edge cases
    ----------
    The mean over an empty batch is 0 with gradient 0. Where values cannot be read (compiled code, export, torch.func,
    vmap) every cluster is computed for all rows: the same numbers at a higher cost, and gradients of 0 where parameters
    of a cluster that no row needs otherwise have none.

    Differs from torch
    ------------------
    - mean over nothing: 0, gradient 0; torch: NaN (#50224, #70348)
    - targets that are no class: IndexError that names row and value, NaN on CUDA; torch: RuntimeError with the range
    - class indices: any integer dtype; torch: int64 (#45540)
    - fp16 and bf16: computed in fp32, one rounding at the end; torch: each step rounds (#85791)
    - torch.compile(fullgraph=True), export and vmap: supported; torch: fail on rows that are chosen by value

    Raises
    ------
    IndexError
        On the CPU where a target is not a class.
    ValueError, TypeError
        Where shapes, dtypes or cutoffs do not fit.

    Examples
    --------
    >>> import torch
    >>> module = AdaptiveLogSoftmaxWithLoss(in_features=16, n_classes=1000, cutoffs=[10, 100])
    >>> output, loss = module(torch.ones(4, 16), torch.tensor([0, 7, 50, 999]))
    >>> bool(torch.isclose(loss, -output.mean()))
    True
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        name = type(self).__name__
        check_sizes(name, "in_features, n_classes, cutoffs", in_features=in_features, n_classes=n_classes)
        given = list(cutoffs)
        whole = bool(given) and all(isinstance(c, Real) and c == c // 1 for c in given)
        if not whole or not all(a < b for a, b in pairwise([0, *given, n_classes])):
            raise ValueError(
                f"AdaptiveLogSoftmaxWithLoss: cutoffs is {cutoffs!r}; it must be rising whole numbers between 1 and "
                f"n_classes - 1, {n_classes - 1}: the class that each cluster begins with"
            )
        if not div_value > 0:
            raise ValueError(f"AdaptiveLogSoftmaxWithLoss: div_value is {div_value!r}; it must be in (0, inf)")
        super().__init__(in_features, n_classes, [int(c) for c in given], div_value, head_bias, device, dtype)

    def forward(self, input_: torch.Tensor, target_: torch.Tensor) -> AdaptiveOutput:  # type: ignore[override]  # torch's tuple is private
        x, dims, dtype = self._checked(input_)
        target = self._checked_target(target_, input_, dims)
        rows, classes = (x, target) if target.ndim else (x[None], target[None])
        nll = self._nll(rows, classes)
        loss = reduce(Unreduced(nll), "mean", None, None)
        return AdaptiveOutput(cast(-nll.reshape(target.shape), dtype), cast(loss, dtype))

    def log_prob(self, input: torch.Tensor) -> torch.Tensor:
        x, _, dtype = self._checked(input)
        return cast(self._log_prob(x), dtype)

    def predict(self, input: torch.Tensor) -> torch.Tensor:
        x, _, _ = self._checked(input)
        if is_traced(x) or x.ndim == 1:
            return self._log_prob(x).argmax(-1)
        best = self._head(x).argmax(-1)
        # No class of a cluster is more probable than its cluster: only rows that a cluster wins need its classes.
        rows = (best >= self.shortlist_size).nonzero().squeeze(1)
        return best.index_copy(0, rows, self._log_prob(x[rows]).argmax(-1))

    def _nll(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        clusters = list(enumerate(pairwise(self.cutoffs)))
        in_head = torch.where(target < 0, self.head_size, target)  # no class, and so NaN where it could not be read
        for i, (low, high) in clusters:
            in_head = torch.where((target >= low) & (target < high), self.shortlist_size + i, in_head)
        nll = F.linear_cross_entropy(x, self.head.weight, in_head, linear_bias=self.head.bias, reduction="none")
        for i, (low, high) in clusters:
            inside = (target >= low) & (target < high)
            if is_traced(x) or is_traced(target):
                nll = nll + self._nll_in_cluster(i, x, torch.where(inside, target - low, -1))
            elif inside.any():
                rows = inside.nonzero().squeeze(1)
                nll = nll.index_add(0, rows, self._nll_in_cluster(i, x[rows], target[rows] - low))
        return nll

    def _nll_in_cluster(self, i: int, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """0 for rows whose target is -1."""
        projection, classes = self._cluster(i, x.dtype)
        return F.linear_cross_entropy(linear(x, projection), classes, target, reduction="none", ignore_index=-1)

    def _log_prob(self, x: torch.Tensor) -> torch.Tensor:
        head = log_softmax(self._head(x), -1)
        parts = [head[..., : self.shortlist_size]]
        for i in range(self.n_clusters):
            projection, classes = self._cluster(i, x.dtype)
            within = log_softmax(linear(linear(x, projection), classes), -1)
            parts.append(within + head[..., self.shortlist_size + i, None])
        return torch.cat(parts, -1)

    def _head(self, x: torch.Tensor) -> torch.Tensor:
        logits = linear(x, cast(self.head.weight, x.dtype))
        return logits if self.head.bias is None else logits + cast(self.head.bias, x.dtype)

    def _cluster(self, i: int, dtype: torch.dtype) -> list[torch.Tensor]:
        """The weights of a cluster: those that project the features, and those of its classes."""
        layers: Any = self.tail[i]
        return [cast(layer.weight, dtype) for layer in layers]

    def _checked(self, input: torch.Tensor) -> tuple[torch.Tensor, Dims, torch.dtype]:
        """The input in the dtype to compute in, the sizes in it, and the dtype of the answer."""
        name, dims = type(self).__name__, {"D": self.in_features}
        check_array(name, "input", input, INPUT, dims, ("input", input))
        dtype = under_autocast(input, result_dtype([input, self.head.weight]))
        return cast(input, compute_dtype(input, dtype)), dims, dtype

    def _checked_target(self, target: torch.Tensor, input: torch.Tensor, dims: Dims) -> torch.Tensor:
        name = type(self).__name__
        check_array(name, "target", target, TARGET, dims, ("input", input))
        target = cast_index(target, input)
        check_values(name, "target", target, TARGET.domain, {"C": self.n_classes}, None)
        return target
