"""How a checked call of a loss becomes a call of an operator, and what the kernels refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lossary.core.arrays import Array, cast, cast_index, is_array, is_compiling, is_torch, kind, library
from lossary.core.contract import BESIDE, axes
from lossary.core.reduce import total

if TYPE_CHECKING:
    from lossary.core.check import Checked

Options = dict[str, Any]
REDUCTIONS = {"none": 0, "mean": 1, "sum": 2, "batchmean": 3}
PLAIN = {"softcap": math.inf, "temperature": 1.0, "z_loss": 0.0}
"""Options of cross-entropy at which its logits are plain."""
FEW_WEIGHTS = 2**14
"""Up to which weights of a linear layer in bf16 are widened: it costs little, and their logits are exact."""


@dataclass(frozen=True)
class Kernel:
    """inputs: the arguments with gradients, in the operator's order. refuse: why not, beyond what all refuse.

    arguments: the operator's own, to its normalizer. arrange: what comes first, where data lie otherwise than it wants.
    """

    operator: str
    inputs: tuple[str, ...]
    refuse: Callable[[Checked], str | None]
    arguments: Callable[[Checked], tuple[Any, ...]]
    arrange: Callable[[Checked], Checked] = lambda call: call


def kernel_of(call: Checked) -> Kernel:
    kernel = KERNELS[call.loss.name]
    return SHAPED if kernel is _ROWS and _is_shaped(call.values) else kernel


def refuse(call: Checked) -> str | None:
    kernel = KERNELS.get(call.loss.name)
    if kernel is None:
        return "no kernel computes this loss"
    return refuse_all(call, kernel.inputs) or kernel_of(call).refuse(call)


def refuse_all(call: Checked, inputs: tuple[str, ...]) -> str | None:
    """Why no kernel whatever can serve a call. inputs: the arguments with gradients."""
    if not is_torch(call.first):
        return f"it runs on torch tensors; these are {library(call.first)} arrays"
    import torch

    from lossary import ops

    if ops.missing is not None:
        return ops.missing
    given = [x for n, x in call.values.items() if n in call.specs]
    if call.first.device.type != "cpu":
        return f"it runs on the CPU; these tensors are on {call.first.device.type}"
    if call.first.dtype not in ops.DTYPES:
        return f"it takes fp64, fp32, fp16 and bf16, and not {call.first.dtype}"
    learned = [n for n in call.loss.options if is_array(call.values[n])]
    if learned:
        return f"{learned[0]} is an array, and it takes numbers"
    extra = [x for x in (call.sample_weight, call.normalizer) if x is not None]
    if torch._C._are_functorch_transforms_active():
        return "inside vmap and torch.func the formula runs"
    if not is_compiling() and torch._C._get_tracing_state() is not None:
        return "torch.jit.trace keeps the formula's operations, which it can save"
    if any(_dispatches(x) for x in (*given, *extra)):
        return "tensor subclasses take the formula"
    if torch.autograd.forward_ad._current_level >= 0:
        return "forward mode takes the formula's derivatives"
    others = [x for n, x in call.values.items() if n in call.specs and n not in inputs]
    if torch.is_grad_enabled() and any(x.requires_grad for x in (*others, *extra)):
        return "it has no gradient of targets and weights"
    return None


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
    if of_one_dtype(call) is not call:
        return "logits and probabilities are of several dtypes"
    return None


def _dispatches(x: Any) -> bool:
    import torch

    dispatches = type(x).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__  # pyright: ignore
    return dispatches and not is_compiling()


def of_one_dtype(call: Checked) -> Checked:
    """The call with its data in the dtype of computation, where they differ: a count of 1001 is no bf16."""
    data = [n for n, s in call.specs.items() if s.domain.dtype != "integer" and s.domain.name not in BESIDE]
    if all(call.values[n].dtype == call.first.dtype for n in data):
        return call
    values = call.values | {n: cast(call.values[n], call.dtype) for n in data}
    return replace(call, values=values, first=values[next(iter(call.loss.data))])


# Rows of logits


def _rows_refuse(call: Checked) -> str | None:
    if 0 in call.first.shape:
        return "there is nothing to compute"
    if kind(call.values["target"]) == "float" and call.values.get("gamma", 0.0) != 0:
        return "focal loss of probabilities modulates each class: the formula does"
    return None


def _classes_last(call: Checked) -> Checked:
    """(N, L, C) turned to (N, C, L), as sequence models hand it over, is rows of logits already."""
    x, classes, values = call.first, call.dims["C"], call.values
    if x.ndim < 3 or x.is_contiguous() or not x.movedim(1, -1).is_contiguous():
        return call
    rows = x.numel() // classes
    soft = values["target"].ndim == x.ndim
    target = values["target"].movedim(1, -1).reshape(rows, classes) if soft else values["target"].reshape(rows)
    weight = call.sample_weight
    if weight is not None:
        weight = weight.expand([n for _, n in axes(call.loss.unreduced, call.dims)]).reshape(rows)
    first = x.movedim(1, -1).reshape(rows, classes)
    values = values | {next(iter(call.loss.data)): first, "target": target}
    dims = {**call.dims, "N": rows, "d": ()}
    return replace(call, first=first, values=values, sample_weight=weight, dims=dims)


def _rows(call: Checked) -> tuple[Any, ...]:
    values, x = call.values, call.first
    target = values["target"]
    return (
        x.contiguous(),
        (cast_index(target, x) if kind(target) == "integer" else target).contiguous(),
        _weights(call, "weight"),
        values["ignore_index"],
        float(values.get("label_smoothing", 0.0)),
        float(values.get("gamma", 0.0)),
        _of_each_row(call),
        call.normalizer,
    )


def _is_shaped(values: Options) -> bool:
    """Whether something is done to logits first, or added, or targets are a few classes."""
    return "target_shares" in values or any(values.get(name, plain) != plain for name, plain in PLAIN.items())


def _shape(values: Options) -> tuple[float, float, float]:
    """softcap, temperature and z_loss, as operators take them."""
    return *shape_of_logits(values), float(values["z_loss"])


def shape_of_logits(values: Options) -> tuple[float, float]:
    """softcap, 0 for none, and temperature."""
    softcap = values["softcap"]
    return 0.0 if softcap == math.inf else float(softcap), float(values["temperature"])


def _shaped_refuse(call: Checked) -> str | None:
    reason = _rows_refuse(call)
    few = "target_shares" in call.values
    if reason is None and (call.first.ndim > 2 if few else _in_rows(call).first.ndim != 2):
        return "softcap, temperature, z_loss and targets of a few classes are for rows of classes"
    return reason


def _in_rows(call: Checked) -> Checked:
    """Logits (N, C), also of a single row."""
    call = call if "target_shares" in call.values else _classes_last(call)
    if call.first.ndim != 1:
        return call
    names = [n for n in ("input", "target", "target_shares") if n in call.values]
    values = call.values | {n: call.values[n][None] for n in names}
    weight = call.sample_weight
    first = values[next(iter(call.loss.data))]
    dims = {**call.dims, "N": 1}
    return replace(call, first=first, values=values, sample_weight=None if weight is None else weight[None], dims=dims)


def _shaped(call: Checked) -> tuple[Any, ...]:
    logits, target, weight, ignore_index, smoothing, _, row_weight, _ = _rows(call)
    options = (ignore_index, smoothing, *_shape(call.values))
    return (logits, target, _shares(call), weight, *options, row_weight, _few_denominator(call))


def _shares(call: Checked) -> Array | None:
    shares = call.values.get("target_shares")
    return None if shares is None else cast(shares, call.dtype).contiguous()


def _few_denominator(call: Checked) -> Array | None:
    """Of the mean, where targets are a few classes: their class weights, mixed, or the rows."""
    shares = _shares(call)
    if shares is None or call.normalizer is not None or call.reduction != "mean":
        return call.normalizer
    target, weight = call.values["target"], _weights(call, "weight")
    counted = target != call.values["ignore_index"]
    if call.values["is_mixed"]:
        of_row = shares * counted if weight is None else shares * counted * weight[(target * counted).long()]
        of_row = of_row.sum(1)
    else:
        of_row = cast(counted.any(1), call.dtype)
    rows = _of_each_row(call)
    return cast(total(of_row if rows is None else of_row * rows), call.dtype)


def _nll(call: Checked) -> tuple[Any, ...]:
    target, ignored = cast_index(call.values["target"], call.first), call.values["ignore_index"]
    given = (call.first.contiguous(), target.contiguous(), _weights(call, "weight"), ignored)
    return (*given, _of_each_row(call), call.normalizer)


def _divergence(call: Checked) -> tuple[Any, ...]:
    logits = (x.contiguous() for x in (call.first, call.values["target_logits"]))
    return (*logits, float(call.values["temperature"]), _of_each_row(call), _rows_denominator(call))


def _divergence_refuse(call: Checked) -> str | None:
    if call.first.ndim > 2:
        return "it takes logits (N, C)"
    return "there is nothing to compute" if 0 in call.first.shape else None


def _of_each_row(call: Checked) -> Array | None:
    """The sample weight in the shape of the unreduced loss."""
    if call.sample_weight is None:
        return None
    shape = tuple(n for _, n in axes(call.loss.unreduced, call.dims))
    weight = call.sample_weight
    return (weight if tuple(weight.shape) == shape else weight.expand(shape)).contiguous()


def _weights(call: Checked, name: str) -> Array | None:
    weight = call.values.get(name)
    return None if weight is None else cast(weight, call.dtype).contiguous()


# Single elements


def _elementwise(function: str | Callable[[Options], str], **options: str | Callable[[Options], float]) -> Kernel:
    """function: of kernels/cpu/functions.inc. options: which of the loss's options its a and b are, or make them."""

    def arguments(call: Checked) -> tuple[Any, ...]:
        values, x = call.values, call.first
        a, b = (o(values) if callable(o) else values.get(o, 0.0) for o in (options.get(n, "") for n in "ab"))
        cycle = values.get("pos_weight") is not None
        third = _weights(call, "pos_weight") if cycle else values.get("var")
        return (
            _code(function if isinstance(function, str) else function(values)),
            x.contiguous(),
            cast(values["target"], x.dtype).contiguous(),
            third if third is None else third.contiguous(),
            cycle,
            _weights(call, "weight"),
            float(a),
            float(b),
            _of_first_parts(call),
            _denominator(call),
        )

    return Kernel("ELEMENTWISE", ("input", "var"), _elementwise_refuse, arguments)


