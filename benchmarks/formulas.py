"""The losses of the list as other libraries have them, all reduced to one number, in the words of the cases.

`how` is recorded with the results: which function of the library it is, or "formula" where it has none.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ["KERAS_BACKEND"] = "jax"  # compiled by XLA, as Keras trains on it
import jax
import jax.numpy as jnp
import keras
import optax
import torch


class Formula(NamedTuple):
    how: str
    function: Callable[..., Any]


def of_torch(library: Any, loss: str) -> Formula:
    """What torch.nn.functional or Lossary has under torch's names; else what its users write."""
    if loss == "ctc_loss" and library is torch.nn.functional:
        return Formula("ctc_loss in fp32", _torch_ctc)
    found = getattr(library, loss, None)
    return Formula(loss, found) if found is not None else Formula("formula", TORCH[loss])


def _torch_ctc(input, *rest):
    return torch.nn.functional.ctc_loss(input.float(), *rest)  # which has no bf16


def _torch_ctc_of_logits(input, *rest):
    return torch.nn.functional.ctc_loss(torch.log_softmax(input, 2, dtype=torch.float32), *rest)


def _torch_transducer(input, targets, logit_lengths, target_lengths):
    """By anti-diagonals: place u of diagonal d has heard d - u frames."""
    n, t, places, _ = input.shape
    log_p = torch.log_softmax(input, 3, dtype=torch.float32)
    says = log_p[:, :, :-1].gather(3, targets[:, None, :, None].expand(n, t, -1, 1)).squeeze(3)
    says = torch.nn.functional.pad(says, (0, 1), value=-torch.inf)
    heard = torch.arange(t + places - 1)[:, None] - torch.arange(places)
    outside, heard = (heard < 0) | (heard >= t), heard.clamp(0, t - 1)
    column = torch.arange(places).expand_as(heard)
    goes_on, says = (x[:, heard, column].masked_fill(outside, -torch.inf) for x in (log_p[..., -1], says))
    alpha = torch.full((n, places), -torch.inf)
    alpha[:, 0] = 0
    found, floor = [], torch.tensor(-1e30)  # -inf would make NaN gradients
    for d in range(t + places - 1):
        on = torch.maximum(alpha + goes_on[:, d], floor)
        found.append(on)
        said = torch.nn.functional.pad((alpha + says[:, d])[:, :-1], (1, 0), value=-1e30)
        alpha = torch.logaddexp(on, torch.maximum(said, floor))
    rows = torch.arange(n)
    return -torch.stack(found)[logit_lengths + target_lengths - 1, rows, target_lengths].mean()


def _torch_cox(input, duration, event):
    """Without ties."""
    order = duration.argsort(descending=True)
    x, died = input[order].to(torch.promote_types(input.dtype, torch.float32)), event[order]
    return ((x.logcumsumexp(0) - x) * died).sum() / died.sum()


def _torch_kl_of_logits(input_logits, target_logits, reduction):
    log_q, p = torch.log_softmax(input_logits, 1), torch.softmax(target_logits, 1)
    return torch.nn.functional.kl_div(log_q, p, reduction=reduction)


def _torch_focal(input, target, gamma, reduction):
    log_p = torch.log_softmax(input, 1).gather(1, target.unsqueeze(1))
    return -((1 - log_p.exp()) ** gamma * log_p).mean()


def _torch_info_nce(input, candidates, symmetric=False):
    s = torch.nn.functional.normalize(input) @ torch.nn.functional.normalize(candidates).T / 0.07
    target = torch.arange(len(s))
    entropy = torch.nn.functional.cross_entropy
    return (entropy(s, target) + entropy(s.T, target)) / 2 if symmetric else entropy(s, target)


def _torch_sigmoid_focal(input, target, alpha, gamma, reduction):
    p = torch.sigmoid(input)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(input, target, reduction="none")
    missed = p * (1 - target) + (1 - p) * target
    return ((alpha * target + (1 - alpha) * (1 - target)) * missed**gamma * entropy).mean()


def _torch_dice(input, target, smooth):
    p, space = torch.softmax(input, 1), tuple(range(2, input.ndim))
    mask = torch.nn.functional.one_hot(target, input.shape[1]).movedim(-1, 1).to(p.dtype)
    common, total = (p * mask).sum(space), p.sum(space) + mask.sum(space)
    return (1 - (2 * common + 2 * smooth) / (total + 2 * smooth)).mean()


def _torch_asymmetric(input, target):
    p = torch.sigmoid(input)
    lowered = (p - 0.05).clamp(min=0)
    positive = target * torch.nn.functional.logsigmoid(input)
    return -(positive + (1 - target) * lowered**4 * torch.log(1 - lowered)).mean()


