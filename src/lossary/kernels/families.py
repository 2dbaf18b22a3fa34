"""Kernels by families: what each refuses, and how a checked call of a loss becomes the arguments of its operator.

A loss's record names its family and what the family must know of it: `kernel=Elementwise("Huber", ("delta",))`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from lossary.core.arrays import Array, is_array, is_compiling, is_torch, kind, library
from lossary.core.boxes import KINDS
from lossary.core.contract import BESIDE, BOX_FORMATS, OUTCOMES
from lossary.core.reduce import sum_of_shares, sum_of_weights
from lossary.core.rows import LogProb
from lossary.kernels.recipe import Operand, Operands
from lossary.kernels.schemas import FUNCTIONS

if TYPE_CHECKING:
    from lossary.core.check import Checked

Options = dict[str, Any]
PLAIN = {"softcap": math.inf, "temperature": 1.0, "z_loss": 0.0}
"""Options of cross-entropy at which its logits are plain."""
MAX_WIDENED_WEIGHTS = 2**14
"""The largest layer in bf16 that is computed in fp32: it costs little, and the logits are exact."""


class Kernel(ABC):
    """What fuses a loss.

    operator: its name. inputs: the arguments with gradients, in the operator's order. answer: the type that holds what
    an operator with several values answers.
    """

    operator: ClassVar[str]
    inputs: tuple[str, ...] = ("input",)
    answer: Any = None

    def for_call(self, call: Checked) -> Kernel:
        """The kernel that serves a call, where options decide it."""
        return self

    def refuse(self, call: Checked) -> str | None:
        """The reason specific to this kernel why it cannot serve a call."""
        inputs: list[Any] = [call.values.get(name) for name in self.inputs]
        return "an argument is empty" if any(is_array(x) and 0 in x.shape for x in inputs) else None

    def arrange(self, operands: Operands) -> Operands:
        """Tensors in the layout and the dtype that the operator takes; the formula must take them so too."""
        return _of_one_dtype(operands)

    @abstractmethod
    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        """The operator's own arguments; of one that reduces row_weight, reduction and normalizer follow."""

    def row_weight(self, operands: Operands) -> Operand | None:
        """The sample weight as the operator takes it: in the shape of the unreduced loss."""
        weight = operands.get("sample_weight")
        return None if weight is None else weight.expand(*operands.unreduced()).contiguous()

    def normalizer(self, operands: Operands) -> Operand | None:
        """What the mean divides by, where the operator is not to count it."""
        return _denominator(operands, self.row_weight(operands))


def refuse(call: Checked) -> str | None:
    """Why no kernel can serve a call."""
    kernel = call.loss.kernel
    if kernel is None:
        return "no kernel computes this loss"
    if not is_torch(call.first):
        return f"it runs on torch tensors; these are {library(call.first)} arrays"
    import torch

    from lossary.kernels import operators

    learned = [n for n in call.loss.options if is_array(call.values[n]) and n not in kernel.inputs]
    if learned:
        return f"{learned[0]} is an array, and it takes numbers"
    reason = operators.refuse_device(kernel.for_call(call).operator, call.first)
    if reason is not None:
        return reason
    if torch._C._are_functorch_transforms_active():
        return "not supported inside vmap and torch.func"
    if not is_compiling() and torch._C._get_tracing_state() is not None:
        return "not supported inside torch.jit.trace, which saves the operations of the formula"
    arrays = call.arrays()
    if not is_compiling() and any(is_subclass(x) for x in arrays.values()):
        return "not supported for tensor subclasses"
    if torch.autograd.forward_ad._current_level >= 0:
        return "not supported in forward-mode differentiation"
    if torch.is_grad_enabled() and any(x.requires_grad for n, x in arrays.items() if n not in kernel.inputs):
        return "cannot differentiate targets or weights"
    return kernel.for_call(call).refuse(call)


def is_subclass(x: Array) -> bool:
    """Whether a tensor has operators of its own. Those of fake ones are known; on the CPU a backward looks at data."""
    import torch

    plain = torch.Tensor.__torch_dispatch__  # pyright: ignore[reportAttributeAccessIssue]
    if type(x).__torch_dispatch__ is plain:
        return False
    from torch._subclasses.fake_tensor import FakeTensor

    return type(x) is not FakeTensor or x.device.type == "cpu"