def _code(function: str) -> int:
    from lossary import ops

    return ops.FUNCTIONS[function]


def _elementwise_refuse(call: Checked) -> str | None:
    values, shape = call.values, call.first.shape
    if any(values[n].shape != shape for n in ("target", "var", "input2") if n in values):
        return "its arguments differ in shape"
    if values.get("full") and "var" not in values:
        return "Stirling's term is the formula's"
    for name in ("weight", "pos_weight"):
        if values.get(name) is not None and not _is_cycle(values[name], shape):
            return f"{name} is repeated along dimensions in the middle"
    return None


def _is_cycle(weight: Array, shape: Any) -> bool:
    kept = tuple(weight.shape)
    while kept and kept[0] == 1:
        kept = kept[1:]
    return kept == tuple(shape[len(shape) - len(kept) :])


def _of_first_parts(call: Checked) -> Array | None:
    """The sample weight as one weight for each of the first parts of the input, or for each element."""
    weight, shape = call.sample_weight, call.first.shape
    if weight is None:
        return None
    kept = tuple(weight.shape)
    while kept and kept[-1] == 1:
        kept = kept[:-1]
    return weight.contiguous() if kept == tuple(shape[: len(kept)]) else weight.expand(shape).contiguous()


def _denominator(call: Checked) -> Array | None:
    """Of the mean, where it is not the number of elements."""
    if call.normalizer is not None or call.reduction not in ("mean", "batchmean"):
        return call.normalizer
    x, weight = call.first, call.values.get("weight") if call.loss.name in WEIGHED_MEANS else None
    if weight is None and call.sample_weight is None:
        return None
    counts = x.new_ones((), dtype=call.dtype)
    for factor in (call.sample_weight, weight):
        if factor is not None:
            counts = counts * cast(factor, call.dtype)
    elements, counted = math.prod(x.shape), math.prod(counts.shape)
    of_whole = x.shape[0] if call.reduction == "batchmean" and x.ndim else elements
    share = of_whole / max(counted, 1)
    return cast(total(counts), call.dtype) * share