def _torch_log_cosh(input, target):
    error = input - target
    return (error + torch.nn.functional.softplus(-2 * error) - math.log(2)).mean()


def _torch_quantile(input, target, quantiles):
    error = target - input
    return torch.maximum(quantiles * error, (quantiles - 1) * error).mean()


def _hinge(input, target):
    return (1 - target * input).clip(0).mean()


def _squared_hinge(input, target):
    return ((1 - target * input).clip(0) ** 2).mean()


def _box_loss(kind: str, xp: Any, held: Callable[[Any], Any]) -> Callable[..., Any]:
    """As torchvision has it, of torch and of JAX."""
    eps = 1e-7

    def loss(input, target, reduction):
        (x1, y1, x2, y2), (u1, v1, u2, v2) = (tuple(z[..., i] for i in range(4)) for z in (input, target))
        shared = (xp.minimum(x2, u2) - xp.maximum(x1, u1)).clip(0) * (xp.minimum(y2, v2) - xp.maximum(y1, v1)).clip(0)
        union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - shared
        iou = shared / (union + eps)
        width, height = xp.maximum(x2, u2) - xp.minimum(x1, u1), xp.maximum(y2, v2) - xp.minimum(y1, v1)
        if kind == "generalized":
            hull = width * height
            return (1 - iou + (hull - union) / (hull + eps)).mean()
        distance = ((x1 + x2 - u1 - u2) / 2) ** 2 + ((y1 + y2 - v1 - v2) / 2) ** 2
        answer = 1 - iou + distance / (width**2 + height**2 + eps)
        if kind == "complete":
            aspects = xp.arctan((u2 - u1) / (v2 - v1)) - xp.arctan((x2 - x1) / (y2 - y1))
            v = 4 / math.pi**2 * aspects**2
            answer = answer + held(v / (1 - iou + v + eps)) * v
        return answer.mean()

    return loss


BOXES = ("generalized", "distance", "complete")
TORCH: dict[str, Callable[..., Any]] = {
    "log_cosh_loss": _torch_log_cosh,
    "quantile_loss": _torch_quantile,
    "hinge_loss": _hinge,
    "squared_hinge_loss": _squared_hinge,
    **{f"{kind}_box_iou_loss": _box_loss(kind, torch, torch.Tensor.detach) for kind in BOXES},
    "ctc_loss_with_logits": _torch_ctc_of_logits,
    "cox_loss": _torch_cox,
    "kl_div_with_logits": _torch_kl_of_logits,
    "rnnt_loss": _torch_transducer,
    "focal_loss": _torch_focal,
    "info_nce_loss": _torch_info_nce,
    "sigmoid_focal_loss": _torch_sigmoid_focal,
    "dice_loss": _torch_dice,
    "asymmetric_loss": _torch_asymmetric,
}


def _softplus_of_minus(x):
    return jax.nn.softplus(-x)


def _indices(input, target):
    return optax.softmax_cross_entropy_with_integer_labels(input, target, axis=1)


def _weighted(input, target, weight):
    keep = target != -100
    label = jnp.where(keep, target, 0)
    w = jnp.where(keep, weight[label], 0)
    return (_indices(input, label) * w).sum() / w.sum()


def _smoothed(input, target, label_smoothing):
    """Three times as quick as optax.softmax_cross_entropy of optax.smooth_labels, which makes one-hot rows."""
    chosen = jnp.take_along_axis(input, jnp.expand_dims(target, 1), 1).squeeze(1)
    mixed = (1 - label_smoothing) * chosen + label_smoothing * input.mean(1)
    return (jax.nn.logsumexp(input, 1) - mixed).mean()


def _focal(input, target, gamma, reduction):
    entropy = _indices(input, target)
    return ((1 - jnp.exp(-entropy)) ** gamma * entropy).mean()


def _dice(input, target, smooth):
    p, space = jax.nn.softmax(input, 1), tuple(range(2, input.ndim))
    mask = jax.nn.one_hot(target, input.shape[1], dtype=p.dtype, axis=1)
    common, total = (p * mask).sum(space), p.sum(space) + mask.sum(space)
    return (1 - (2 * common + 2 * smooth) / (total + 2 * smooth)).mean()


def _nll(input, target):
    return -jnp.take_along_axis(input, target[:, None], 1).mean()


def _pos_weighted(input, target, pos_weight):
    softplus = (1 + (pos_weight - 1) * target) * _softplus_of_minus(input)
    return ((1 - target) * input + softplus).mean()


def _binary(input, target):
    log_p, log_q = jnp.maximum(jnp.log(input), -100), jnp.maximum(jnp.log1p(-input), -100)
    return -(target * log_p + (1 - target) * log_q).mean()


def _asymmetric(input, target):
    lowered = jnp.maximum(jax.nn.sigmoid(input) - 0.05, 0)
    return (target * _softplus_of_minus(input) - (1 - target) * lowered**4 * jnp.log(1 - lowered)).mean()