def refuse_inplace(call: Checked) -> str | None:
    """Why the gradient may not be written over the logits."""
    x = call.first
    if not is_torch(x):
        return None
    import torch

    if not torch.is_grad_enabled() or not x.requires_grad:
        return None
    if is_compiling():
        return "compiled code plans its memory itself"
    if x.is_leaf or (x._is_view() and x._base.is_leaf):
        return "the logits are a leaf of autograd, whose values are parameters or data"
    if not x.is_contiguous():
        return "the logits are not contiguous"
    if any(call.values[n].dtype != x.dtype for n in _floating_data(call)):
        return "logits and probabilities are of several dtypes"
    return None


def _floating_data(call: Checked) -> list[str]:
    apart = (*BESIDE, *OUTCOMES)
    return [n for n, s in call.specs.items() if s.domain.dtype != "integer" and s.domain.name not in apart]


def _of_one_dtype(operands: Operands) -> Operands:
    """The data in the dtype of computation, where they differ: a count of 1001 is no bf16."""
    call, names = operands.call, _floating_data(operands.call)
    if all(operands[n].tensor.dtype == call.first.dtype for n in names):
        return operands
    return replace(operands, of=operands.of | {n: operands[n].to(call.dtype) for n in names})


def _weights(operands: Operands, name: str) -> Operand | None:
    """In the dtype of computation."""
    weight = operands.get(name)
    return None if weight is None else weight.to(operands.call.dtype).contiguous()


def _denominator(operands: Operands, *weights: Operand | None, share: float = 1.0) -> Operand | None:
    """The caller's, the sum of the product of some weights, or None for what the operator counts."""
    given, of_mean = [w for w in weights if w is not None], operands.call.reduction in ("mean", "batchmean")
    if operands.get("normalizer") is not None or not of_mean or not given:
        return operands.get("normalizer")
    return Operand.derived(sum_of_weights, *given, dtype=operands.call.dtype, share=share)


# Rows of logits


class SoftmaxRows(Kernel):
    """Cross-entropy and focal loss of logits (N, C, ...)."""

    operator = "softmax_rows"

    def for_call(self, call: Checked) -> Kernel:
        return TransformedRows() if transforms_logits(call.values) else self

    def refuse(self, call: Checked) -> str | None:
        if kind(call.values["target"]) == "float" and call.values.get("gamma", 0.0) != 0:
            return "it has no focal loss of probabilities, which modulates each class"
        return super().refuse(call)

    def arrange(self, operands: Operands) -> Operands:
        return _classes_last(_of_one_dtype(operands))

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        values = operands.call.values
        options = float(values.get("label_smoothing", 0.0)), float(values.get("gamma", 0.0))
        return (operands["input"].contiguous(), *_classes(operands), *options)

    def normalizer(self, operands: Operands) -> Operand | None:
        return operands.get("normalizer")


class NLLRows(SoftmaxRows):
    """The negative log-likelihood of log-probabilities (N, C, ...)."""

    operator = "nll"

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        return (operands["input"].contiguous(), *_classes(operands))


def _classes(operands: Operands) -> tuple[Any, ...]:
    """Targets, class weights and ignore_index."""
    return _target(operands), _weights(operands, "weight"), operands.call.values["ignore_index"]


def _target(operands: Operands) -> Operand:
    """Class indices in int64, or probabilities."""
    target = operands["target"]
    return (target.index(operands.call.first) if kind(target.tensor) == "integer" else target).contiguous()


def _classes_last(operands: Operands) -> Operands:
    """(N, L, C) turned to (N, C, L), as sequence models hand it over, is rows of logits already."""
    x = operands["input"].tensor
    if x.ndim < 3 or x.is_contiguous() or not x.movedim(1, -1).is_contiguous():
        return operands
    classes, made = x.shape[1], dict(operands.of)
    rows = x.numel() // classes
    soft = made["target"].tensor.ndim == x.ndim
    made["input"] = made["input"].movedim(1, -1).reshape(rows, classes)
    made["target"] = made["target"].movedim(1, -1).reshape(rows, classes) if soft else made["target"].reshape(rows)
    if "sample_weight" in made:
        made["sample_weight"] = made["sample_weight"].expand(*operands.unreduced()).reshape(rows)
    return replace(operands, of=made, dims={**operands.dims, "N": rows, "d": ()})


