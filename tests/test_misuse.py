"""Every rule fires on its mistake, with the right numbers, and is silent on the call as it was meant."""

import gc
import math
import re
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from correct_calls import correct_calls

import lossary
from lossary import nn
from lossary.core import contract
from lossary.misuse import RULES, Findings
from lossary.testing import LIBRARIES
from lossary.testing.samples import extreme, invalid, ordinary

F = torch.nn.functional
generator = torch.Generator().manual_seed(0)
rng = np.random.default_rng(0)

X = torch.randn(64, 10, generator=generator)
Y = torch.arange(64) % 10
P = X.softmax(1)
SURE = 40.0 * F.one_hot(Y, 10) + X
FITTING = 4.0 * F.one_hot(Y, 10) + 2 * X
SHUFFLED = Y[torch.randperm(64, generator=torch.Generator().manual_seed(4))]
TEACHER = (2 * X).softmax(1)
Z = 2 * torch.randn(64, generator=generator)
YES = (torch.arange(64) % 4 == 0).float()
ENDS = torch.linspace(0.05, 0.98, 64)  # a trained model's sigmoid
SIGNS = 2 * YES - 1
SEQUENCE = torch.randint(0, 10, (4, 33), generator=generator)
FRAMES = torch.randn(20, 3, 6, generator=generator).log_softmax(-1)
LABELS = torch.tensor([[1, 2, 2, 3], [4, 4, 4, 4], [5, 1, 3, 2]])
FULL, ALL = torch.tensor([20, 20, 20]), torch.tensor([4, 4, 4])
PADDED = torch.cat([FRAMES[:12], torch.zeros(8, 3, 6).log_softmax(-1)])

BLANKS = torch.tensor([135.0, 1, 1, 1, 1, 1]).div(140).log().expand(20, 3, 6)
JOINT = torch.randn(3, 20, 5, 6, generator=torch.Generator().manual_seed(0))
JOINT_PADDED = torch.cat([JOINT[:, :12], torch.zeros(3, 8, 5, 6) + JOINT[:, 12:13]], 1)
HAZARDS = torch.randn(64, generator=torch.Generator().manual_seed(1))
TIMES = (-HAZARDS).exp() * torch.empty(64).exponential_(generator=torch.Generator().manual_seed(2))
DIED = (torch.arange(64) % 4 > 0).float()
UNHEARD = FRAMES - 12 * (torch.arange(6) == 4)
BOXES = 10.0 * torch.tensor([[1.0, 2, 9, 8], [0, 3, 4, 64], [30, 5, 40, 12], [7, 7, 8, 9]]).repeat(16, 1)


class Wrong(NamedTuple):
    """A call with a mistake, what must be said of it, and the call as it was meant."""

    code: str
    loss: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    said: tuple[str, ...]
    meant: tuple[str, tuple[Any, ...], dict[str, Any]]


def wrong(code: str, loss: str, *args: Any, said: tuple[str, ...], meant: tuple[Any, ...], **options: Any) -> Wrong:
    """`meant`: the right arguments, after another name where the right loss is another, before options of its own."""
    name, right = (meant[0], meant[1:]) if isinstance(meant[0], str) else (loss, meant)
    changed = {**options, **right[-1]} if isinstance(right[-1], dict) else options
    return Wrong(code, loss, args, options, said, (name, tuple(x for x in right if not isinstance(x, dict)), changed))


def kl(x: torch.Tensor, t: torch.Tensor) -> float:
    return float(F.kl_div(x, t, reduction="none").sum(1).mean())