def _smooth_l1(input, target):
    return optax.huber_loss(input, target, delta=1.0).mean()


def _gaussian(input, target, var):
    var = jnp.maximum(var, 1e-6)
    return 0.5 * (jnp.log(var) + (input - target) ** 2 / var).mean()


def _cosine(input1, input2, target):
    cosine = optax.losses.cosine_similarity(input1, input2)
    return jnp.where(target == 1, 1 - cosine, jnp.maximum(cosine, 0)).mean()


def _triplet(anchor, positive, negative):
    return optax.losses.triplet_margin_loss(anchor, positive, negative).mean()


def _ctc(input, targets, input_lengths, target_lengths):
    time, batch, _ = input.shape
    paddings = jnp.zeros((batch, time)), (jnp.arange(targets.shape[1]) >= target_lengths[:, None]).astype(input.dtype)
    return (optax.ctc_loss(input.swapaxes(0, 1), paddings[0], targets, paddings[1]) / target_lengths).mean()


def _cox(input, duration, event):
    order = jnp.argsort(-duration)
    x, died = input[order].astype(jnp.float32), event[order]
    return ((jax.lax.cumlogsumexp(x) - x) * died).sum() / died.sum()


def _transducer(input, targets, logit_lengths, target_lengths):
    """By anti-diagonals, as in torch; -1e30 stands for -inf, whose gradients would be NaN."""
    n, t, places, _ = input.shape
    log_p = jax.nn.log_softmax(input.astype(jnp.float32))
    says = jnp.take_along_axis(log_p[:, :, :-1], targets[:, None, :, None], 3).squeeze(3)
    says = jnp.pad(says, ((0, 0), (0, 0), (0, 1)), constant_values=-1e30)
    heard = jnp.arange(t + places - 1)[:, None] - jnp.arange(places)
    inside, column = (heard >= 0) & (heard < t), jnp.broadcast_to(jnp.arange(places), heard.shape)
    goes_on, says = (
        jnp.where(inside, x[:, jnp.clip(heard, 0, t - 1), column], -1e30).swapaxes(0, 1) for x in (log_p[..., -1], says)
    )

    def step(alpha, arcs):
        on, said = alpha + arcs[0], alpha + arcs[1]
        return jnp.logaddexp(on, jnp.pad(said[:, :-1], ((0, 0), (1, 0)), constant_values=-1e30)), on

    start = jnp.full((n, places), -1e30).at[:, 0].set(0)
    found = jax.lax.scan(step, start, (goes_on, says))[1]
    return -found[logit_lengths + target_lengths - 1, jnp.arange(n), target_lengths].mean()


def _linear(input, linear_weight, target):
    return _indices(input @ linear_weight.T, target).mean()


def _info_nce(input, candidates, symmetric=False):
    x, y = (v / jnp.linalg.norm(v, axis=1, keepdims=True) for v in (input, candidates))
    s, target = x @ y.T / 0.07, jnp.arange(len(x))
    loss = _indices(s, target).mean()
    return (loss + _indices(s.T, target).mean()) / 2 if symmetric else loss