def transforms_logits(values: Options) -> bool:
    """Whether something is done to logits first, or added, or targets are sparse."""
    return "target_shares" in values or any(values.get(name, plain) != plain for name, plain in PLAIN.items())


def _transform(values: Options) -> tuple[float, float]:
    """softcap, 0 for none, and temperature."""
    softcap = values["softcap"]
    return 0.0 if softcap == math.inf else float(softcap), float(values["temperature"])


class TransformedRows(SoftmaxRows):
    """Cross-entropy of logits (N, C) or (C,) with a softcap, a temperature, a z-loss or sparse targets."""

    operator = "shaped_rows"

    def refuse(self, call: Checked) -> str | None:
        x = call.first
        sequences = x.ndim > 2 and not x.is_contiguous() and x.movedim(1, -1).is_contiguous()
        if x.ndim > 2 and ("target_shares" in call.values or not sequences):
            return "softcap, temperature, z_loss and sparse targets need logits (N, C), or classes last in memory"
        return super().refuse(call)

    def arrange(self, operands: Operands) -> Operands:
        sparse = "target_shares" in operands.of
        operands = _of_one_dtype(operands) if sparse else super().arrange(operands)
        if operands["input"].tensor.ndim != 1:
            return operands
        rows = {n: o for n, o in operands.of.items() if n in ("input", "target", "target_shares", "sample_weight")}
        made = {n: o.reshape(1, *o.tensor.shape) for n, o in rows.items()}
        return replace(operands, of=operands.of | made, dims={**operands.dims, "N": 1})

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        return (operands["input"].contiguous(), *_transformed_classes(operands))

    def normalizer(self, operands: Operands) -> Operand | None:
        return _sparse_denominator(operands, self.row_weight(operands))


def _transformed_classes(operands: Operands) -> tuple[Any, ...]:
    """Targets, also sparse ones, with class weights, and what is done to logits."""
    values, (target, *of_classes) = operands.call.values, _classes(operands)
    options = float(values["label_smoothing"]), *_transform(values), float(values["z_loss"])
    return (target, _weights(operands, "target_shares"), *of_classes, *options)


def _sparse_denominator(operands: Operands, row_weight: Operand | None) -> Operand | None:
    """Of sparse targets it is the caller's to know; of others the operator counts it."""
    call, shares = operands.call, _weights(operands, "target_shares")
    if shares is None or operands.get("normalizer") is not None or call.reduction != "mean":
        return operands.get("normalizer")
    options = {name: call.values[name] for name in ("ignore_index", "is_mixed")}
    weight = _weights(operands, "weight")
    return Operand.derived(sum_of_shares, shares, operands["target"], weight, row_weight, **options)


class KLRows(Kernel):
    """The divergence between the softmax of two arrays of logits (N, C)."""

    inputs = ("input_logits", "target_logits")
    operator = "kl_rows"

    def refuse(self, call: Checked) -> str | None:
        return "it takes logits (N, C) or (C,)" if call.first.ndim > 2 else super().refuse(call)

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        return *(operands[name].contiguous() for name in self.inputs), float(operands.call.values["temperature"])


class LinearRows(Kernel):
    """Cross-entropy of a linear layer's outputs, of features (..., D) and weights (C, ..., D)."""

    inputs = ("input", "linear_weight", "linear_bias")
    operator = "linear_softmax_rows"

    def refuse(self, call: Checked) -> str | None:
        if call.dims["d"] and transforms_logits(call.values):
            return "softcap, temperature, z_loss and sparse targets need logits (N, C), or classes last in memory"
        return super().refuse(call)

    def arrange(self, operands: Operands) -> Operands:
        return _in_rows(_of_one_dtype(operands))

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        options = operands.call.values["memory_budget"], widens(operands)
        return (*_layer(operands), *_transformed_classes(operands), *options)

    def normalizer(self, operands: Operands) -> Operand | None:
        return _sparse_denominator(operands, self.row_weight(operands))