def coded(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Logits that are sure of these labels, (N, C, L)."""
    return 4.5 * F.one_hot(labels, classes).float().movedim(-1, 1)


def several(rows: int) -> torch.Tensor:
    return (torch.arange(rows)[:, None] % torch.tensor([2, 3, 4, 5]) == 0).float()


HALF = torch.float16
SUMS = tuple(-400 + 20 * torch.randn(4, 64, generator=generator))
MEANS = tuple(-2 * torch.rand(4, 64, generator=generator) - 0.1)
WEIGHTS = torch.tensor([3.0, 9.0, 19.0])
RATE = torch.tensor([0.25, 0.1, 0.05])[None, :, None].expand(400, 3, 3)
BY_CLASS = (torch.rand(400, 3, 3, generator=generator) < RATE).float()
LABELLED = torch.randint(5, (4, 8, 8), generator=torch.Generator().manual_seed(5))
MASKED = 3 * torch.randn(4, 5, 8, 8, generator=torch.Generator().manual_seed(5))
COUNTS = torch.poisson(torch.full((64,), 8.0), generator=generator)
RUNS = torch.where(torch.arange(64) % 16 < 8, Y, 0)

CASES = (
    wrong("LS100", "cross_entropy", X, Y[:7], said=("target is int64 of shape (7,)", "(64,)"), meant=(X, Y)),
    wrong(
        "LS100", "huber_loss", Z, Z, delta=-1.0, said=("delta is -1.0", "(0, inf)"), meant=(Z, Z + 1, {"delta": 1.0})
    ),
    wrong(
        "LS100", "mse_loss", Z, Z, colour="red", said=("colour", "its arguments are"), meant=(Z, Z, {"colour": None})
    ),
    # log(1 + 9/e) = 1.4612; the mean that is said is torch's.
    wrong(
        "LS101",
        "cross_entropy",
        P,
        Y,
        said=("1.461", f"{float(F.cross_entropy(P, Y)):.4g}", "input.log()"),
        meant=(X, Y),
    ),
    wrong("LS101", "cross_entropy", P[:, :2].softmax(1), Y % 2, said=("0.3133",), meant=(X[:, :2], Y % 2)),
    wrong("LS101", "cross_entropy", P, TEACHER, said=(f"{math.e / (math.e + 9):.4g}",), meant=(X, TEACHER)),
    wrong(
        "LS101", "cross_entropy", F.one_hot(Y, 10).float().bfloat16(), Y, said=("bfloat16 (64, 10)",), meant=(SURE, Y)
    ),
    wrong("LS101", "dice_loss", MASKED.softmax(1), LABELLED, said=("(4, 5, 8, 8)",), meant=(MASKED, LABELLED)),
    wrong(
        "LS102",
        "tversky_loss",
        MASKED.sigmoid(),
        LABELLED,
        activation="sigmoid",
        said=("every value lies in [0, 1]",),
        meant=(MASKED, LABELLED, {"activation": "sigmoid"}),
    ),
    # 16 of 64 are yes: (16·0.3133 + 48·0.6931) / 64
    wrong("LS102", "binary_cross_entropy_with_logits", ENDS, YES, said=("0.5982", "0.05 to 0.98"), meant=(Z, YES)),
    wrong("LS102", "soft_margin_loss", ENDS, SIGNS, said=("0.5982",), meant=(Z, SIGNS)),
    wrong(
        "LS103",
        "nll_loss",
        X,
        Y,
        said=(f"{float(X.logsumexp(1).mean()):.4g}", f"{float(X.max()):.4g}", "cross_entropy(input, target)"),
        meant=(X.log_softmax(1), Y),
    ),
    wrong(
        "LS103",
        "kl_div",
        X,
        TEACHER,
        reduction="batchmean",
        said=(f"{float(X.logsumexp(1).mean()):.4g}",),
        meant=(X.log_softmax(1), TEACHER),
    ),
    wrong(
        "LS103",
        "ctc_loss",
        3 * torch.ones(20, 3, 6),
        LABELS,
        FULL,
        ALL,
        said=(f"{3 + math.log(6):.4g}", "log_softmax(-1)"),
        meant=(FRAMES, LABELS, FULL, ALL),
    ),
    wrong(
        "LS104",
        "nll_loss",
        P,
        Y,
        said=(f"{float(F.nll_loss(P, Y)):.4g}", "nll_loss(input.log(), target)"),
        meant=(P.log(), Y),
    ),
    wrong(
        "LS104",
        "kl_div",
        P,
        TEACHER,
        reduction="batchmean",
        said=(f"{kl(P, TEACHER):.4g}", 'kl_div(input.log(), target, reduction="batchmean")'),
        meant=(P.log(), TEACHER),
    ),
    wrong(
        "LS104",
        "kl_div",
        P.log(),
        TEACHER,
        reduction="batchmean",
        log_target=True,
        said=("target  float32 (64, 10)", "log_target=False"),
        meant=(P.log(), TEACHER.log()),
    ),
    wrong(
        "LS105",
        "kl_div",
        P.log(),
        TEACHER.log(),
        reduction="batchmean",
        said=(f"down to {float(TEACHER.log().min()):.4g}", "log_target=True"),
        meant=(P.log(), TEACHER),
    ),
    wrong("LS105", "cross_entropy", X, TEACHER.log(), said=("cross_entropy(input, target.exp())",), meant=(X, TEACHER)),
    wrong(
        "LS106",
        "binary_cross_entropy",
        Z,
        YES,
        said=(f"{int(((Z < 0) | (Z > 1)).sum())} of 64", "binary_cross_entropy_with_logits(logits, target)"),
        meant=(Z.sigmoid(), YES),
    ),
    wrong(
        "LS107",
        "poisson_nll_loss",
        torch.full((64,), 8.0),
        COUNTS,
        said=(f"mean of {math.exp(8):.4g}", f"{float(COUNTS.mean()):.4g}", "log_input=False"),
        meant=(torch.full((64,), math.log(8.0)), COUNTS),
    ),
    wrong(
        "LS108", "gaussian_nll_loss", Z, Z, Z, said=("var.exp()", f"{float(Z.min()):.4g}"), meant=(Z, Z + 1, Z.exp())
    ),
    wrong(
        "LS108",
        "gaussian_nll_loss",
        Z,
        Z + 2,
        torch.zeros(64),
        said=("64 of 64", "mean squared residual is 4"),
        meant=(Z, Z + 2, torch.full((64,), 4.0)),
    ),
    wrong(
        "LS110",
        "cross_entropy",
        Z[:, None],
        torch.zeros(64).long(),
        said=("binary_cross_entropy_with_logits(input.squeeze(1), target)",),
        meant=("binary_cross_entropy_with_logits", Z, YES),
    ),
    wrong(
        "LS120",
        "binary_cross_entropy",
        (Z > 0).float(),
        (Z > 0).float(),
        said=("64 values", "{0, 1}"),
        meant=(Z.sigmoid(), YES),
    ),
    wrong("LS120", "cross_entropy", 3.0 * F.one_hot(Y, 10), Y, said=("640 values", "{0, 3}"), meant=(X, Y)),
    wrong("LS121", "mse_loss", SHUFFLED.float(), Y.float(), said=("10 values", "cross_entropy"), meant=(Z, Z + 1)),
    wrong(
        "LS122",
        "triplet_margin_loss",
        X / 1e5,
        X.roll(1, 0) / 1e5,
        X.roll(2, 0) / 1e5,
        margin=0.5,
        said=("margin is 0.5", "its mean is 0.5"),
        meant=(X, X.roll(1, 0), X.roll(2, 0)),
    ),
    wrong(
        "LS122",
        "cosine_embedding_loss",
        1 + X / 1e5,
        1 + X.roll(1, 0) / 1e5,
        SIGNS,
        margin=0.25,
        said=("128 vectors", "here 0.75"),
        meant=(X, X.roll(1, 0), SIGNS),
    ),
    wrong(
        "LS123",
        "info_nce_loss",
        X,
        X.roll(1, 1),
        temperature=20.0,
        said=("temperature is 20", "-0.05 to 0.05", "temperature=1 / temperature"),
        meant=(X, X.roll(1, 1), {"temperature": 0.05}),
    ),
    wrong(
        "LS124",
        "info_nce_loss",
        X,
        X.roll(1, 1)[Y],
        said=("64 of 64 candidates", "64 of 64 rows", "labels="),
        meant=(X, X.roll(1, 1)),
    ),
    wrong(
        "LS128",
        "generalized_box_iou_loss",
        BOXES / 640,
        BOXES,
        said=("beyond 1", "reaches to 640", "multiply input"),
        meant=(BOXES, BOXES.roll(1, 0)),
    ),
    wrong(
        "LS129",
        "box_iou_loss",
        BOXES,
        BOXES.roll(1, 0),
        format="cxcywh",
        said=("each of 64 boxes of input", "format='xyxy'"),
        meant=(BOXES, BOXES.roll(1, 0), {"format": "xyxy"}),
    ),
    wrong(
        "LS130",
        "cross_entropy",
        torch.zeros(4, 33, 10),
        SEQUENCE,
        said=("input.movedim(-1, 1)",),
        meant=(torch.randn(4, 10, 33, generator=generator), SEQUENCE),
    ),
    wrong(
        "LS130",
        "cross_entropy",
        coded(SEQUENCE[:, :10], 10).movedim(1, -1),
        SEQUENCE[:, :10],
        said=(f"log 10 = {math.log(10):.4g}", f"is {math.log1p(9 * math.exp(-4.5)):.4g} along it"),
        meant=(coded(SEQUENCE[:, :10], 10), SEQUENCE[:, :10]),
    ),
    wrong(
        "LS131", "soft_margin_loss", Z, YES, said=("48 of 64", "{0, 1}", "0.6931", "2 * target - 1"), meant=(Z, SIGNS)
    ),
    wrong("LS109", "dpo_loss", *(-x for x in SUMS), said=("64 of 64", "-chosen"), meant=SUMS),
    wrong("LS109", "dpo_loss", *(x.exp() for x in MEANS), said=("at most 1", "chosen.log()"), meant=SUMS),
    wrong("LS109", "dpo_loss", *SUMS[:2], Z, SUMS[3], said=(f"up to {float(Z.max()):.4g}",), meant=SUMS),
    wrong(
        "LS125",
        "dpo_loss",
        *SUMS[:3],
        SUMS[3].clone().requires_grad_(),
        said=("it needs a gradient", "reference_rejected.detach()"),
        meant=SUMS,
    ),
    wrong("LS154", "dpo_loss", *MEANS, said=("all 256", "beta=0.1"), meant=(*MEANS, {"kind": "ipo"})),
    wrong("LS173", "dpo_loss", *(x.bfloat16() for x in SUMS), beta=0.1, said=("largest score passes 256",), meant=SUMS),
    wrong("LS131", "margin_ranking_loss", Z, -Z, YES, said=("48 of 64", "max(0, margin)"), meant=(Z, -Z, SIGNS)),
    wrong("LS131", "cosine_embedding_loss", X, X, YES, said=("costs nothing",), meant=(X, X.roll(1, 0), SIGNS)),
    wrong("LS131", "hinge_loss", Z, YES, said=("max(0, margin)",), meant=(Z, SIGNS)),
    wrong("LS131", "squared_hinge_loss", Z, YES, said=("max(0, margin)²",), meant=(Z, SIGNS)),
    wrong("LS131", "hinge_embedding_loss", Z.abs(), YES, said=("both terms",), meant=(Z.abs(), SIGNS)),
    wrong("LS131", "binary_cross_entropy_with_logits", Z, 255 * YES, said=("{0, 255}", "target / 255"), meant=(Z, YES)),
    wrong(
        "LS131",
        "jaccard_loss",
        MASKED,
        255 * F.one_hot(LABELLED, 5).movedim(-1, 1).float(),
        said=("{0, 255}", "target / 255"),
        meant=(MASKED, F.one_hot(LABELLED, 5).movedim(-1, 1).float()),
    ),
    wrong("LS131", "binary_cross_entropy_with_logits", Z, SIGNS, said=("{-1, 1}", "(target + 1) / 2"), meant=(Z, YES)),
    wrong(
        "LS131",
        "multilabel_soft_margin_loss",
        X[:, :4],
        several(64) + 1,
        said=("{1, 2}", "target - 1"),
        meant=(X[:, :4], several(64)),
    ),
    wrong(
        "LS136",
        "multilabel_margin_loss",
        X[:, :4],
        several(64).long(),
        said=("every value is 0 or 1", "multilabel_soft_margin_loss(input, target)"),
        meant=(X[:, :4], torch.tensor([[2, 0, -1, -1]]).expand(64, 4)),
    ),
    wrong(
        "LS132",
        "cross_entropy",
        X[:, :4],
        several(64),
        said=("several true classes", "binary_cross_entropy_with_logits(input, target)"),
        meant=(X[:, :4], P[:, :4].softmax(1)),
    ),
    wrong("LS132", "cross_entropy", X, P / 2, said=("64 of 64", "0.5 to 0.5"), meant=(X, P)),
    wrong("LS132", "cross_entropy", X, 3 * X, said=("outside of [0, 1]", "target.softmax(1)"), meant=(X, TEACHER)),
    wrong(
        "LS132", "kl_div", P.log(), 2 * P / 3, reduction="batchmean", said=("0.6667 on average",), meant=(P.log(), P)
    ),
    wrong(
        "LS133",
        "mse_loss",
        X[:, :1],
        X[:, 0],
        said=("4,096 pairs of 64", "mse_loss(input.squeeze(1), target)"),
        meant=(X[:, 0], X[:, 1]),
    ),
    wrong("LS133", "l1_loss", Z, X[:, :1], said=("4,096 pairs", "target.squeeze(1)"), meant=(Z, X[:, 0])),
    wrong(
        "LS134",
        "cross_entropy",
        X,
        Y.float(),
        said=("whole numbers", "cross_entropy(input, target.long())"),
        meant=(X, Y),
    ),
    wrong("LS134", "nll_loss", P.log(), Z, said=("mse_loss",), meant=(P.log(), Y)),
    wrong("LS134", "cross_entropy", X, F.one_hot(Y, 10), said=("one-hot", "target.argmax(1)"), meant=(X, Y)),
    wrong(
        "LS135",
        "cross_entropy",
        X,
        Y + 1,
        said=("6 of 64", "{10}", "[9], [19], [29] and 3 more", "target - 1"),
        meant=(X, Y),
    ),
    wrong("LS135", "cross_entropy", X, torch.where(Y == 3, -1, Y), said=("ignore_index=-1", "{-1}"), meant=(X, Y)),
    wrong("LS135", "cross_entropy", X[:, :8], Y, said=("10 outputs", "{8, 9}"), meant=(X, Y)),
    wrong("LS135", "cross_entropy", X, torch.where(Y == 3, 255, Y), said=("ignore_index=255",), meant=(X, Y)),
    wrong("LS140", "cross_entropy", X, torch.full((64,), -100), said=("all 64 targets are -100",), meant=(X, Y)),
    wrong(
        "LS140",
        "mse_loss",
        Z,
        Z,
        sample_weight=torch.zeros(64),
        said=("64 rows",),
        meant=(Z, Z + 1, {"sample_weight": YES}),
    ),
    wrong(
        "LS141",
        "cross_entropy",
        coded(SEQUENCE[:, 1:], 10),
        SEQUENCE[:, :-1],
        said=("next position's target", "124 pairs"),
        meant=(coded(SEQUENCE[:, 1:], 10), SEQUENCE[:, 1:]),
    ),
    wrong(
        "LS141",
        "cross_entropy",
        coded(SEQUENCE[:, :-1], 10),
        SEQUENCE[:, 1:],
        said=("previous position's target", f"{math.log1p(9 * math.exp(-4.5)):.4g}"),
        meant=(coded(SEQUENCE[:, 1:], 10), SEQUENCE[:, 1:]),
    ),
    wrong(
        "LS142",
        "cross_entropy",
        X.repeat(4, 1),
        Y.repeat(4),
        ignore_index=3,
        said=("28 of 256", "one of the 10 classes"),
        meant=(X, Y, {"ignore_index": -100}),
    ),
    wrong(
        "LS143",
        "cross_entropy",
        X.repeat(4, 1),
        Y.repeat(4) // 2,
        said=("5, 6, 7, 8, 9", "10 outputs", "5 classes"),
        meant=(X, Y),
    ),
    wrong(
        "LS143",
        "cross_entropy",
        X.repeat(4, 1),
        Y.repeat(4) % 9 + 1,
        said=("labels counted from 1", "256 targets: 0;"),
        meant=(X, Y),
    ),
    # H(0.005) = 0.0315
    wrong(
        "LS144",
        "cross_entropy",
        torch.zeros(1000, 2),
        (torch.arange(1000) < 5).long(),
        said=("99.50%", "0.03148"),
        meant=(torch.zeros(1000, 2), torch.arange(1000) % 2),
    ),
    wrong("LS145", "cross_entropy", X, 0 * Y + 3, said=("all 64", "class 3"), meant=(X, Y)),
    wrong(
        "LS146",
        "cross_entropy",
        -FITTING,
        Y,
        said=("cross_entropy(-input, target)", f"{float(F.cross_entropy(FITTING, Y)):.4g}", "2.303"),
        meant=(FITTING, Y),
    ),
    wrong("LS147", "cross_entropy", 2 * FITTING, SHUFFLED, said=("2.303", "z = "), meant=(FITTING, Y)),
    wrong(
        "LS150",
        "binary_cross_entropy_with_logits",
        torch.zeros(400, 3, 3),
        BY_CLASS,
        pos_weight=WEIGHTS,
        said=("pos_weight.reshape(-1, 1)",),
        meant=(torch.zeros(400, 3, 3), BY_CLASS.mT),
    ),
    wrong(
        "LS151",
        "kl_div",
        P.log(),
        TEACHER,
        said=("all 640 elements", "divided by 10", "batchmean"),
        meant=(P.log(), TEACHER, {"reduction": "batchmean"}),
    ),
    wrong(
        "LS152",
        "cross_entropy",
        X,
        Y,
        weight=torch.linspace(-0.5, 4, 10),
        said=("1 of 10", "-0.5"),
        meant=(X, Y, {"weight": torch.ones(10)}),
    ),
    wrong(
        "LS152",
        "cross_entropy",
        X[:, :2],
        Y % 2,
        weight=[1.0, 1e6],
        said=("ratio of 1e+06", "2 classes count as 1 "),
        meant=(X, Y, {"weight": [1.0] * 10}),
    ),
    wrong(
        "LS152",
        "binary_cross_entropy_with_logits",
        Z,
        YES,
        pos_weight=torch.tensor(1e5),
        said=(f"{math.log(1e5):.4g}",),
        meant=(Z, YES, {"pos_weight": torch.tensor(3.0)}),
    ),
    wrong(
        "LS153",
        "kl_div",
        P.log().reshape(8, 8, 10),
        TEACHER.reshape(8, 8, 10),
        reduction="batchmean",
        said=("by 8 and not by the 64 rows", "times 8", "target.reshape(-1, 10)"),
        meant=(P.log(), TEACHER),
    ),
    wrong(
        "LS153",
        "kl_div",
        P[0].log(),
        TEACHER[0],
        reduction="batchmean",
        said=("by the 10 classes",),
        meant=(P[0].log(), TEACHER[0], {"reduction": "sum"}),
    ),
    wrong(
        "LS160",
        "ctc_loss",
        FRAMES,
        LABELS - 1,
        FULL,
        ALL,
        said=("2 of 12", "[0, 0], [2, 1]"),
        meant=(FRAMES, LABELS, FULL, ALL),
    ),
    wrong(
        "LS160",
        "ctc_loss",
        FRAMES,
        torch.tensor([[1, 2, 0, 0], [4, 4, 4, 0], [5, 1, 3, 2]]),
        FULL,
        ALL,
        said=("3 of 12", "[2, 3, 4]"),
        meant=(FRAMES, torch.tensor([[1, 2, 0, 0], [4, 4, 4, 0], [5, 1, 3, 2]]), FULL, torch.tensor([2, 3, 4])),
    ),
    wrong(
        "LS160",
        "rnnt_loss",
        JOINT,
        LABELS,
        FULL,
        ALL,
        said=("1 of 12", "labels are 5, the blank", "[2, 0]"),
        meant=(JOINT, LABELS, FULL, ALL, 0),
    ),
    # four equal labels need three frames between them
    wrong(
        "LS161",
        "ctc_loss",
        FRAMES,
        LABELS,
        torch.tensor([20, 6, 20]),
        ALL,
        said=("1 of 3", "sample 1 needs 7 frames", "has 6"),
        meant=(FRAMES, LABELS, torch.tensor([20, 7, 20]), ALL),
    ),
    wrong(
        "LS162",
        "ctc_loss",
        PADDED,
        LABELS,
        FULL,
        ALL,
        said=("3 of 3", "8 at the most"),
        meant=(PADDED, LABELS, torch.tensor([12, 12, 12]), ALL),
    ),
    wrong(
        "LS162",
        "rnnt_loss",
        JOINT_PADDED,
        LABELS,
        FULL,
        ALL,
        0,
        said=("3 of 3", "8 at the most"),
        meant=(JOINT_PADDED, LABELS, torch.tensor([12, 12, 12]), ALL, 0),
    ),
    *(
        wrong(
            "LS163",
            loss,
            BLANKS,
            LABELS,
            FULL,
            ALL,
            said=("12 labels", "of 60 frames 2.143 are", "0.9643"),
            meant=(FRAMES, LABELS, FULL, ALL),
        )
        for loss in ("ctc_loss", "ctc_loss_with_logits")
    ),
    wrong(
        "LS164",
        "ctc_loss_with_logits",
        UNHEARD,
        LABELS,
        FULL,
        ALL,
        said=("4 of its 12 labels", "no frame emits: 4;", "60 frames"),
        meant=(FRAMES, LABELS, FULL, ALL),
    ),
    wrong("LS190", "cox_loss", HAZARDS, TIMES, DIED + 1, said=("{1, 2}", "event - 1"), meant=(HAZARDS, TIMES, DIED)),
    wrong("LS190", "cox_loss", HAZARDS, DIED, TIMES, said=("input, event, duration",), meant=(HAZARDS, TIMES, DIED)),
    wrong("LS190", "cox_loss", HAZARDS, TIMES, 3 * DIED, said=("{0, 3}",), meant=(HAZARDS, TIMES, DIED)),
    wrong("LS191", "cox_loss", -HAZARDS, TIMES, DIED, said=("48 events", "-input"), meant=(HAZARDS, TIMES, DIED)),
    wrong("LS192", "cox_loss", HAZARDS, TIMES, 0 * DIED, said=("none of 64 rows",), meant=(HAZARDS, TIMES, DIED)),
    wrong(
        "LS192",
        "cox_loss",
        HAZARDS,
        TIMES,
        DIED,
        strata=torch.arange(64),
        said=("each of 48 events",),
        meant=(HAZARDS, TIMES, DIED, {"strata": None}),
    ),
    wrong(
        "LS170",
        "cross_entropy",
        X.where(X < 2, torch.nan),
        Y,
        said=(f"{int((X >= 2).any(1).sum())} of 64", "input holds NaN"),
        meant=(X, Y),
    ),
    wrong(
        "LS170",
        "mse_loss",
        Z,
        Z.where(torch.arange(64) != 5, torch.nan),
        said=("1 of 64", "[5]", "target holds NaN"),
        meant=(Z, Z + 1),
    ),
    wrong(
        "LS171",
        "cross_entropy",
        X.where(torch.arange(10) != 3, -torch.inf),
        Y,
        said=("7 of 64", "[3], [13], [23] and 4 more"),
        meant=(X[:, :3], Y % 3),
    ),
    wrong(
        "LS172",
        "mse_loss",
        100 * X.to(HALF),
        -100 * X.to(HALF),
        reduction="sum",
        said=("65504",),
        meant=(X.to(HALF), -X.to(HALF)),
    ),
    wrong(
        "LS172",
        "mse_loss",
        torch.tensor([300.0, 1, 2, 3]).to(HALF),
        torch.zeros(4).to(HALF),
        reduction="none",
        said=("1 of 4", "90000", "[0]"),
        meant=(X.to(HALF), -X.to(HALF)),
    ),
    wrong(
        "LS173", "cross_entropy", (X + 700).bfloat16(), Y, said=("64 of 64", "multiples of 4"), meant=(X.bfloat16(), Y)
    ),
    wrong(
        "LS174",
        "binary_cross_entropy",
        Z.sigmoid().where(Z.abs() < 1, (Z > 0).float()),
        (Z < 0).float(),
        said=(f"{int((Z.abs() >= 1).sum())} of 64", "costs 100"),
        meant=(Z.sigmoid(), YES),
    ),
    wrong(
        "LS175",
        "cross_entropy",
        400 * X,
        Y,
        said=(f"{float(F.cross_entropy(400 * X, Y)):.4g}", f"{math.log(10):.4g}"),
        meant=(X, Y),
    ),
    wrong(
        "LS175",
        "binary_cross_entropy_with_logits",
        1000 * (1.5 + Z.abs()),
        YES,
        said=("64 of 64", "0.6931"),
        meant=(Z, YES),
    ),
    wrong("LS176", "cross_entropy", X[:1].expand(64, 10), Y, said=("64 rows",), meant=(X, Y)),
    wrong(
        "LS177",
        "mse_loss",
        Z,
        (Z + 1).requires_grad_(),
        said=("target needs a gradient",),
        meant=((Z + 1).requires_grad_(), Z),
    ),
    wrong(
        "LS180",
        "huber_loss",
        0 * Z,
        100 * Z,
        said=(
            f"{float((100 * Z).std(correction=0)):.4g}",
            f"delta={1.345 * 1.4826 * float(np.median(np.abs(100 * Z.numpy()))):.3g}",
        ),
        meant=(0 * Z, Z),
    ),
    wrong("LS180", "smooth_l1_loss", 0 * Z, 100 * Z, said=("beta = 1",), meant=(0 * Z, Z)),
)
each_case = pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case.code}-{case.loss}" for i, case in enumerate(CASES)])


@each_case
def test_fires_with_the_right_numbers(case: Wrong) -> None:
    findings = lossary.check(case.loss, *case.args, **case.options)
    assert case.code in findings.codes, findings
    text = str(next(finding for finding in findings if finding.code == case.code))
    assert [said for said in case.said if said not in text] == [], text


@each_case
def test_silent_as_meant(case: Wrong) -> None:
    loss, args, options = case.meant
    options = {name: value for name, value in options.items() if value is not None}
    findings = lossary.check(loss, *args, **options)
    assert not findings, findings


@each_case
def test_says_the_same_of_numpy_arrays(case: Wrong) -> None:
    if any(isinstance(x, torch.Tensor) and (x.dtype == torch.bfloat16 or x.requires_grad) for x in case.args):
        pytest.skip("NumPy has no bfloat16, and no gradients")
    convert = {name: _numpy(x) for name, x in case.options.items()}
    of_numpy = lossary.check(case.loss, *map(_numpy, case.args), **convert)
    assert case.code in of_numpy.codes, of_numpy


def _numpy(x: Any) -> Any:
    return x.numpy() if isinstance(x, torch.Tensor) else x


# The catalogue of rules -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_has_its_cases_and_says_why(rule: Any) -> None:
    assert rule.code in {case.code for case in CASES}
    assert rule.title and rule.why and rule.fix and rule.severity in ("error", "warning", "note")


def test_codes_are_unique_and_in_order() -> None:
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))


WITHOUT_RULES = {
    "counts": "LS107 reads them beside the rates",
    "durations": "only their order counts, and those below 0 raise",
    "features": "no mistake of theirs has a fingerprint",
    "margins": "any number is one",
    "linear weights": "no mistake of theirs has a fingerprint",
    "positives": "what is no candidate raises, and any candidate may be one",
    "labels": "any number is one",
    "probabilities, or log-probabilities": "an option says which: the rules of that word look",
}


def test_every_contract_word_has_a_rule() -> None:
    specs = [spec for loss in lossary.catalogue() for alternatives in loss.data.values() for spec in alternatives]
    looked_at = {word for rule in RULES for word in rule.words}
    assert {spec.domain.name for spec in specs} - looked_at == set(WITHOUT_RULES)


def test_rules_name_words_that_exist() -> None:
    makers = [maker for maker in vars(contract).values() if getattr(maker, "__qualname__", "") == "word.<locals>.spec"]
    assert {word for rule in RULES for word in rule.words} <= {maker("*s").domain.name for maker in makers}


def name(x: Any) -> str:
    """The same in every process, as the ids of tests must be."""
    return getattr(x, "__name__", None) or str(x)


# What may be passed ---------------------------------------------------------------------------------------------------


def test_a_new_loss_gets_its_rules_by_its_contract() -> None:
    """No rule names focal_loss."""
    assert lossary.check("focal_loss", P, Y).codes == ("LS101",)
    assert lossary.check("focal_loss", X, Y.float()).codes == ("LS134",)
    assert lossary.check("sigmoid_focal_loss", ENDS, YES).codes == ("LS102",)


@pytest.mark.parametrize("loss", [lossary.nll_loss, F.nll_loss, torch.nn.NLLLoss(), nn.NLLLoss()], ids=name)
def test_a_loss_is_a_function_or_a_module(loss: Any) -> None:
    assert str(lossary.check(loss, X, Y)) == str(lossary.check("nll_loss", X, Y))


@pytest.mark.parametrize("module", [torch.nn.CrossEntropyLoss, nn.CrossEntropyLoss])
def test_a_module_brings_its_options(module: Any) -> None:
    findings = lossary.check(module(ignore_index=3, weight=torch.ones(10)), X.repeat(4, 1), Y.repeat(4))
    assert findings.codes == ("LS142",)
    assert "weight=weight, ignore_index=-100" in findings[0].fix


def test_every_module_of_torch_is_known() -> None:
    for own in nn.loss_modules():
        theirs = getattr(torch.nn, own.__name__, None)
        if theirs is not None and own is not nn.LinearCrossEntropyLoss:
            assert lossary.check(theirs()).loss == own.loss.name


def test_a_subclass_is_the_loss_it_is_made_of() -> None:
    class Mine(torch.nn.CrossEntropyLoss): ...

    assert lossary.check(Mine(), P, Y).codes == ("LS101",)


@pytest.mark.parametrize(
    ("loss", "error", "said"),
    [
        ("cros_entropy", ValueError, "Did you mean cross_entropy"),
        (torch.nn.CrossEntropyLoss, TypeError, "CrossEntropyLoss()"),
        (nn.CrossEntropyLoss, TypeError, "CrossEntropyLoss()"),
        (torch.nn.Linear(1, 1), TypeError, "Linear"),
        (nn.LinearCrossEntropyLoss(2, 3), TypeError, "pass 'linear_cross_entropy'"),
        (F.softmax, TypeError, "must be a loss"),
        (3, TypeError, "must be a loss"),
    ],
    ids=name,
)
def test_what_is_no_loss(loss: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=re.escape(said)):
        lossary.check(loss, X, Y)


def test_jax_arrays() -> None:
    jnp = pytest.importorskip("jax.numpy")
    findings = lossary.check("cross_entropy", jnp.asarray(P.numpy()), jnp.asarray(Y.numpy()))
    assert findings.codes == ("LS101",)
    assert "nll_loss(jnp.log(input), target)" in findings[0].fix


def test_the_array_api_standard() -> None:
    strict = LIBRARIES["array_api_strict"]
    findings = lossary.check("cross_entropy", strict.array(P.numpy(), "float32"), strict.array(Y.numpy(), "int64"))
    assert findings.codes == ("LS101",)


def test_values_that_cannot_be_read_are_not_checked() -> None:
    seen: list[Findings] = []

    def look(x: torch.Tensor) -> torch.Tensor:
        seen.append(lossary.check("mse_loss", x, x))
        return x

    torch.func.vmap(look)(X)
    seen.append(lossary.check("mse_loss", X.to("meta"), X.to("meta")))
    for findings in seen:
        assert not findings and not findings.rules
        assert set(findings.unchecked) == {rule.code for rule in RULES}


def test_under_jit_nothing_is_checked() -> None:
    jax = pytest.importorskip("jax")
    seen: list[Findings] = []
    jax.jit(lambda x: seen.append(lossary.check("mse_loss", x, x)) or x)(np.ones(3))
    assert not seen[0] and "jax.jit" in str(seen[0])


@pytest.mark.parametrize("convert", [lambda x: x, _numpy], ids=["torch", "numpy"])
def test_nothing_is_changed_or_kept(convert: Any) -> None:
    x, y, weight = convert(P.clone()), convert(Y.clone()), convert(torch.ones(10))
    before = [array.copy() if isinstance(array, np.ndarray) else array.clone() for array in (x, y, weight)]
    references = sys.getrefcount(x)
    findings = lossary.check("cross_entropy", x, y, weight, sample_weight=convert(YES))
    assert findings.codes == ("LS101",)
    gc.collect()
    assert sys.getrefcount(x) == references
    assert all((a == b).all() for a, b in zip((x, y, weight), before, strict=True))


def test_a_distance_of_the_caller_s_own() -> None:
    def city_block(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a - b).abs().sum(-1, keepdim=True)

    triplets = X, X.roll(1, 0), X.roll(2, 0)
    findings = lossary.check("triplet_margin_with_distance_loss", *triplets, distance_function=city_block)
    assert not findings and not findings.unchecked
    refused = lossary.check("triplet_margin_with_distance_loss", *triplets, distance_function=torch.sub)
    assert refused.codes == ("LS100",) and "it must answer one distance for each row" in refused[0].observed


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(
    ("loss", "args"), [("cross_entropy", (P, Y)), ("cross_entropy", (X, Y + 1)), ("l1_loss", (X, X))]
)
def test_on_a_gpu_it_says_the_same(loss: str, args: tuple[torch.Tensor, ...]) -> None:
    assert str(lossary.check(loss, *(x.cuda() for x in args))) == str(lossary.check(loss, *args))


def test_gradients_are_left_alone() -> None:
    x = P.clone().requires_grad_()
    assert lossary.check("cross_entropy", 1 * x, Y).codes == ("LS101",)
    assert x.grad is None
    with torch.no_grad():
        assert lossary.check("cross_entropy", x, Y).codes == ("LS101",)


def test_scores_that_are_whole_but_have_a_gradient_are_no_decisions() -> None:
    scores = (3.0 * F.one_hot(Y, 10)).requires_grad_()
    assert lossary.check("cross_entropy", scores, Y).codes == ()


def test_a_loss_that_warns_does_not_warn_here() -> None:
    assert lossary.check("kl_div", P.log(), TEACHER, reduction="mean").codes == ("LS151",)
    assert lossary.check("kl_div", P.log(), TEACHER, size_average=False).codes == ()


def test_ignored_rows_and_rows_of_weight_0_are_not_looked_at() -> None:
    bad = X.where(torch.arange(64)[:, None] != 7, torch.nan)
    assert lossary.check("cross_entropy", bad, Y).codes == ("LS170",)
    assert lossary.check("cross_entropy", bad, Y.where(torch.arange(64) != 7, -100)).codes == ()
    assert lossary.check("cross_entropy", bad, Y, sample_weight=torch.arange(64) != 7).codes == ()
    mixed = P.where(torch.arange(64)[:, None] % 2 == 0, X)
    assert lossary.check("cross_entropy", mixed, Y).codes == ()
    assert lossary.check("cross_entropy", mixed, Y.where(torch.arange(64) % 2 == 0, -100)).codes == ("LS101",)


# Long inputs ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 2,048 elements are long."""
    monkeypatch.setattr("lossary.misuse.sample.MOST", 2048)


def test_of_a_long_input_a_part_is_read() -> None:
    x = torch.randn(2**17, 64, generator=generator)
    y = torch.randint(0, 64, (2**17,), generator=generator)
    findings = lossary.check("cross_entropy", x, y)
    assert not findings
    assert "65,536 of 131,072 places" in findings.sampled and findings.sampled in str(findings)
    assert lossary.check("cross_entropy", x.softmax(1), y).codes == ("LS101",)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("shape", [(4000, 40), (40, 4000)])
@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
def test_what_is_not_finite_is_found_wherever_it_is(shape: tuple[int, int], odd: float) -> None:
    x = torch.zeros(shape)
    for place in ((0, 0), (shape[0] - 1, shape[1] - 1), (shape[0] // 3, 7), (13, shape[1] // 2)):
        x[place] = odd
        findings = lossary.check("mse_loss", x, torch.ones(shape))
        assert findings.codes == ("LS170" if odd != odd else "LS171",) and findings[0].where == str(list(place))
        x[place] = 0


@pytest.mark.usefixtures("short")
def test_classes_are_counted_outside_the_sample_too() -> None:
    classes, rows = 64, 6400
    y = torch.arange(rows) % (classes - 1)
    findings = lossary.check("cross_entropy", torch.zeros(rows, classes), y)
    assert findings.codes == ("LS143",) and f"among {rows:,} targets: 63" in findings[0].observed
    assert lossary.check("cross_entropy", torch.zeros(rows, classes), torch.full((rows,), -100)).codes == ("LS140",)


@pytest.mark.usefixtures("short")
@each_case
def test_a_sample_raises_no_false_alarm(case: Wrong) -> None:
    def long(x: Any) -> Any:
        rows = isinstance(x, torch.Tensor) and x.ndim and len(x) == 64
        return x.repeat(64, *(1 for _ in x.shape[1:])) if rows else x

    loss, args, options = case.meant
    if not getattr(lossary, loss).loss.rows_independent:  # a row among its own copies is another call
        return
    given = {name: long(value) for name, value in options.items() if value is not None}
    findings = lossary.check(loss, *map(long, args), **given)
    assert not findings, findings


# What is handed back --------------------------------------------------------------------------------------------------


def test_findings_are_a_sequence_the_severest_first() -> None:
    findings = lossary.check("cross_entropy", F.one_hot(Y, 10) * torch.where(Y > 8, torch.nan, 3)[:, None], Y)
    assert findings.codes == ("LS170", "LS120") and len(findings) == 2 and findings
    assert [finding.severity for finding in findings] == ["error", "warning"]
    assert findings[0] is next(iter(findings)) and findings[:1] == (findings[0],)
    assert repr(findings) == str(findings)


def test_silence_says_how_many_rules_looked() -> None:
    findings = lossary.check("cross_entropy", X, Y)
    assert not findings and findings.rules
    assert str(findings).startswith(f"cross_entropy: no findings: {len(findings.rules)} rules looked")
    assert set(findings.rules).isdisjoint(findings.unchecked)


def test_what_a_rule_cannot_tell_it_says() -> None:
    findings = lossary.check("nll_loss", P[:8].log(), Y[:8])
    assert findings.unchecked["LS141"] == "7 pairs of neighbours are too few to tell a shift"
    assert "not checked: LS141: 7 pairs" in str(findings)


def test_a_refused_call_is_one_finding_in_the_loss_s_words() -> None:
    findings = lossary.check("cross_entropy", X, Y + 1)
    with pytest.raises(IndexError) as error:
        lossary.cross_entropy(X, Y + 1)
    assert len(findings) == 1 and f"cross_entropy: {findings[0].raises}" == str(error.value)
    assert findings.unchecked["LS101"] == "the loss refuses the call"


@pytest.mark.parametrize("record", lossary.catalogue(), ids=lambda record: record.name)
def test_nothing_is_raised_about_the_data(record: Any) -> None:
    calls = [maker(record, seed).arguments for maker in (ordinary, extreme) for seed in range(5)]
    calls += [broken.sample.arguments for broken in invalid(record)]
    calls += [{**calls[0], name: x} for name in record.data for x in (None, "text", 3, [[1], [2, 3]], np.zeros((0, 3)))]
    for arguments in calls:
        for array in (np.asarray, torch.as_tensor):
            given = {n: array(x) if isinstance(x, np.ndarray) else x for n, x in arguments.items()}
            assert str(lossary.check(record.public, **given))


# Calls that are right -------------------------------------------------------------------------------------------------


MASKED = X.where((torch.arange(10) != (Y + 1)[:, None] % 10), -6e4).to(HALF)
GARBAGE = FRAMES.where(torch.arange(20)[:, None, None] < 15, 7.0)
WIDE = torch.randn(16, 50_000, generator=generator).log_softmax(1).bfloat16()
SQUARE = torch.randn(4, 10, 10, generator=generator)
MASK = (torch.arange(64) % 8 > 0)[:, None]
NEARLY = {
    "untrained logits on one side of 0": ("binary_cross_entropy_with_logits", (torch.linspace(0.2, 0.8, 64), YES), {}),
    "large bfloat16 numbers are all whole": ("cross_entropy", ((X + 150).bfloat16(), Y), {}),
    "log-probabilities of bfloat16": ("nll_loss", (WIDE, torch.arange(16)), {}),
    "soft targets of 0 mask a row": ("cross_entropy", (X, TEACHER * MASK), {}),
    "a few rows, all censored": ("cox_loss", (HAZARDS[:8], TIMES[:8], 0 * DIED[:8]), {}),
    "outputs that say nothing of times": ("cox_loss", (HAZARDS.roll(7), TIMES, DIED), {}),
    "a target longer than its frames, of a transducer": ("rnnt_loss", (JOINT[:, :2], LABELS, (2, 2, 2), ALL, 0), {}),
    "frames beyond their length": ("ctc_loss", (GARBAGE, LABELS, torch.tensor([15, 15, 15]), ALL), {}),
    "a padding token of the vocabulary": ("cross_entropy", (X.repeat(4, 1), RUNS.repeat(4)), {"ignore_index": 0}),
    "as many classes as positions": ("cross_entropy", (SQUARE, SEQUENCE[:, :10]), {}),
    "frames that are all equal": ("ctc_loss", (torch.zeros(20, 3, 6).log_softmax(-1), LABELS, FULL, ALL), {}),
    "masked classes of float16": ("cross_entropy", (MASKED, Y), {}),
    "variances of 0 that are right": ("gaussian_nll_loss", (Z, Z + 1e-5, torch.zeros(64)), {}),
    "short embeddings": ("triplet_margin_loss", (X / 50, X.roll(1, 0) / 50, X.roll(2, 0) / 50), {}),
    "a converged model": ("cross_entropy", (40 * SURE, Y), {}),
    "one logit at -inf, not of the label": ("cross_entropy", (MASKED.float().where(MASKED > -6e4, -torch.inf), Y), {}),
    "balanced weights of a rare class": ("cross_entropy", (X, Y), {"weight": torch.logspace(-3, 0, 10)}),
    "a teacher in log-space": ("kl_div", (P.log(), TEACHER.log()), {"reduction": "batchmean", "log_target": True}),
    "advantages of a policy as weights": ("cross_entropy", (X, Y), {"sample_weight": Z}),
}  # fmt: skip


@pytest.mark.parametrize("name", NEARLY)
def test_silent_on_what_only_looks_like_a_mistake(name: str) -> None:
    loss, args, options = NEARLY[name]
    findings = lossary.check(loss, *args, **options)
    assert not findings, findings


def test_silent_on_scores_that_fit_a_shift_by_chance() -> None:
    for seed in range(40):
        drawn = torch.Generator().manual_seed(seed)
        scores, labels = 4 * torch.randn(70, 3, generator=drawn), torch.randint(0, 3, (70,), generator=drawn)
        assert "LS141" not in lossary.check("cross_entropy", scores, labels).codes


@pytest.mark.parametrize("record", lossary.catalogue(), ids=lambda record: record.name)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_silent_on_conformance_samples(record: Any, library: str) -> None:
    arrays = LIBRARIES[library]
    for seed in range(40):
        sample = ordinary(record, seed)
        given = {
            n: arrays.array(np.asarray(x), "float32") if n in sample.arrays else x for n, x in sample.arguments.items()
        }
        if "ignore_index" in given:  # drawn among the classes, it may ignore all of a target
            given["ignore_index"] = -100
        if record.name == "kl_div":  # of which the default is a finding
            given["reduction"] = "batchmean"
        findings = lossary.check(record.public, **given)
        assert not findings, (seed, findings)


@pytest.mark.slow
def test_silent_on_real_data_and_models_in_training() -> None:
    known = {record.name for record in lossary.catalogue()}
    checked, threads = 0, torch.get_num_threads()
    torch.set_num_threads(1)  # the models are small: threads would only wait for each other
    try:
        for call in correct_calls():
            assert call.loss in known
            findings = lossary.check(call.loss, *call.args, **call.options)
            assert not findings, (call.name, findings)
            checked += 1
    finally:
        torch.set_num_threads(threads)
    assert checked > 2000
