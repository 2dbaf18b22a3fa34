"""What `elsewhere` of a record says in words, as expressions: the peer's answer, converted to the loss's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """theirs(peer, **data) is what the loss answers of the data and its options. name: the peer's, as in the record."""

    loss: str
    name: str
    data: Data
    theirs: Callable[..., Any]
    options: Data = field(default_factory=dict)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    """Ordinary numbers that fp32 holds."""
    return np.random.default_rng(seed).normal(0, 2, shape).astype(np.float32).astype(np.float64)


def shares(x: np.ndarray) -> np.ndarray:
    e = np.exp(x)
    return e / e.sum(axis=1, keepdims=True)


def onehot(target: Any, classes: int) -> Any:
    """Classes along the last axis, of any library."""
    return (
        target[..., None] == np.arange(classes) if not hasattr(target, "detach") else _onehot_of_torch(target, classes)
    )


def _onehot_of_torch(target: Any, classes: int) -> Any:
    from torch.nn.functional import one_hot

    return one_hot(target, classes).double()


X, Y = draw(5, 4), draw(5, 4, seed=1)
LABELS = np.array([0, 3, 1, 1, 2])
SIGNS = np.where(draw(5, 4, seed=2) > 0, 1.0, -1.0)
ZERO_ONE = (SIGNS + 1) / 2
SOFT = np.round(shares(draw(5, 4, seed=3)) * 64) / 64
P = np.round(1 / (1 + np.exp(-X)) * 64 + 0.5) / 66
REALS: Data = {"input": X, "target": Y}
CLASSES: Data = {"input": X, "target": LABELS}
PIXELS: Data = {"input": draw(3, 4, 6, 5), "target": np.random.default_rng(4).integers(0, 4, (3, 6, 5))}
BINARY: Data = {"input": X, "target": ZERO_ONE}
SCORES: Data = {"input": X, "target": SIGNS}
LOG_Q = np.log(shares(X)).astype(np.float32).astype(np.float64)
CTC: Data = {
    "targets": np.array([[1, 2, 2], [3, 1, 0], [2, 0, 0]]),
    "input_lengths": (7, 7, 7),
    "target_lengths": (3, 2, 1),
}
FRAMES = draw(7, 3, 4)
LOG_FRAMES = FRAMES - np.log(np.exp(FRAMES).sum(-1, keepdims=True))
PAIR: Data = {"input1": X, "input2": Y, "target": np.ones(5)}
TRIPLET: Data = {"anchor": X, "positive": Y, "negative": draw(5, 4, seed=5)}
MEAN: Data = {"reduction": "mean"}
NONE: Data = {"reduction": "none"}
SUM: Data = {"reduction": "sum"}
FOCAL: Data = {"gamma": 2.0}
BALANCED: Data = {"alpha": 0.25, "gamma": 2.0}
CORNERS, TRUE = draw(6, 2, seed=6), draw(6, 2, seed=7)
BOXES: Data = {
    "input": np.concatenate([CORNERS, CORNERS + 1 + abs(draw(6, 2, seed=8))], axis=1),
    "target": np.concatenate([TRUE, TRUE + 1 + abs(draw(6, 2, seed=9))], axis=1),
}
MASK: Data = {"input": P[None, None], "target": ZERO_ONE[None, None]}
OF_MASK: Data = {"activation": "none", "smooth": 0.0}
PRODUCT: Data = {"overlap": "product"}
WHOLE_BATCH: Data = {"batch": True, "smooth": 0.0}
PRESENT: Data = {"classes": "present", "smooth": 0.0}
UNEVEN: Data = {"alpha": 0.3, "beta": 0.7}


def log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def optax_ctc(f: Callable[..., Any], x: Any, targets: Any, target_lengths: Any) -> Any:
    paddings = np.arange(3) >= np.asarray(target_lengths)[:, None]
    return f(x.swapaxes(0, 1), np.zeros((3, 7)), targets, paddings.astype(np.float32))