def _in_rows(operands: Operands) -> Operands:
    """Features in one row each, (N, D)."""
    x = operands["input"].tensor
    batch, features = tuple(x.shape[:-1]), x.shape[-1]
    if len(batch) == 1:
        return operands
    rows, made = math.prod(batch), dict(operands.of)
    made["input"] = made["input"].reshape(rows, features)
    if "sample_weight" in made:
        made["sample_weight"] = made["sample_weight"].expand(*operands.unreduced())
    for name in ("target", "target_shares", "sample_weight"):
        if name in made:
            made[name] = made[name].reshape(rows, *made[name].tensor.shape[len(batch) :])
    return replace(operands, of=made, dims={**operands.dims, "N": rows, "n": ()})


def _layer(operands: Operands) -> tuple[Operand, Operand, Operand | None]:
    weight, bias = operands["linear_weight"], operands.get("linear_bias")
    return (
        operands["input"],
        weight.contiguous() if weight.tensor.ndim > 2 else weight,
        None if bias is None else bias.contiguous(),
    )


def widens(operands: Operands) -> bool:
    """Whether half precision is widened: small weights, for exact logits, and where its products are slow."""
    import torch

    weight = operands["linear_weight"].tensor
    if weight.dtype == torch.bfloat16:
        slow = weight.device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return slow or math.prod(weight.shape) < MAX_WIDENED_WEIGHTS
    return weight.dtype == torch.float16


# Statistics of rows of logits: nothing is reduced, and the operators' gradients are operators


class LogProbRows(Kernel):
    """Log-probabilities of logits (N, C, ...)."""

    operator = "log_prob"
    answer = LogProb

    def arrange(self, operands: Operands) -> Operands:
        x, made = operands["input"].tensor, dict(operands.of)
        classes = x.shape[min(x.ndim - 1, 1)]
        rows = x.numel() // classes
        logits = made["input"].movedim(1, -1) if x.ndim > 2 else made["input"]
        made |= {"input": logits.reshape(rows, classes), "target": made["target"].reshape(rows)}
        return replace(operands, of=made, dims={**operands.dims, "N": rows, "d": ()})

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        values = operands.call.values
        return (operands["input"].contiguous(), _target(operands), values["ignore_index"], *_transform(values))


class LinearLogProbRows(LogProbRows):
    """Log-probabilities of a linear layer's outputs, of features (..., D) and weights (C, D)."""

    inputs = ("input", "linear_weight", "linear_bias")
    operator = "linear_log_prob"

    def arrange(self, operands: Operands) -> Operands:
        return _in_rows(operands)

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        values = operands.call.values
        given = (*_layer(operands), _target(operands), values["ignore_index"], *_transform(values))
        return (*given, values["memory_budget"], widens(operands))


# Single elements