WEIGHED_MEANS = ("l1_loss", "mse_loss")
"""Losses whose mean divides by the sum of their weights."""


def _ranking(call: Checked) -> tuple[Any, ...]:
    values, x = call.values, call.first
    scores, target = (x.contiguous(), values["input2"].contiguous()), cast(values["target"], x.dtype).contiguous()
    options = (float(values["margin"]), 0.0, _of_first_parts(call), _denominator(call))
    return (_code("MarginRanking"), scores[0], target, scores[1], False, None, *options)


def _poisson(values: Options) -> str:
    return "PoissonOfLogRates" if values["log_input"] else "PoissonOfRates"


def _gaussian_constant(values: Options) -> float:
    return 0.5 * math.log(2 * math.pi) if values["full"] else 0.0


def _kl_div(values: Options) -> str:
    return "KLDivOfLogTargets" if values["log_target"] else "KLDiv"


def _sigmoid_focal(values: Options) -> str:
    return "SigmoidFocalOfSquares" if values["gamma"] == 2 else "SigmoidFocal"


def _smooth_l1(values: Options) -> str:
    return "SmoothL1" if values["beta"] > 1e-30 else "L1"


# Rows of vectors


def _cosine(call: Checked) -> tuple[Any, ...]:
    values = call.values
    vectors = (values["input1"].contiguous(), values["input2"].contiguous())
    target = cast(values["target"], call.dtype).contiguous()
    return (*vectors, None, target, float(values["margin"]), 0.0, False, _of_each_row(call), _rows_denominator(call))


