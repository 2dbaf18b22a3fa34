"""Calls of every loss that has kernels in Triton, on meta tensors: how many launches they take, and how many bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import lossary


@dataclass(frozen=True)
class Call:
    """launches: forward and backward. traffic: bytes read and written, over those of the first input."""

    loss: str
    make: Callable[[torch.dtype], tuple[tuple[Any, ...], dict[str, Any]]]
    launches: int
    traffic: float

    def run(self, dtype: torch.dtype) -> Tensor:
        """Its first input."""
        args, kwargs = self.make(dtype)
        getattr(lossary, self.loss)(*args, **kwargs).backward()
        return args[0]


def data(dtype: torch.dtype, *shape: int) -> Tensor:
    return torch.empty(shape, device="meta", dtype=dtype)


def learned(dtype: torch.dtype, *shape: int) -> Tensor:
    return data(dtype, *shape).requires_grad_()


def classes(*shape: int) -> Tensor:
    return data(torch.int64, *shape)


ROWS, CLASSES, ELEMENTS = 2**15, 32000, (2**15, 2**10)


def _elements(loss: str, *, learned_too: bool = False, traffic: float = 3, **options: Any) -> Call:
    """A loss of two arrays, or of three, of which the last has a gradient too."""

    def make(dtype: torch.dtype) -> tuple[tuple[Any, ...], dict[str, Any]]:
        x, y = learned(dtype, *ELEMENTS), data(dtype, *ELEMENTS)
        if loss == "margin_ranking_loss":
            return (x, learned(dtype, *ELEMENTS), y), options
        return (x, y, *([learned(dtype, *ELEMENTS)] if learned_too else [])), options

    return Call(loss, make, 4 if learned_too else 3, traffic)


def _rows(
    loss: str, shape: tuple[int, ...], launches: int, traffic: float, *, soft: bool = False, **options: Any
) -> Call:
    def make(dtype: torch.dtype) -> tuple[tuple[Any, ...], dict[str, Any]]:
        target = data(dtype, *shape) if soft else classes(*shape[:1], *shape[2:])
        given = {name: of(dtype) if callable(of) else of for name, of in options.items()}
        return (learned(dtype, *shape), target), given

    return Call(loss, make, launches, traffic)


def _boxes(loss: str, **options: Any) -> Call:
    def make(dtype: torch.dtype) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (learned(dtype, 2**22, 4), data(dtype, 2**22, 4)), {"reduction": "mean", **options}

    return Call(loss, make, 3, 3)


CALLS = {
    **{
        name: _elements(name, reduction="mean")
        for name in (
            "asymmetric_loss",
            "binary_cross_entropy",
            "binary_cross_entropy_with_logits",
            "sigmoid_focal_loss",
            "huber_loss",
            "l1_loss",
            "log_cosh_loss",
            "mse_loss",
            "smooth_l1_loss",
            "poisson_nll_loss",
            "hinge_embedding_loss",
            "hinge_loss",
            "soft_margin_loss",
            "squared_hinge_loss",
        )
    },
    "quantile_loss": _elements("quantile_loss", quantiles=0.9),
    "focal of any power": _elements("sigmoid_focal_loss", gamma=1.7, reduction="mean"),
    "asymmetric of any power": _elements("asymmetric_loss", gamma_neg=3.5, reduction="mean"),
    "rates": _elements("poisson_nll_loss", log_input=False),
    "kl_div": _elements("kl_div", reduction="batchmean"),
    "log targets": _elements("kl_div", log_target=True, reduction="batchmean"),
    "gaussian_nll_loss": _elements("gaussian_nll_loss", learned_too=True, traffic=5),
    "margin_ranking_loss": _elements("margin_ranking_loss", learned_too=True, traffic=5),
    "cross_entropy": _rows("cross_entropy", (ROWS, CLASSES), 4, 2),
    "smoothed": _rows("cross_entropy", (ROWS, 8000), 4, 2, label_smoothing=0.1),
    "smoothed over many": _rows("cross_entropy", (ROWS, CLASSES), 4, 3, label_smoothing=0.1),
    "weighted": _rows("cross_entropy", (ROWS, CLASSES), 4, 2, weight=lambda dtype: data(dtype, CLASSES)),
    "probabilities": _rows("cross_entropy", (ROWS, 8000), 3, 3, soft=True),
    "many probabilities": _rows("cross_entropy", (ROWS, CLASSES), 3, 5, soft=True),
    "softcap": _rows("cross_entropy", (ROWS, 8000), 4, 2, softcap=30.0),
    "z-loss": _rows("cross_entropy", (ROWS, CLASSES), 4, 2, z_loss=1e-4, temperature=2.0),
    "short rows": _rows("cross_entropy", (2**22, 10), 4, 2.9),
    "a vocabulary": _rows("cross_entropy", (2**12, 128256), 4, 3),
    "odd": _rows("cross_entropy", (2**12, 50257), 4, 3),
    "images": _rows("cross_entropy", (16, 21, 512, 512), 4, 2.4),
    "focal_loss": _rows("focal_loss", (ROWS, CLASSES), 4, 2),
    "nll_loss": _rows("nll_loss", (ROWS, CLASSES), 4, 2),
    "kl_div_with_logits": _rows("kl_div_with_logits", (ROWS, 4096), 3, 3, soft=True, reduction="batchmean"),
    "long divergences": _rows("kl_div_with_logits", (ROWS, CLASSES), 3, 5, soft=True, reduction="batchmean"),
    "cosine_embedding_loss": Call(
        "cosine_embedding_loss",
        lambda dtype: ((learned(dtype, ROWS, 1024), learned(dtype, ROWS, 1024), data(dtype, ROWS)), {}),
        4,
        4,
    ),
    **{f"{kind}boxes": _boxes(f"{kind}box_iou_loss") for kind in ("", "generalized_", "distance_", "complete_")},
    "efficient boxes": _boxes("box_iou_loss", kind="eiou"),
    **{name: _rows(name, (16, 21, 512, 512), 5, 3.8) for name in ("dice_loss", "jaccard_loss", "tversky_loss")},
    "masks": _rows("dice_loss", (16, 21, 512, 512), 5, 5, soft=True, activation="sigmoid", squared=True),
    **{
        f"cox_loss, {ties}": Call(
            "cox_loss",
            lambda dtype, ties=ties: (
                (learned(dtype, 2**20), data(torch.float32, 2**20), data(torch.float32, 2**20)),
                {"ties": ties, "strata": classes(2**20)},
            ),
            3,
            75,
        )
        for ties in ("breslow", "efron")
    },
    **{
        name: Call(
            "rnnt_loss",
            lambda dtype, n=n: ((learned(dtype, 16, 500, 201, n), classes(16, 200), classes(16), classes(16)), {}),
            5,
            traffic,
        )
        for name, n, traffic in (("rnnt_loss", 1024, 3.1), ("rnnt_loss, few classes", 29, 5.3))
    },
    **{
        f"info_nce_loss, {name}": Call(
            "info_nce_loss",
            lambda dtype, options=options: ((learned(dtype, 4096, 512), learned(dtype, 4096, 512)), options),
            launches,
            traffic,
        )
        for name, options, launches, traffic in (
            ("two chunks", {}, 9, 32.1),
            ("symmetric", {"symmetric": True}, 11, 48.1),
        )
    },
    "triplet_margin_loss": Call(
        "triplet_margin_loss",
        lambda dtype: (tuple(learned(dtype, ROWS, 1024) for _ in range(3)), {}),
        5,
        6,
    ),
}