@dataclass(frozen=True)
class Elementwise(Kernel):
    """Losses of single elements.

    functor: its name in functions.inc, and in `parameters` the options that it takes as numbers; or a function of
    the options that answers the name and the numbers. weighs_mean: the mean divides by the sum of the loss's weights.
    """

    functor: str | Callable[[Options], tuple[Any, ...]]
    parameters: tuple[str, ...] = ()
    inputs: tuple[str, ...] = field(default=("input",), kw_only=True)
    weighs_mean: bool = field(default=False, kw_only=True)
    operator: ClassVar[str] = "elementwise.parameters"

    def refuse(self, call: Checked) -> str | None:
        values, shape = call.values, call.first.shape
        several = [n for n in call.loss.options if isinstance(values[n], tuple)]
        if several:
            return f"{several[0]} are several numbers, and it takes one"
        if any(values[n].shape != shape for n in ("target", *self.inputs[1:])):
            return "its arguments differ in shape"
        if values.get("full") and "var" not in values:
            return "it does not add Stirling's term (full=True)"
        for name in ("weight", "pos_weight"):
            if values.get(name) is not None and not _is_cycle(values[name], shape):
                return f"{name}, of shape {tuple(values[name].shape)}, must be as the last dimensions of {tuple(shape)}"
        return None

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        values, x = operands.call.values, operands[self.inputs[0]].contiguous()
        numbers = [values[name] for name in self.parameters]
        functor, *numbers = self.functor(values) if callable(self.functor) else (self.functor, *numbers)
        cycle = operands.get("pos_weight") is not None
        second = operands[self.inputs[1]].contiguous() if len(self.inputs) > 1 else None
        third = _weights(operands, "pos_weight") if cycle else second
        given = FUNCTIONS[functor], x, operands["target"].to(x.tensor.dtype).contiguous(), third, cycle
        return (*given, _weights(operands, "weight"), tuple(map(float, numbers)))

    def row_weight(self, operands: Operands) -> Operand | None:
        """One weight for each of the first parts of the input, or for each element."""
        weight, shape = operands.get("sample_weight"), tuple(operands.first.tensor.shape)
        if weight is None:
            return None
        kept = tuple(weight.tensor.shape)
        while kept and kept[-1] == 1:
            kept = kept[:-1]
        return (weight if kept == shape[: len(kept)] else weight.expand(*shape)).contiguous()

    def normalizer(self, operands: Operands) -> Operand | None:
        weights = operands.get("sample_weight"), operands.get("weight") if self.weighs_mean else None
        if not any(weights):
            return operands.get("normalizer")
        import torch

        counted = math.prod(torch.broadcast_shapes(*(w.tensor.shape for w in weights if w is not None)))
        shape, per_row = operands.first.tensor.shape, operands.call.reduction == "batchmean"
        elements = shape[0] if per_row and len(shape) else math.prod(shape)
        return _denominator(operands, *weights, share=elements / max(counted, 1))


def _is_cycle(weight: Array, shape: Any) -> bool:
    kept = tuple(weight.shape)
    while kept and kept[0] == 1:
        kept = kept[1:]
    return kept == tuple(shape[len(shape) - len(kept) :])


# Masks

MOST_CLASSES_ON_CUDA = 1024
"""Those of a block of pixels lie in registers."""


@dataclass(frozen=True)
class OverlapSums(Kernel):
    """Overlap of masks (N, C, ...): a ratio of sums over the pixels of each class.

    alpha, beta: the weights of false positives and negatives where they are no options.
    """

    operator = "overlap"
    alpha: float = 0.5
    beta: float = 0.5

    def refuse(self, call: Checked) -> str | None:
        x = call.first
        if x.device.type != "cpu" and x.ndim > 1 and x.shape[1] > MOST_CLASSES_ON_CUDA:
            return f"on CUDA it takes {MOST_CLASSES_ON_CUDA:,} classes at most; there are {x.shape[1]:,}"
        return super().refuse(call)

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        loss, values = operands.call.loss, operands.call.values
        activation, overlap, classes = (
            loss.options[name].words.index(values[name]) for name in ("activation", "overlap", "classes")
        )
        numbers = {"alpha": self.alpha, "beta": self.beta, "gamma": 1.0} | values
        return (
            operands["input"].contiguous(),
            _target(operands),
            _weights(operands, "pixel_weight"),
            *_classes(operands)[1:],
            activation,
            overlap,
            bool(values.get("squared", False)),
            bool(values["batch"]),
            classes,
            *(float(numbers[name]) for name in ("smooth", "alpha", "beta", "gamma")),
        )

    def normalizer(self, operands: Operands) -> Operand | None:
        return operands.get("normalizer")


# Rows of vectors


class CosinePairs(Kernel):
    """The cosine embedding loss of vectors (..., D)."""

    inputs = ("input1", "input2")
    operator = "pairs"

    def refuse(self, call: Checked) -> str | None:
        first = call.first.shape
        if call.values["input2"].shape != first or call.values["target"].shape != first[:-1]:
            return "its arguments differ in shape"
        return super().refuse(call)

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        vectors = (operands[name].contiguous() for name in self.inputs)
        return *vectors, None, _weights(operands, "target"), float(operands.call.values["margin"]), 0.0, False