def _cosine_refuse(call: Checked) -> str | None:
    first = call.first.shape
    if call.values["input2"].shape != first or call.values["target"].shape != first[:-1] or 0 in first:
        return "inputs and target differ in shape, or are empty"
    return None


def _triplet(call: Checked) -> tuple[Any, ...]:
    values = call.values
    vectors = (values[n].contiguous() for n in ("anchor", "positive", "negative"))
    options = (float(values["margin"]), float(values["eps"]), bool(values["swap"]))
    return (*vectors, None, *options, _of_each_row(call), _rows_denominator(call))


def _triplet_refuse(call: Checked) -> str | None:
    first = call.first.shape
    if call.values["p"] != 2:
        return "it knows the 2-norm"
    if any(call.values[n].shape != first for n in ("positive", "negative")) or 0 in first:
        return "the vectors differ in shape, or are empty"
    return None


def _rows_denominator(call: Checked) -> Array | None:
    weight = _of_each_row(call)
    if call.normalizer is not None or call.reduction not in ("mean", "batchmean") or weight is None:
        return call.normalizer
    return cast(total(weight), call.dtype)


# Sequences


def _ctc(call: Checked) -> tuple[Any, ...]:
    x, values, from_logits = call.first, call.values, "logits" in call.values
    sequences = [cast_index(values[n], x).contiguous() for n in ("targets", "input_lengths", "target_lengths")]
    options = (values["blank"], bool(values["zero_infinity"]), from_logits)
    batch_first = x.ndim == 3 and x.transpose(0, 1).is_contiguous()  # as models have it: the kernel takes it as it lies
    return (x if batch_first else x.contiguous(), *sequences, *options, _of_each_row(call), _rows_denominator(call))


def _ctc_refuse(call: Checked) -> str | None:
    return "there is nothing to compute" if 0 in call.first.shape else None


# Rows of features


def widens(call: Checked) -> bool:
    """Whether half precision is widened: small weights, for exact logits, and where its products are slow."""
    import torch

    weight = call.values["linear_weight"]
    if weight.dtype == torch.bfloat16:
        return math.prod(weight.shape) < FEW_WEIGHTS or not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return weight.dtype == torch.float16