def monai(f: Callable[..., Any], input: Any, target: Any, **options: Any) -> Any:
    """of class indices (N, *d), for which MONAI wants a dimension of classes."""
    return f(to_onehot_y=True, **options)(input, target[:, None])


def pml_triplets(f: Callable[..., Any], anchor: Any, positive: Any, negative: Any, **options: Any) -> Any:
    import torch
    from pytorch_metric_learning.distances import LpDistance

    n = len(anchor)
    i, others = torch.arange(n), torch.cat([positive, negative])
    loss = f(**options, distance=LpDistance(normalize_embeddings=False), reducer=pml_reducer())
    return loss(anchor, indices_tuple=(i, i, i + n), ref_emb=others)


def pml_pairs(f: Callable[..., Any], input: Any, candidates: Any) -> Any:
    import torch

    row = torch.arange(len(input))
    return f(temperature=0.5)(
        input, row, ref_emb=candidates, ref_labels=row.clone()
    )  # labels that are the same object mean: of the same rows


def pml_reducer() -> Any:
    from pytorch_metric_learning.reducers import MeanReducer

    return MeanReducer()


ROWS = (
    Row(
        "cross_entropy",
        "optax.softmax_cross_entropy_with_integer_labels",
        PIXELS,
        lambda f, input, target: f(input.transpose(0, 2, 3, 1), target),
        NONE,
    ),
    Row(
        "cross_entropy",
        "keras.losses.SparseCategoricalCrossentropy",
        CLASSES,
        lambda f, input, target: f(from_logits=True)(target, input),
    ),
    Row(
        "focal_loss",
        "keras.losses.CategoricalFocalCrossentropy",
        {**CLASSES, "weight": np.array([0.5, 1.0, 0.25, 2.0])},
        lambda f, input, target, weight: f(alpha=weight, from_logits=True, reduction=None)(onehot(target, 4), input),
        {**FOCAL, **NONE},
    ),
    Row(
        "focal_loss",
        "monai.losses.FocalLoss",
        PIXELS,
        lambda f, input, target: 4 * monai(f, input, target, use_softmax=True),
        FOCAL,
    ),
    Row(
        "focal_loss",
        "kornia.losses.focal_loss",
        PIXELS,
        lambda f, input, target: f(input, target, alpha=None).sum(dim=1),
        {**FOCAL, **NONE},
    ),
    Row(
        "binary_cross_entropy",
        "keras.losses.BinaryCrossentropy",
        {"input": P, "target": ZERO_ONE},
        lambda f, input, target: f()(target, input),
    ),
    Row(
        "binary_cross_entropy",
        "sklearn.metrics.log_loss",
        {"input": P[0], "target": ZERO_ONE[0]},
        lambda f, input, target: f(target, input, labels=(0, 1)),
    ),
    Row(
        "binary_cross_entropy_with_logits",
        "optax.sigmoid_binary_cross_entropy",
        BINARY,
        lambda f, input, target: f(input, target),
        NONE,
    ),
    Row(
        "binary_cross_entropy_with_logits",
        "keras.losses.BinaryCrossentropy",
        BINARY,
        lambda f, input, target: f(from_logits=True)(target, input),
    ),
    Row(
        "binary_cross_entropy_with_logits",
        "segmentation_models_pytorch.losses.SoftBCEWithLogitsLoss",
        BINARY,
        lambda f, input, target: f(ignore_index=None)(input, target),
    ),
    Row(
        "sigmoid_focal_loss",
        "torchvision.ops.sigmoid_focal_loss",
        BINARY,
        lambda f, input, target: f(inputs=input, targets=target),
    ),
    Row(
        "sigmoid_focal_loss",
        "optax.losses.sigmoid_focal_loss",
        BINARY,
        lambda f, input, target: f(input, target, alpha=0.25),
        {**BALANCED, **NONE},
    ),
    Row(
        "sigmoid_focal_loss",
        "keras.losses.BinaryFocalCrossentropy",
        BINARY,
        lambda f, input, target: f(from_logits=True, apply_class_balancing=True)(target, input),
        {**BALANCED, **MEAN},
    ),
    Row(
        "sigmoid_focal_loss",
        "kornia.losses.binary_focal_loss_with_logits",
        BINARY,
        lambda f, input, target: f(input, target),
        {**BALANCED, **NONE},
    ),
    Row(
        "sigmoid_focal_loss",
        "monai.losses.FocalLoss",
        BINARY,
        lambda f, input, target: f(alpha=0.25)(input, target),
        {**BALANCED, **MEAN},
    ),
    Row(
        "sigmoid_focal_loss",
        "segmentation_models_pytorch.losses.FocalLoss",
        BINARY,
        lambda f, input, target: f("binary", alpha=0.25)(input, target),
        {**BALANCED, **MEAN},
    ),
    Row(
        "huber_loss",
        "optax.huber_loss",
        REALS,
        lambda f, input, target: f(input, target, delta=1.5),
        {"delta": 1.5, **NONE},
    ),
    Row("huber_loss", "keras.losses.Huber", REALS, lambda f, input, target: f(1.5)(target, input), {"delta": 1.5}),
    Row("l1_loss", "keras.losses.MeanAbsoluteError", REALS, lambda f, input, target: f()(target, input)),
    Row("l1_loss", "sklearn.metrics.mean_absolute_error", REALS, lambda f, input, target: f(target, input)),
    Row("log_cosh_loss", "optax.log_cosh", REALS, lambda f, input, target: f(input, target), NONE),
    Row("log_cosh_loss", "keras.losses.LogCosh", REALS, lambda f, input, target: f()(target, input)),
    Row("mse_loss", "optax.squared_error", REALS, lambda f, input, target: f(input, target), NONE),
    Row("mse_loss", "keras.losses.MeanSquaredError", REALS, lambda f, input, target: f()(target, input)),
    Row("mse_loss", "sklearn.metrics.mean_squared_error", REALS, lambda f, input, target: f(target, input)),
    Row(
        "quantile_loss",
        "sklearn.metrics.mean_pinball_loss",
        REALS,
        lambda f, input, target: f(target, input, alpha=0.9),
        {"quantiles": 0.9},
    ),
    Row(
        "gaussian_nll_loss",
        "scipy.stats.norm.logpdf",
        {**REALS, "var": Y**2 + 0.25},
        lambda f, input, target, var: -f(target, input, np.sqrt(var)),
        {"full": True, **NONE},
    ),
    Row(
        "poisson_nll_loss",
        "keras.losses.Poisson",
        {"input": P, "target": np.round(abs(Y))},
        lambda f, input, target: f()(target, input),
        {"log_input": False},
    ),
    Row(
        "poisson_nll_loss",
        "sklearn.metrics.mean_poisson_deviance",
        {"input": P.ravel(), "target": np.round(abs(Y)).ravel() + 1},
        lambda f, input, target: f(target, input) / 2 + (target - target * np.log(target)).mean(),
        {"log_input": False},
    ),
    Row(
        "kl_div",
        "optax.kl_divergence",
        {"input": LOG_Q, "target": SOFT},
        lambda f, input, target: f(input, target).sum(),
        SUM,
    ),
    Row(
        "kl_div",
        "keras.losses.KLDivergence",
        {"input": LOG_Q, "target": SOFT},
        lambda f, input, target: f()(target, np.exp(input)),
        {"reduction": "batchmean"},
    ),
    Row(
        "kl_div",
        "scipy.special.rel_entr",
        {"input": LOG_Q, "target": SOFT},
        lambda f, input, target: f(target, np.exp(input)),
        NONE,
    ),
    Row(
        "kl_div_with_logits",
        "optax.kl_divergence",
        {"input_logits": X, "target_logits": Y},
        lambda f, input_logits, target_logits: f(log_softmax(input_logits), np.exp(log_softmax(target_logits))),
        NONE,
    ),
    Row(
        "cosine_embedding_loss",
        "optax.cosine_distance",
        PAIR,
        lambda f, input1, input2, target: f(input1, input2),
        NONE,
    ),
    Row(
        "cosine_embedding_loss",
        "keras.losses.CosineSimilarity",
        PAIR,
        lambda f, input1, input2, target: 1 + f()(input1, input2),
    ),
    Row(
        "triplet_margin_loss",
        "optax.losses.triplet_margin_loss",
        TRIPLET,
        lambda f, anchor, positive, negative: f(anchor, positive, negative),
        NONE,
    ),
    Row(
        "triplet_margin_loss",
        "pytorch_metric_learning.losses.TripletMarginLoss",
        TRIPLET,
        lambda f, **data: pml_triplets(f, margin=1.0, **data),
    ),
    Row(
        "categorical_hinge_loss",
        "optax.losses.multiclass_hinge_loss",
        CLASSES,
        lambda f, input, target: f(input, target),
        NONE,
    ),
    Row(
        "categorical_hinge_loss",
        "keras.losses.CategoricalHinge",
        {"input": abs(X), "target": LABELS},
        lambda f, input, target: f()(onehot(target, 4), input),
    ),
    Row("categorical_hinge_loss", "sklearn.metrics.hinge_loss", CLASSES, lambda f, input, target: f(target, input)),
    Row("hinge_loss", "optax.hinge_loss", SCORES, lambda f, input, target: f(input, target), NONE),
    Row("hinge_loss", "keras.losses.Hinge", SCORES, lambda f, input, target: f()(target, input)),
    Row(
        "hinge_loss",
        "sklearn.metrics.hinge_loss",
        {"input": X.ravel(), "target": SIGNS.ravel()},
        lambda f, input, target: f(target, input),
    ),
    Row(
        "margin_ranking_loss",
        "optax.hinge_loss",
        {"input1": X, "input2": Y, "target": SIGNS},
        lambda f, input1, input2, target: f(input1 - input2, target),
        {"margin": 1.0, **NONE},
    ),
    Row(
        "multi_margin_loss",
        "optax.losses.multiclass_hinge_loss",
        {"input": X[:, :2], "target": LABELS % 2},
        lambda f, input, target: f(input, target) / 2,
        NONE,
    ),
    Row(
        "multi_margin_loss",
        "keras.losses.CategoricalHinge",
        {"input": abs(X[:, :2]), "target": LABELS % 2},
        lambda f, input, target: f()(onehot(target, 2), input) / 2,
    ),
    Row(
        "multilabel_soft_margin_loss",
        "optax.sigmoid_binary_cross_entropy",
        BINARY,
        lambda f, input, target: f(input, target).mean(axis=-1),
        NONE,
    ),
    Row(
        "soft_margin_loss",
        "optax.sigmoid_binary_cross_entropy",
        SCORES,
        lambda f, input, target: f(input, (target + 1) / 2),
        NONE,
    ),
    Row("squared_hinge_loss", "keras.losses.SquaredHinge", SCORES, lambda f, input, target: f()(target, input)),
    Row(
        "ctc_loss",
        "optax.ctc_loss",
        {"log_probs": LOG_FRAMES, **CTC},
        lambda f, log_probs, targets, input_lengths, target_lengths: optax_ctc(f, log_probs, targets, target_lengths),
        NONE,
    ),
    Row(
        "ctc_loss",
        "keras.losses.CTC",
        {"log_probs": LOG_FRAMES, **CTC},
        lambda f, log_probs, targets, **lengths: f(reduction=None)(targets, log_probs.swapaxes(0, 1)),
        NONE,
    ),
    Row(
        "ctc_loss_with_logits",
        "optax.ctc_loss",
        {"logits": FRAMES, **CTC},
        lambda f, logits, targets, input_lengths, target_lengths: optax_ctc(f, logits, targets, target_lengths),
        NONE,
    ),
    Row(
        "ctc_loss_with_logits",
        "keras.losses.CTC",
        {"logits": FRAMES, **CTC},
        lambda f, logits, targets, **lengths: f(reduction=None)(targets, logits.swapaxes(0, 1)),
        NONE,
    ),
    Row(
        "dice_loss",
        "monai.losses.DiceLoss",
        PIXELS,
        lambda f, input, target: monai(f, input, target, softmax=True, smooth_nr=2.0, smooth_dr=2.0),
        PRODUCT,
    ),
    Row(
        "dice_loss",
        "segmentation_models_pytorch.losses.DiceLoss",
        PIXELS,
        lambda f, input, target: f("multiclass")(input, target),
        WHOLE_BATCH,
    ),
    Row(
        "dice_loss",
        "kornia.losses.dice_loss",
        PIXELS,
        lambda f, input, target: f(input, target, average="macro"),
        PRESENT,
    ),
    Row("dice_loss", "keras.losses.Dice", MASK, lambda f, input, target: f()(target, input), {**OF_MASK, **PRODUCT}),
    Row(
        "dice_loss",
        "optax.losses.dice_loss",
        PIXELS,
        lambda f, input, target: f(input.transpose(0, 2, 3, 1), onehot(target, 4), reduction="none"),
        {**PRODUCT, **NONE},
    ),
    Row(
        "jaccard_loss",
        "monai.losses.DiceLoss",
        PIXELS,
        lambda f, input, target: monai(f, input, target, softmax=True, jaccard=True, smooth_nr=2.0, smooth_dr=2.0),
        PRODUCT,
    ),
    Row(
        "jaccard_loss",
        "segmentation_models_pytorch.losses.JaccardLoss",
        PIXELS,
        lambda f, input, target: f("multiclass")(input, target),
        WHOLE_BATCH,
    ),
    Row(
        "tversky_loss",
        "monai.losses.TverskyLoss",
        PIXELS,
        lambda f, input, target: monai(f, input, target, softmax=True, smooth_nr=1.0, smooth_dr=1.0, **UNEVEN),
        {**UNEVEN, **PRODUCT},
    ),
    Row(
        "tversky_loss",
        "segmentation_models_pytorch.losses.TverskyLoss",
        PIXELS,
        lambda f, input, target: f("multiclass", **UNEVEN)(input, target),
        {**UNEVEN, **WHOLE_BATCH},
    ),
    Row(
        "tversky_loss",
        "kornia.losses.tversky_loss",
        PIXELS,
        lambda f, input, target: f(input, target, **UNEVEN),
        {**UNEVEN, **PRESENT},
    ),
    Row(
        "tversky_loss",
        "keras.losses.Tversky",
        MASK,
        lambda f, input, target: f(alpha=UNEVEN["beta"], beta=UNEVEN["alpha"])(target, input),
        {**UNEVEN, **OF_MASK, **PRODUCT},
    ),
    *(
        Row(loss, f"torchvision.ops.{name}_box_iou_loss", BOXES, lambda f, input, target: f(input, target), options)
        for loss, name, options in (
            ("box_iou_loss", "generalized", {"kind": "giou", **NONE}),
            ("generalized_box_iou_loss", "generalized", NONE),
            ("distance_box_iou_loss", "distance", NONE),
            ("complete_box_iou_loss", "complete", NONE),
        )
    ),
    Row(
        "info_nce_loss",
        "pytorch_metric_learning.losses.NTXentLoss",
        {"input": X, "candidates": Y},
        pml_pairs,
        {"temperature": 0.5},
    ),
    Row(
        "asymmetric_loss",
        "timm.loss.AsymmetricLossMultiLabel",
        BINARY,
        lambda f, input, target: f(reduction="sum")(input, target),
        {"gamma_pos": 1.0, **SUM},
    ),
)