class Triplets(Kernel):
    """The triplet loss of vectors (..., D) with the 2-norm."""

    inputs = ("anchor", "positive", "negative")
    operator = "pairs"

    def refuse(self, call: Checked) -> str | None:
        if call.values["p"] != 2:
            return f"it takes the 2-norm, and p is {call.values['p']}"
        if any(call.values[name].shape != call.first.shape for name in self.inputs):
            return "its arguments differ in shape"
        return super().refuse(call)

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        values, vectors = operands.call.values, (operands[name].contiguous() for name in self.inputs)
        return *vectors, None, float(values["margin"]), float(values["eps"]), bool(values["swap"])


class Similarities(Kernel):
    """InfoNCE of rows (N, D) and candidates (M, D)."""

    inputs = ("input", "candidates", "temperature")
    operator = "similarities"

    def refuse(self, call: Checked) -> str | None:
        if call.values["negatives"] is not None:
            return "it has no negatives of single rows"
        return super().refuse(call)

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        values, x = operands.call.values, operands.first.tensor
        temperature = _weights(operands, "temperature")
        places = (operands.get(name) for name in ("positives", "labels"))
        given = operands["input"].contiguous(), operands["candidates"].contiguous(), temperature
        beside = (*(p and p.index(x).contiguous() for p in places), self.row_weight(operands))
        options = bool(values["symmetric"]), bool(values["normalize"]), values["memory_budget"]
        return (*given, *beside, 1.0 if temperature else values["temperature"], *options)


# Boxes


@dataclass(frozen=True)
class Boxes(Kernel):
    """Losses of pairs of boxes (..., 4). kind: of their overlap; that of the option `kind` where it is empty."""

    kind: str = ""
    operator: ClassVar[str] = "boxes"

    def refuse(self, call: Checked) -> str | None:
        if call.values["target"].shape != call.first.shape:
            return "its arguments differ in shape"
        return super().refuse(call)

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        values, boxes = operands.call.values, (operands[name].contiguous() for name in ("input", "target"))
        kind, corners = KINDS.index(self.kind or values["kind"]), list(BOX_FORMATS).index(values["format"])
        return *boxes, kind, corners, bool(values.get("held_alpha", True))


# Sequences


class CTC(Kernel):
    """CTC of log-probabilities, or of logits, (T, N, C) or (T, C)."""

    operator = "ctc"
    inputs = ("log_probs", "logits")

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        x, values = operands.first, operands.call.values
        sequences = (operands[n].index(x.tensor).contiguous() for n in ("targets", "input_lengths", "target_lengths"))
        batch_first = x.tensor.ndim == 3 and x.tensor.transpose(0, 1).is_contiguous()  # which it takes as it is
        options = values["blank"], bool(values["zero_infinity"]), "logits" in values
        return (x if batch_first else x.contiguous(), *sequences, *options)


class RNNT(Kernel):
    """The transducer loss of logits (N, T, S + 1, C) or (T, S + 1, C)."""

    operator = "rnnt"
    inputs = ("logits",)

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        x, values = operands["logits"], operands.call.values
        names = ("targets", "logit_lengths", "target_lengths")
        sequences = (operands[name].index(x.tensor).contiguous() for name in names)
        return (x.contiguous(), *sequences, values["blank"], bool(values["zero_infinity"]))


# Whole batches


class Cox(Kernel):
    """Cox's partial likelihood of log-hazards (N,)."""

    operator = "cox"

    def refuse(self, call: Checked) -> str | None:
        dtype = str(call.values["duration"].dtype).removeprefix("torch.")
        if dtype in ("bool", "uint16", "uint32", "uint64"):
            return f"it does not compare durations of {dtype}"
        return super().refuse(call)

    def arguments(self, operands: Operands) -> tuple[Any, ...]:
        x, duration, event = (operands[name].contiguous() for name in ("input", "duration", "event"))
        strata = operands.get("strata")
        strata = strata and strata.index(x.tensor).contiguous()
        order = Operand.derived(order_of_time, duration, strata)
        given = x, duration, event.to(operands.call.dtype), strata
        return *given, order, self.row_weight(operands), operands.call.values["ties"] == "efron"

    def normalizer(self, operands: Operands) -> Operand | None:
        return operands.get("normalizer")


def order_of_time(duration: Array, strata: Array | None) -> Array:
    """The rows by stratum and duration."""
    order = duration.argsort(stable=True)
    return order if strata is None else order.take(strata.take(order).argsort(stable=True))