def _linear_arrange(call: Checked) -> Checked:
    """Features in one row each."""
    values, features = dict(call.values), call.dims["D"]
    values["linear_weight"] = _dense(values["linear_weight"])
    if call.first.ndim == 2:
        return replace(call, values=values, first=values["input"])
    rows, weight = math.prod(call.first.shape[:-1]), call.sample_weight
    batch = call.first.ndim - 1
    values["input"] = values["input"].reshape(rows, features)
    for name in ("target", "target_shares"):
        if name in values:
            values[name] = values[name].reshape(rows, *values[name].shape[batch:])
    if weight is not None:
        full = weight.expand([n for _, n in axes(call.loss.unreduced, call.dims)])
        weight = full.reshape(rows, *full.shape[batch:])
    dims = {**call.dims, "N": rows, "n": ()}
    return replace(call, values=values, first=values["input"], sample_weight=weight, dims=dims)


def _dense(weight: Array) -> Array:
    return weight.contiguous() if weight.ndim > 2 else weight


def _linear(call: Checked) -> tuple[Any, ...]:
    values, bias = call.values, call.values["linear_bias"]
    target = values["target"]
    return (
        values["input"],
        values["linear_weight"],
        None if bias is None else bias.contiguous(),
        (cast_index(target, call.first) if kind(target) == "integer" else target).contiguous(),
        _shares(call),
        _weights(call, "weight"),
        values["ignore_index"],
        float(values["label_smoothing"]),
        *_shape(values),
        values["memory_budget"],
        widens(call),
        _of_each_row(call),
        _few_denominator(call),
    )


def _linear_refuse(call: Checked) -> str | None:
    sizes = (*call.first.shape, *call.values["linear_weight"].shape)
    if call.dims["d"] and _is_shaped(call.values):
        return "softcap, temperature, z_loss and targets of a few classes are for rows of classes"
    return "there is nothing to compute" if 0 in sizes else None


_ROWS = Kernel("SOFTMAX_ROWS", ("input",), _rows_refuse, _rows, _classes_last)
SHAPED = Kernel("SHAPED_ROWS", ("input",), _shaped_refuse, _shaped, _in_rows)
KERNELS = {
    "cross_entropy": _ROWS,
    "linear_cross_entropy": Kernel(
        "LINEAR", ("input", "linear_weight", "linear_bias"), _linear_refuse, _linear, _linear_arrange
    ),
    "focal_loss": _ROWS,
    "nll_loss": Kernel("NLL", ("input",), _rows_refuse, _nll, _classes_last),
    "kl_div_with_logits": Kernel("KL_ROWS", ("input_logits", "target_logits"), _divergence_refuse, _divergence),
    "l1_loss": _elementwise("L1"),
    "mse_loss": _elementwise("MSE"),
    "smooth_l1_loss": _elementwise(_smooth_l1, a="beta"),
    "huber_loss": _elementwise("Huber", a="delta"),
    "binary_cross_entropy": _elementwise("BinaryCrossEntropy"),
    "binary_cross_entropy_with_logits": _elementwise("BinaryCrossEntropyWithLogits"),
    "poisson_nll_loss": _elementwise(_poisson, a="eps"),
    "gaussian_nll_loss": _elementwise("Gaussian", a="eps", b=_gaussian_constant),
    "soft_margin_loss": _elementwise("SoftMargin"),
    "hinge_embedding_loss": _elementwise("HingeEmbedding", a="margin"),
    "sigmoid_focal_loss": _elementwise(_sigmoid_focal, a="alpha", b="gamma"),
    "kl_div": _elementwise(_kl_div),
    "margin_ranking_loss": Kernel("ELEMENTWISE", ("input1", "input2"), _elementwise_refuse, _ranking),
    "cosine_embedding_loss": Kernel("PAIRS", ("input1", "input2"), _cosine_refuse, _cosine),
    "ctc_loss": Kernel("CTC", ("log_probs",), _ctc_refuse, _ctc),
    "ctc_loss_with_logits": Kernel("CTC", ("logits",), _ctc_refuse, _ctc),
    "triplet_margin_loss": Kernel("PAIRS", ("anchor", "positive", "negative"), _triplet_refuse, _triplet),
}