INTEGER = "optax.softmax_cross_entropy_with_integer_labels"
OPTAX = {
    "cross_entropy": Formula(INTEGER, lambda input, target: _indices(input, target).mean()),
    "cross_entropy, smoothed": Formula("formula", _smoothed),
    "cross_entropy, weighted, rows ignored": Formula(f"{INTEGER}, weighted", _weighted),
    "cross_entropy, probabilities": Formula(
        "optax.softmax_cross_entropy", lambda input, target: optax.softmax_cross_entropy(input, target).mean()
    ),
    "cross_entropy, images": Formula(INTEGER, lambda input, target: _indices(input, target).mean()),
    "cross_entropy, images, smoothed": Formula("formula", _smoothed),
    "focal_loss": Formula(f"{INTEGER}, modulated", _focal),
    "dice_loss, images": Formula("formula", _dice),
    "nll_loss": Formula("formula", _nll),
    "kl_div": Formula(
        "optax.losses.kl_divergence",
        lambda input, target, reduction: optax.losses.kl_divergence(input, target).mean(),
    ),
    "kl_div_with_logits": Formula(
        "optax.losses.kl_divergence_with_log_targets",
        lambda input_logits, target_logits, reduction: optax.losses.kl_divergence_with_log_targets(
            jax.nn.log_softmax(input_logits), jax.nn.log_softmax(target_logits)
        ).mean(),
    ),
    "binary_cross_entropy": Formula("formula", _binary),
    "binary_cross_entropy_with_logits": Formula(
        "optax.sigmoid_binary_cross_entropy",
        lambda input, target: optax.sigmoid_binary_cross_entropy(input, target).mean(),
    ),
    "binary_cross_entropy_with_logits, pos_weight": Formula("formula", _pos_weighted),
    "sigmoid_focal_loss": Formula(
        "optax.sigmoid_focal_loss",
        lambda input, target, alpha, gamma, reduction: optax.sigmoid_focal_loss(
            input, target, alpha=alpha, gamma=gamma
        ).mean(),
    ),
    "asymmetric_loss": Formula("formula", _asymmetric),
    "l1_loss": Formula("formula", lambda input, target: jnp.abs(input - target).mean()),
    "mse_loss": Formula("optax.squared_error", lambda input, target: optax.squared_error(input, target).mean()),
    "smooth_l1_loss": Formula("optax.huber_loss, delta 1", _smooth_l1),
    "huber_loss": Formula("optax.huber_loss", _smooth_l1),
    "gaussian_nll_loss": Formula("formula", _gaussian),
    "poisson_nll_loss": Formula("formula", lambda input, target: (jnp.exp(input) - target * input).mean()),
    "soft_margin_loss": Formula("formula", lambda input, target: _softplus_of_minus(target * input).mean()),
    "hinge_embedding_loss": Formula(
        "formula", lambda input, target: jnp.where(target == 1, input, jnp.maximum(0, 1 - input)).mean()
    ),
    "margin_ranking_loss": Formula(
        "formula", lambda input1, input2, target: jnp.maximum(0, -target * (input1 - input2)).mean()
    ),
    "log_cosh_loss": Formula("optax.log_cosh", lambda input, target: optax.log_cosh(input, target).mean()),
    "quantile_loss": Formula(
        "formula",
        lambda input, target, quantiles: jnp.maximum(
            quantiles * (target - input), (quantiles - 1) * (target - input)
        ).mean(),
    ),
    "hinge_loss": Formula("optax.hinge_loss", lambda input, target: optax.hinge_loss(input, target).mean()),
    "squared_hinge_loss": Formula("formula", _squared_hinge),
    **{f"{kind}_box_iou_loss": Formula("formula", _box_loss(kind, jnp, jax.lax.stop_gradient)) for kind in BOXES},
    "cosine_embedding_loss": Formula("optax.losses.cosine_similarity", _cosine),
    "triplet_margin_loss": Formula("optax.losses.triplet_margin_loss", _triplet),
    "ctc_loss": Formula("optax.ctc_loss", _ctc),  # whose softmax leaves log-probabilities as they are
    "ctc_loss_with_logits": Formula("optax.ctc_loss", _ctc),
    "cox_loss": Formula("formula", _cox),
    "rnnt_loss": Formula("formula", _transducer),
    "linear_cross_entropy": Formula(f"{INTEGER} of a product", _linear),
    "info_nce_loss": Formula(f"{INTEGER} of similarities", _info_nce),
    "info_nce_loss, symmetric": Formula(f"{INTEGER} of similarities, both ways", _info_nce),
}


def _mean(found: Any):
    return jnp.mean(found)


def _keras_mean(name: str, **options: Any) -> Formula:
    """keras.losses.<name>, which has target first and averages over the last axis or drops it."""
    function = getattr(keras.losses, name)
    return Formula(f"keras.losses.{name}", lambda input, target: _mean(function(target, input, **options)))


def _keras_smoothed(input, target, label_smoothing):
    one_hot = jax.nn.one_hot(target, input.shape[1], dtype=input.dtype)
    found = keras.losses.categorical_crossentropy(one_hot, input, from_logits=True, label_smoothing=label_smoothing)
    return _mean(found)


def _keras_sigmoid_focal(input, target, alpha, gamma, reduction):
    options: dict[str, Any] = {"alpha": alpha, "gamma": gamma, "apply_class_balancing": True, "from_logits": True}
    return _mean(keras.losses.binary_focal_crossentropy(target, input, **options))


KERAS = {
    "cross_entropy": _keras_mean("sparse_categorical_crossentropy", from_logits=True),
    "cross_entropy, smoothed": Formula("keras.losses.categorical_crossentropy", _keras_smoothed),
    "cross_entropy, probabilities": _keras_mean("categorical_crossentropy", from_logits=True),
    "binary_cross_entropy": _keras_mean("binary_crossentropy"),
    "binary_cross_entropy_with_logits": _keras_mean("binary_crossentropy", from_logits=True),
    "sigmoid_focal_loss": Formula("keras.losses.binary_focal_crossentropy", _keras_sigmoid_focal),
    "l1_loss": _keras_mean("mean_absolute_error"),
    "mse_loss": _keras_mean("mean_squared_error"),
    "huber_loss": _keras_mean("huber"),
}
"""Where Keras has the same loss of the same arguments: classes along the last axis, no class weights."""
