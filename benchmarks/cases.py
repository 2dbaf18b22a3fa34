"""What is timed, and by whom: losses, how their data is drawn, sizes and options; the names of the contestants."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Generator, Tensor

from lossary import functional
from lossary.core.record import CATALOGUE

Data = Callable[..., dict[str, Tensor]]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
LOSSARY, EAGER, COMPILE, JAX, KERAS, LIMIT = "Lossary", "torch eager", "torch.compile", "jax.jit", "keras", "LIMIT"
PEERS = (EAGER, COMPILE, JAX, KERAS)
SMALL = ((1, 2), (8, 10), (32, 10), (256, 100), (1024, 256))
SEED = 0


@dataclass(frozen=True)
class Case:
    """title: of the loss and its options. data: draws the arguments. wanted: those whose gradients are."""

    title: str
    loss: str
    data: Data
    shape: tuple[int, ...]
    wanted: tuple[str, ...] = ("input",)
    options: dict[str, Any] = field(default_factory=dict)
    dtype: str = "fp32"

    @property
    def name(self) -> str:
        return f"{self.title} {'x'.join(map(str, self.shape))} {self.dtype}"

    def arguments(self) -> dict[str, Tensor]:
        drawn = self.data(*self.shape, generator=torch.Generator().manual_seed(SEED))
        return {n: x.to(DTYPES[self.dtype]) if x.is_floating_point() else x for n, x in drawn.items()}


def _normal(*shape: int, generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator)


def _signs(*shape: int, generator: Generator) -> Tensor:
    return 2.0 * torch.randint(2, shape, generator=generator) - 1


def classes(n: int, c: int, *d: int, generator: Generator) -> dict[str, Tensor]:
    target = torch.randint(c, (n, *d), generator=generator)
    return {"input": _normal(n, c, *d, generator=generator), "target": target}


def weighted(n: int, c: int, generator: Generator) -> dict[str, Tensor]:
    """Class weights, and every tenth row ignored."""
    drawn = classes(n, c, generator=generator)
    drawn["target"][::10] = -100
    return {**drawn, "weight": 0.5 + torch.rand(c, generator=generator)}


def distributions(n: int, c: int, generator: Generator) -> dict[str, Tensor]:
    target = torch.softmax(_normal(n, c, generator=generator), 1)
    return {"input": _normal(n, c, generator=generator), "target": target}


def log_probabilities(n: int, c: int, generator: Generator) -> dict[str, Tensor]:
    drawn = classes(n, c, generator=generator)
    return {**drawn, "input": torch.log_softmax(drawn["input"], 1)}


def log_probabilities_and_distributions(n: int, c: int, generator: Generator) -> dict[str, Tensor]:
    drawn = distributions(n, c, generator=generator)
    return {**drawn, "input": torch.log_softmax(drawn["input"], 1)}


def two_logits(n: int, c: int, generator: Generator) -> dict[str, Tensor]:
    return {name: _normal(n, c, generator=generator) for name in ("input_logits", "target_logits")}


def labels(*shape: int, generator: Generator) -> dict[str, Tensor]:
    target = torch.randint(2, shape, generator=generator).float()
    return {"input": _normal(*shape, generator=generator), "target": target}


def probabilities(*shape: int, generator: Generator) -> dict[str, Tensor]:
    drawn = labels(*shape, generator=generator)
    return {**drawn, "input": torch.sigmoid(drawn["input"])}


def weighted_labels(n: int, c: int, generator: Generator) -> dict[str, Tensor]:
    return {**labels(n, c, generator=generator), "pos_weight": 1 + torch.rand(c, generator=generator)}


def numbers(*shape: int, generator: Generator) -> dict[str, Tensor]:
    return {name: _normal(*shape, generator=generator) for name in ("input", "target")}


def variances(*shape: int, generator: Generator) -> dict[str, Tensor]:
    return {**numbers(*shape, generator=generator), "var": 0.1 + torch.rand(shape, generator=generator)}


def counts(*shape: int, generator: Generator) -> dict[str, Tensor]:
    return {**numbers(*shape, generator=generator), "target": torch.randint(5, shape, generator=generator).float()}


def signs(*shape: int, generator: Generator) -> dict[str, Tensor]:
    return {"input": _normal(*shape, generator=generator), "target": _signs(*shape, generator=generator)}


def ranked(*shape: int, generator: Generator) -> dict[str, Tensor]:
    inputs = {name: _normal(*shape, generator=generator) for name in ("input1", "input2")}
    return {**inputs, "target": _signs(*shape, generator=generator)}


def two_vectors(n: int, d: int, generator: Generator) -> dict[str, Tensor]:
    return {**ranked(n, d, generator=generator), "target": _signs(n, generator=generator)}


def three_vectors(n: int, d: int, generator: Generator) -> dict[str, Tensor]:
    return {name: _normal(n, d, generator=generator) for name in ("anchor", "positive", "negative")}


def boxes(*shape: int, generator: Generator) -> dict[str, Tensor]:
    """Corners, most of which overlap."""
    place, sides = (torch.rand((2, *shape, 2), generator=generator) for _ in range(2))
    ends = torch.cat([place, place + sides], -1)
    return {"input": ends[0], "target": ends[1]}


def survivors(*shape: int, generator: Generator) -> dict[str, Tensor]:
    rows = math.prod(shape)
    return {
        "input": _normal(rows, generator=generator),
        "duration": torch.rand(rows, generator=generator),
        "event": torch.randint(2, (rows,), generator=generator).float(),
    }


def sequences(t: int, n: int, c: int, s: int, generator: Generator) -> dict[str, Tensor]:
    return {
        "input": _normal(t, n, c, generator=generator),
        "targets": torch.randint(1, c, (n, s), generator=generator),
        "input_lengths": torch.full((n,), t),
        "target_lengths": torch.randint(1, s + 1, (n,), generator=generator),
    }


def transducers(n: int, t: int, s: int, c: int, generator: Generator) -> dict[str, Tensor]:
    return {
        "input": _normal(n, t, s + 1, c, generator=generator),
        "targets": torch.randint(0, c - 1, (n, s), generator=generator),
        "logit_lengths": torch.full((n,), t),
        "target_lengths": torch.randint(1, s + 1, (n,), generator=generator),
    }


def log_probability_sequences(t: int, n: int, c: int, s: int, generator: Generator) -> dict[str, Tensor]:
    drawn = sequences(t, n, c, s, generator=generator)
    return {**drawn, "input": torch.log_softmax(drawn["input"], 2)}


def features(n: int, d: int, c: int, generator: Generator) -> dict[str, Tensor]:
    return {
        "input": _normal(n, d, generator=generator),
        "linear_weight": _normal(c, d, generator=generator) / math.sqrt(d),
        "target": torch.randint(c, (n,), generator=generator),
    }


def embeddings(n: int, d: int, generator: Generator) -> dict[str, Tensor]:
    return {name: _normal(n, d, generator=generator) for name in ("input", "candidates")}


MANY = (10_000_000,)
BOXES = (100_000,), (2_500_000,)
SEQUENCES = (sequences, log_probability_sequences, transducers)
WORDS, SENTENCES, PIECES = (200, 16, 64, 30), (500, 32, 1000, 100), (1000, 16, 5000, 200)
"""Frames, samples, classes, and the most labels."""
IMAGES = (4, 21, 256, 256)
SMOOTHED = {"label_smoothing": 0.1}
BATCHMEAN = {"reduction": "batchmean"}
CLIP = {"symmetric": True}
FOCAL = {"gamma": 2.0, "reduction": "mean"}
OVERLAP = {"smooth": 1.0}
ALL = (
    Case("cross_entropy", "cross_entropy", classes, (32, 10)),
    Case("cross_entropy", "cross_entropy", classes, (1024, 1000)),
    Case("cross_entropy", "cross_entropy", classes, (2048, 32000)),
    Case("cross_entropy", "cross_entropy", classes, (512, 128256)),
    Case("cross_entropy, smoothed", "cross_entropy", classes, (1024, 32000), options=SMOOTHED),
    Case("cross_entropy, weighted, rows ignored", "cross_entropy", weighted, (1024, 32000)),
    Case("cross_entropy, probabilities", "cross_entropy", distributions, (1024, 32000)),
    Case("cross_entropy, images", "cross_entropy", classes, IMAGES),
    Case("cross_entropy, images, smoothed", "cross_entropy", classes, IMAGES, options=SMOOTHED),
    Case("focal_loss", "focal_loss", classes, IMAGES, options=FOCAL),
    Case("dice_loss, images", "dice_loss", classes, (8, 21, 256, 256), options=OVERLAP),
    Case("dice_loss, images", "dice_loss", classes, (2, 4, 96, 96, 96), options=OVERLAP),
    Case("nll_loss", "nll_loss", log_probabilities, (4096, 4096)),
    Case("kl_div", "kl_div", log_probabilities_and_distributions, (4096, 4096), options=BATCHMEAN),
    Case("kl_div_with_logits", "kl_div_with_logits", two_logits, (1024, 32000), ("input_logits",), BATCHMEAN),
    Case("binary_cross_entropy", "binary_cross_entropy", probabilities, MANY),
    Case("binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits", labels, MANY),
    Case(
        "binary_cross_entropy_with_logits, pos_weight",
        "binary_cross_entropy_with_logits",
        weighted_labels,
        (100_000, 100),
    ),
    Case("sigmoid_focal_loss", "sigmoid_focal_loss", labels, MANY, options={**FOCAL, "alpha": 0.25}),
    Case("asymmetric_loss", "asymmetric_loss", labels, MANY),
    Case("l1_loss", "l1_loss", numbers, MANY),
    Case("mse_loss", "mse_loss", numbers, MANY),
    Case("smooth_l1_loss", "smooth_l1_loss", numbers, MANY),
    Case("huber_loss", "huber_loss", numbers, MANY),
    Case("gaussian_nll_loss", "gaussian_nll_loss", variances, MANY, ("input", "var")),
    Case("poisson_nll_loss", "poisson_nll_loss", counts, MANY),
    Case("soft_margin_loss", "soft_margin_loss", signs, MANY),
    Case("hinge_embedding_loss", "hinge_embedding_loss", signs, MANY),
    Case("margin_ranking_loss", "margin_ranking_loss", ranked, MANY, ("input1", "input2")),
    Case("log_cosh_loss", "log_cosh_loss", numbers, MANY),
    Case("quantile_loss", "quantile_loss", numbers, MANY, options={"quantiles": 0.9}),
    Case("hinge_loss", "hinge_loss", signs, MANY),
    Case("squared_hinge_loss", "squared_hinge_loss", signs, MANY),
    *(
        Case(loss, loss, boxes, shape, options={"reduction": "mean"})
        for loss in ("generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss")
        for shape in BOXES
    ),
    Case("cosine_embedding_loss", "cosine_embedding_loss", two_vectors, (65536, 512), ("input1", "input2")),
    Case("triplet_margin_loss", "triplet_margin_loss", three_vectors, (65536, 128), ("anchor", "positive", "negative")),
    Case("cox_loss", "cox_loss", survivors, (1_000_000,)),
    *(
        Case(loss, loss, data, shape)
        for loss, data in (("ctc_loss", log_probability_sequences), ("ctc_loss_with_logits", sequences))
        for shape in (WORDS, SENTENCES, PIECES)
    ),
    Case("rnnt_loss", "rnnt_loss", transducers, (8, 200, 50, 500)),
    Case("linear_cross_entropy", "linear_cross_entropy", features, (1024, 512, 8192), ("input", "linear_weight")),
    Case("linear_cross_entropy", "linear_cross_entropy", features, (1024, 768, 32000), ("input", "linear_weight")),
    Case("linear_cross_entropy", "linear_cross_entropy", features, (2048, 768, 50257), ("input", "linear_weight")),
    Case("info_nce_loss", "info_nce_loss", embeddings, (8192, 512), ("input", "candidates")),
    Case("info_nce_loss, symmetric", "info_nce_loss", embeddings, (8192, 512), ("input", "candidates"), CLIP),
)


def listed() -> list[Case]:
    """Every case in every dtype."""
    known = [case for case in ALL if hasattr(functional, case.loss)]
    return [replace(case, dtype=dtype) for case in known for dtype in DTYPES]


def large() -> list[Case]:
    """Those whose gradients take at least 10 MiB, so that pages matter, and memory is told apart from noise."""
    return [case for case in listed() if case.data is not features and _scores(case) > 5_000_000]


def _scores(case: Case) -> int:
    return math.prod(case.shape[:3] if case.data in SEQUENCES[:2] else case.shape)


def small() -> list[Case]:
    """What has a kernel, in the sizes where its call costs more than its data."""
    rows = [case for case in ALL if case.data not in SEQUENCES and "images" not in case.title]
    kinds = {case.title: case for case in rows if CATALOGUE[case.loss].kernel}
    return [
        replace(case, shape=(*shape, shape[-1]) if case.data is features else shape, dtype=dtype)
        for case in kinds.values()
        for shape in SMALL
        for dtype in DTYPES
    ]
