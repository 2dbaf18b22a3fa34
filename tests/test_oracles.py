"""The oracles against values worked out by hand."""

from itertools import product
from math import inf, nan
from typing import Any

import numpy as np
import oracles
import pytest
from oracles import gradient, mp

log, exp = mp.log, mp.exp
ONE_THIRD = mp.one / 3
HALF, QUARTER = mp.log(2), mp.log(4)  # -log ½ and -log ¼
NONE, SUM, BATCHMEAN = ({"reduction": reduction} for reduction in ("none", "sum", "batchmean"))


def logs(*probabilities: float) -> list[Any]:
    """Logarithms with all their digits: the oracles take mpf as it is."""
    return [mp.log(p) if p else -mp.inf for p in probabilities]


def agree(answer: Any, expected: Any) -> bool:
    def same(a: Any, b: Any) -> bool:
        return a == b or (mp.isnan(a) and mp.isnan(b)) or mp.almosteq(a, b, mp.mpf(10) ** -50, 0)

    answer, expected = np.asarray(answer, dtype=object), np.asarray(expected, dtype=object)
    return answer.shape == expected.shape and all(map(same, answer.flat, expected.flat))


GAMMA_1 = {"gamma": 1}
PLAIN = {"activation": "none", "smooth": 0}
WEIGHED_PIXELS = {**PLAIN, "pixel_weight": [[1.0, 3.0]]}
CLIP = {"clip": 0.25}
SMOOTH = {"beta": 1, "label_smoothing": 0.25}
LEADS = [QUARTER - mp.log(3), QUARTER]
"""log (4/3) and log 4."""
GREATEST = {"distance_function": lambda x, y: max(abs(x - y))}

HAND = {
    "cross_entropy": [
        ("equal logits: log C", ([[5.0, 5.0, 5.0]], [1]), {}, log(3)),
        ("logits as far apart as they can be", ([[1e308, -1e308]], [1]), {}, mp.mpf(1e308) * 2),
        ("a tail far below the unit", ([[0.0, -1000.0]], [0]), {}, mp.log1p(exp(-1000))),
        ("unbatched", ([0.0, 0.0], 1), {}, HALF),
        ("probabilities ¼ ¾ by logits (0, log 3)", ([logs(1, 3)], [[0.5, 0.5]]), {}, QUARTER - log(3) / 2),
        ("(N, C, d)", ([[[0.0, 9.0], [0.0, 9.0]]], [[0, 1]]), NONE, [[HALF, HALF]]),
        ("an ignored row", ([[nan, nan], [0, 0]], [-100, 1]), {}, HALF),
        ("an ignored row, none", ([[nan, nan], [0, 0]], [7, 1]), {"ignore_index": 7, **NONE}, [0, HALF]),
        ("all ignored", ([[1.0, 2.0]], [-100]), {}, 0),
        ("no rows", (np.zeros((0, 2)), np.zeros(0, int)), {}, 0),
        ("weights: (log 2 + 3·log 4) / 4", ([[0, 0], logs(3, 1)], [0, 1]), {"weight": [1, 3]}, 7 * HALF / 4),
        ("weights of probabilities: over N", ([[0, 0], [0, 0]], [[1, 0], [0, 1.0]]), {"weight": [1, 3]}, 2 * HALF),
        ("smoothing: ¾·nll₀ + ¼·nll₁", ([logs(1, 3)], [0]), {"label_smoothing": 0.5}, QUARTER - log(3) / 4),
        ("smoothing, weights: (½·1 + ½·3) log 2", ([[0, 0]], [0]), {"label_smoothing": 1, "weight": [1, 3]}, 2 * HALF),
        ("0 · inf", ([[-inf, 0.0, 0.0]], [[0, 0.5, 0.5]]), {}, HALF),
        ("a class of weight 0 at -inf", ([[-inf, 0.0]], [0]), {"weight": [0, 1], **SUM}, 0),
        ("the impossible", ([[-inf, 0.0]], [0]), {}, mp.inf),
        ("certainty", ([[inf, 0.0, -inf]] * 3, [0, 1, 2]), NONE, [0, mp.inf, mp.inf]),
        ("two certainties", ([[inf, inf, 0.0]] * 2, [0, 2]), NONE, [mp.nan, mp.inf]),
        ("no class at all", ([[-inf, -inf]], [0]), {}, mp.nan),
        ("nan stays", ([[nan, 0.0]], [[0.0, 1.0]]), {}, mp.nan),
    ],
    "linear_cross_entropy": [
        ("features of 0: log C", ([[0.0]], [[5.0], [6.0], [7.0]], [1]), {}, log(3)),
        ("logits 2·1 + 3·1 and 2·2 + 3·⅓", ([[2.0, 3.0]], [[1.0, 1.0], [2.0, ONE_THIRD]], [0]), {}, HALF),
        ("a bias of log 3", ([2.0], [[1.0], [1.0]], 1), {"linear_bias": logs(3, 1)}, QUARTER),
        ("(C, d, D)", ([[1.0]], [[logs(3), [0]], [[0], logs(3)]], [[1, 1]]), NONE, [[QUARTER, QUARTER - log(3)]]),
        ("(N, n, D)", ([[[1.0], [0.0]]], [logs(3), [0]], [[1, 1]]), NONE, [[QUARTER, HALF]]),
        ("probabilities", ([[[1.0]]], [logs(3), [0]], [[[0.5, 0.5]]]), NONE, [[QUARTER - log(3) / 2]]),
        ("an ignored row", ([[nan], [0]], [[1], [2]], [-100, 1]), {}, HALF),
        ("an ignored class", ([[nan], [0]], [[1], [2]], [0, 1]), {"ignore_index": 0}, HALF),
        ("weights: (log 2 + 3·log 4) / 4", ([[0], [1]], [logs(3), [0]], [0, 1]), {"weight": [1, 3]}, 7 * HALF / 4),
        ("0 · inf", ([[inf]], [[0.0], [1.0]], [0]), {}, mp.nan),
    ],
    "focal_loss": [
        ("(1 - ½)² log 2", ([[0.0, 0.0]], [1]), {}, HALF / 4),
        ("gamma 1: ¼ log (4/3)", (logs(3, 1), 0), GAMMA_1, QUARTER / 4 - log(3) / 4),
        ("gamma 1: ¾ log 4", (logs(3, 1), 1), GAMMA_1, 3 * QUARTER / 4),
        ("gamma ½: √¾ log 4", (logs(1, 3), 0), {"gamma": 0.5}, mp.sqrt(3) * HALF),
        ("gamma 0: log C", ([[5.0, 5.0, 5.0]], [1]), {"gamma": 0}, log(3)),
        ("probabilities: ½·¼ log (4/3) + ½·¾ log 4", ([logs(3, 1)], [[0.5, 0.5]]), GAMMA_1, QUARTER / 2 - log(3) / 8),
        ("weights: (1 + 3)·¼ log 2 / (1 + 3)", ([[0, 0], [0, 0]], [0, 1]), {"weight": [1, 3]}, HALF / 4),
        ("weights of probabilities: over N", ([[0, 0], [0, 0]], [[1, 0], [0, 1.0]]), {"weight": [1, 3]}, HALF / 2),
        ("an ignored row", ([[nan, nan], [0, 0]], [-100, 1]), {}, HALF / 4),
        ("a tail far below the unit", ([[0.0, -1000.0]], [0]), GAMMA_1, mp.log1p(exp(-1000)) / (exp(1000) + 1)),
        ("certain, impossible", ([[inf, 0.0, -inf]] * 2, [0, 2]), {"gamma": 0.5, **NONE}, [0, mp.inf]),
        ("0 · inf", ([[-inf, 0.0, 0.0]], [[0, 0.5, 0.5]]), GAMMA_1, HALF / 2),
    ],
    "nll_loss": [
        ("-x[y]", ([[-1.0, -2.0]], [1]), {}, 2),
        ("(N, C, d)", ([[[-1.0, -3.0], [-2.0, -4.0]]], [[1, 0]]), NONE, [[2, 3]]),
        ("weights: (1·1 + 3·4) / 4", ([[-1.0, -2.0], [-3.0, -4.0]], [0, 1]), {"weight": [1, 3]}, mp.mpf(13) / 4),
        ("ignored: 4 / 3·3", ([[inf, nan], [-3.0, -4.0]], [0, 1]), {"weight": [1, 3], "ignore_index": 0}, 4),
        ("0 · inf", ([-inf, -1.0], 0), {"weight": [0, 1], **SUM}, 0),
        ("nan stays", ([[nan, 0.0]], [0]), {}, mp.nan),
    ],
    "kl_div": [
        ("1 log (1 / ½)", ([logs(0.5, 0.5)], [[1.0, 0.0]]), BATCHMEAN, HALF),
        ("mean: over elements", ([logs(0.5, 0.5)], [[1.0, 0.0]]), {}, HALF / 2),
        ("itself", ([logs(0.25, 0.75)], [[0.25, 0.75]]), NONE, [[0, 0]]),
        ("log_target", (logs(0.25, 0.5), logs(0.5, 0)), {"log_target": True, **NONE}, [HALF / 2, 0]),
        ("0 at -inf", ([-inf, -inf], [0.0, 0.5]), NONE, [0, mp.inf]),
        ("not a probability", ([-1.0], [-0.5]), SUM, mp.nan),
        ("6·log 2 / (6·½)", ([logs(0.5, 0.5)] * 2, [[1, 1]] * 2), BATCHMEAN | {"sample_weight": [3, 0]}, 2 * HALF),
        ("no rows", (np.zeros((0, 2)), np.zeros((0, 2))), BATCHMEAN, 0),
    ],
    "kl_div_with_logits": [
        ("p = (3/4, 1/4), q = (1/2, 1/2)", ([[0, 0]], [logs(3, 1)]), {}, HALF + 3 * log(3) / 4 - 2 * HALF),
        ("a constant apart", ([[1.0, 2.0]], [[3.0, 4.0]]), {}, 0),
        ("T = 2: p = (3/4, 1/4)", ([[0, 0]], [logs(9, 1)]), {"temperature": 2}, 3 * log(3) / 4 - HALF),
        ("no such class on either side", ([[0, -inf]], [[0, -inf]]), {}, 0),
        ("possible against impossible", ([[0, -inf]], [[0, 0]]), {}, mp.inf),
        ("nan stays", ([[0, nan]], [[0, -inf]]), {}, mp.nan),
    ],
    "binary_cross_entropy": [
        ("½", ([0.5, 0.5], [1.0, 0.0]), {}, HALF),
        ("soft: -½ log ¼ - ½ log ¾", (0.25, 0.5), {}, QUARTER - log(3) / 2),
        ("clamped", ([0.0, 1.0, 1e-44], [1.0, 0.0, 1.0]), NONE, [100, 100, 100]),
        ("certain and right", ([0.0, 1.0], [0.0, 1.0]), NONE, [0, 0]),
        ("not clamped yet", ([2.0**-140], [1.0]), {}, 140 * HALF),
        ("weight is no denominator", ([0.5, 0.5], [1.0, 0.0]), {"weight": [1.0, 3.0]}, 2 * HALF),
    ],
    "binary_cross_entropy_with_logits": [
        ("0", ([0.0, 0.0], [1.0, 0.0]), {}, HALF),
        ("log 3: ¾ and ¼", (logs(3, 3), [1.0, 0.0]), NONE, [QUARTER - log(3), QUARTER]),
        ("pos_weight: (3 + 1)/2 log 2", ([0.0, 0.0], [1.0, 0.0]), {"pos_weight": 3}, 2 * HALF),
        ("weight is no denominator", ([0.0, 0.0], [1.0, 0.0]), {"weight": [1.0, 3.0]}, 2 * HALF),
        ("infinite", ([inf, -inf, inf, -inf], [1.0, 0.0, 0.0, 0.5]), NONE, [0, 0, mp.inf, mp.inf]),
        ("a tail far below the unit", ([1000.0], [1.0]), {}, mp.log1p(exp(-1000))),
    ],
    "sigmoid_focal_loss": [
        ("¼·¼ log 2 and ¾·¼ log 2", ([0.0, 0.0], [1.0, 0.0]), NONE, [HALF / 16, 3 * HALF / 16]),
        ("alpha -1: ½ log 2", ([0.0], [1.0]), GAMMA_1 | {"alpha": -1}, HALF / 2),
        ("¼·¼ log (4/3)", (log(3), 1.0), GAMMA_1, QUARTER / 16 - log(3) / 16),
        ("¾·¾ log 4", (log(3), 0.0), GAMMA_1, 9 * QUARTER / 16),
        ("soft: (½·¼ + ½·¾)(log 4 - ½ log 3)", (log(3), 0.5), GAMMA_1 | {"alpha": -1}, QUARTER / 2 - log(3) / 4),
        ("infinite", ([inf, -inf, inf, -inf], [1.0, 0.0, 0.0, 0.5]), {"gamma": 0.5, **NONE}, [0, 0, mp.inf, mp.inf]),
        ("alpha 1 removes negatives", ([inf, 0.0], [0.0, 1.0]), {"alpha": 1, "gamma": 0, **NONE}, [0, HALF]),
    ],
    "asymmetric_loss": [
        ("log 2, and (½ - ¼)⁴ log (4/3)", ([0.0, 0.0], [1.0, 0.0]), CLIP | NONE, [HALF, (2 * HALF - log(3)) / 256]),
        ("½ log 2", ([0.0], [1.0]), {"gamma_pos": 1}, HALF / 2),
        ("below the clip", ([-2.0, -9.0], [0.0, 0.0]), CLIP | NONE, [0, 0]),
        ("(¾)² log 4, inf", ([inf, -inf], [0.0, 1.0]), CLIP | {"gamma_neg": 2, **NONE}, [9 * QUARTER / 16, mp.inf]),
        ("soft, no powers, no clip", (log(3), 0.5), {"gamma_neg": 0, "clip": 0}, QUARTER - log(3) / 2),
        ("weight is no denominator", ([0.0, 0.0], [1.0, 1.0]), {"weight": [1, 3], "pos_weight": 2}, 4 * HALF),
    ],
    "dpo_loss": [
        ("equal models", ([-9.0], [-5.0], [-9.0], [-5.0]), {}, HALF),
        ("leads of log 3 and -log 3", ([log(3), 0.0], [0.0, log(3)], [0, 0], [0, 0]), {"beta": 1, **NONE}, LEADS),
        ("smoothed: log 2 + log(3)/8", (log(3), 0, 0, 0), SMOOTH, QUARTER - log(3) * 3 / 4),
        ("robust: log (4/3) - log(3)/2", (log(3), 0, 0, 0), SMOOTH | {"kind": "robust"}, QUARTER - log(3) * 3 / 2),
        ("hinge: 1 + 2, none", ([-2, 2], [0, 0], [0, 0], [0, 0]), {"beta": 1, "kind": "hinge", **NONE}, [3, 0]),
        ("ipo: (2 - 5)²", ([-10.0], [-14.0], [-11.0], [-13.0]), {"beta": 0.125, "kind": "ipo"}, 4),
        ("exo: ½, ½ from ¾, ¼", (0.0, 0, 0, 0), SMOOTH | {"kind": "exo_pair"}, HALF - log(3) / 2),
        ("nca of equal models: 2 log 2", (0.0, 0.0, 0.0, 0.0), {"kind": "nca_pair"}, 2 * HALF),
        ("bco: log (4/3) + log 4", (log(3), log(3), 0, 0), {"beta": 1, "kind": "bco_pair"}, 2 * QUARTER - log(3)),
        ("sppo: (2 - 1)² + (1 + 1)²", (2.0, 1.0, 0.0, 0.0), {"beta": 0.5, "kind": "sppo_hard"}, 5),
        ("apo: ¼ + ¾", (log(3), log(3), 0, 0), {"beta": 1, "kind": "apo_zero"}, 1),
        ("apo down: ¾ + ½", (log(3), log(3), 0, 0), {"beta": 1, "kind": "apo_down"}, mp.mpf(5) / 4),
        ("discopop of equal models: ½ log 2 + ½", (0.0, 0.0, 0.0, 0.0), {"kind": "discopop"}, HALF / 2 + mp.mpf(1) / 2),
        ("a margin of log 3: log 4", (0, 0, 0, 0), {"beta": 1, "margin": log(3)}, QUARTER),
        ("infinite leads", ([0.0, -inf], [-inf, 0.0], [0, 0], [0, 0]), NONE, [0, mp.inf]),
        ("impossible for both", ([-inf], [0.0], [-inf], [0.0]), {}, mp.nan),
    ],
    "cosine_embedding_loss": [
        ("0, 90, 180 degrees", ([[3e200, 0]] * 3, [[2, 0], [0, 1], [-1, 0]], [1, 1, 1]), NONE, [0, 1, 2]),
        ("45 degrees less the margin", ([[1, 0.0]], [[1, 1]], [-1]), {"margin": 0.5}, mp.sqrt(2) / 2 - mp.mpf(0.5)),
        ("far enough", ([1.0, 0], [-1.0, 0], -1), {}, 0),
        ("a zero vector", ([[0, 0.0]], [[1, 1.0]], [1]), {}, 1),
        ("neither 1 nor -1", ([[1, 0.0]], [[1, 1.0]], [0]), {}, 0),
    ],
    "l1_loss": [
        ("(1 + 3) / 2", ([1.0, 5.0], [2.0, 2.0]), {}, 2),
        ("weight in the denominator: (1·1 + 3·3) / 4", ([1.0, 5.0], [2.0, 2.0]), {"weight": [1, 3]}, mp.mpf(5) / 2),
        ("0 · inf", ([inf, 5.0], [2.0, 2.0]), {"weight": [0, 3]}, 3),
        ("one target for all", ([[1.0, 5.0]], [[2.0]]), NONE, [[1, 3]]),
    ],
    "mse_loss": [
        ("(1 + 9) / 2", ([1.0, 5.0], [2.0, 2.0]), {}, 5),
        ("weight in the denominator: (1·1 + 3·9) / 4", ([1.0, 5.0], [2.0, 2.0]), {"weight": [1, 3]}, 7),
    ],
    "smooth_l1_loss": [
        ("½·½² and 3 - ½", ([0.5, 3.0], [0.0, 0.0]), NONE, [mp.mpf(1) / 8, mp.mpf(5) / 2]),
        ("beta 2: ½·1²/2 and 3 - 1", ([1.0, 3.0], [0.0, 0.0]), {"beta": 2, **NONE}, [mp.mpf(1) / 4, 2]),
        ("beta 0: L1", ([0.0, 3.0], [0.0, 0.0]), {"beta": 0, **NONE}, [0, 3]),
    ],
    "huber_loss": [
        ("½·½² and 3 - ½", ([0.5, 3.0], [0.0, 0.0]), NONE, [mp.mpf(1) / 8, mp.mpf(5) / 2]),
        ("delta 2: ½·1² and 2·(3 - 1)", ([1.0, 3.0], [0.0, 0.0]), {"delta": 2, **NONE}, [mp.mpf(1) / 2, 4]),
        ("delta inf: half the square", ([3.0], [0.0]), {"delta": inf}, mp.mpf(9) / 2),
        ("weight is no denominator: (½ + 3·½) / 2", ([1.0, 1.0], [0.0, 0.0]), {"weight": [1, 3]}, 1),
    ],
    "log_cosh_loss": [
        ("log 5/4 and log 5/3", ([log(2), 0.0], [0.0, log(3)]), NONE, [log(5) - log(4), log(5) - log(3)]),
        ("infinite", ([inf, 0.0], [0.0, 0.0]), NONE, [mp.inf, 0]),
        ("weight in the mean: 3 log 5/4 / 4", ([log(2), 0.0], [0.0, 0.0]), {"weight": [3, 1]}, 3 * log(1.25) / 4),
    ],
    "soft_margin_loss": [
        ("log 2 and log(1 + ⅓)", ([0.0, log(3)], [1.0, 1.0]), NONE, [HALF, QUARTER - log(3)]),
        ("infinite", ([inf, inf], [1.0, -1.0]), NONE, [0, mp.inf]),
        ("far on the wrong side", ([-1000.0], [1.0]), {}, 1000 + mp.log1p(exp(-1000))),
    ],
    "hinge_loss": [
        ("½, 1 + 2, none", ([0.5, -2.0, 3.0], [1.0, 1.0, 1.0]), NONE, [mp.mpf(1) / 2, 3, 0]),
        ("the other side, margin 2", ([0.5], [-1.0]), {"margin": 2.0}, mp.mpf(5) / 2),
        ("infinite", ([inf, inf], [1.0, -1.0]), NONE, [0, mp.inf]),
        ("weight in the denominator: (3·½ + 3) / 4", ([0.5, -2.0], [1.0, 1.0]), {"weight": [3, 1]}, mp.mpf(9) / 8),
    ],
    "squared_hinge_loss": [
        ("¼, 3², none", ([0.5, -2.0, 3.0], [1.0, 1.0, 1.0]), NONE, [mp.mpf(1) / 4, 9, 0]),
        ("infinite", ([inf, inf], [1.0, -1.0]), NONE, [0, mp.inf]),
    ],
    "categorical_hinge_loss": [
        ("1 + 2 - ½", ([[0.5, 0.0, 2.0]], [0]), {}, mp.mpf(5) / 2),
        ("a lead of 2, of 0, one of margin 3", ([[-3.0, -5.0]], [0]), {"margin": 3}, 1),
        ("ignored, and no rival", ([[7.0], [0.0]], [0, -100]), NONE, [0, 0]),
        ("weights in the denominator: (3·2 + 3/2) / 4", ([[0, 1], [0.5, 0]], [0, 1], [3, 1]), {}, mp.mpf(15) / 8),
    ],
    "dice_loss": [
        ("½ of ½ + ½ + 1", ([[[0.5, 0.5]]], [[[1.0, 0.0]]]), PLAIN, mp.mpf(1) / 2),
        ("squared: ½ / (½ + 1)", ([[[0.5, 0.5]]], [[[1.0, 0.0]]]), {"squared": True, **PLAIN}, ONE_THIRD),
        ("an absent class: 1 / (1 + 2)", ([[[0.5, 0.5]]], [[[0.0, 0.0]]]), {**PLAIN, "smooth": 1}, ONE_THIRD),
        ("one of two found: 1 / 3", ([[[1, 0, 0, 0.0]]], [[[1, 1, 0, 0.0]]]), PLAIN, ONE_THIRD),
        ("nothing of nothing: 0 / 0", ([[[0.0, 0.0]]], [[[0.0, 0.0]]]), PLAIN, 0),
        ("p = (½, ½): ½ / 1½, and an absent class", ([[0.0, 0.0]], [0]), {"smooth": 0, **NONE}, [[ONE_THIRD, 1]]),
        ("present classes alone", ([[0.0, 0.0]], [0]), {"smooth": 0, "classes": "present"}, ONE_THIRD),
        ("soft masks: the smaller", ([[[0.5, 0.5]]], [[[0.5, 0.5]]]), PLAIN, 0),
        ("soft masks: the product", ([[[0.5, 0.5]]], [[[0.5, 0.5]]]), {**PLAIN, "overlap": "product"}, mp.mpf(1) / 2),
        ("weights 3, 1: (3·⅓ + 1) / 4", ([[0.0, 0.0]], [0], [3, 1]), {"smooth": 0}, mp.mpf(1) / 2),
        ("pixels of weight 1, 3: 2 / (1 + 2)", ([[[0.5, 0.5]]], [[[1.0, 0.0]]]), WEIGHED_PIXELS, mp.mpf(2) / 3),
        ("over the batch", ([[[1.0]], [[0.0]]], [[[1.0]], [[1.0]]]), {**PLAIN, "batch": True, **NONE}, [ONE_THIRD]),
        ("infinite logits", ([[[inf], [-inf]]], [[1]]), {"activation": "sigmoid", "smooth": 0, **NONE}, [[1, 1]]),
        ("ignored", ([[[nan, 0.0], [nan, 0.0]]], [[-100, 0]]), {"smooth": 0, **NONE}, [[ONE_THIRD, 1]]),
    ],
    "tversky_loss": [
        ("2 / (½ + 2)", ([[[0.5, 0.5]]], [[[1.0, 0.0]]]), {**PLAIN, "alpha": 3, "beta": 1}, mp.mpf(4) / 5),
        ("to the power of 2", ([[[0.5, 0.5]]], [[[1.0, 0.0]]]), {**PLAIN, "gamma": 2}, mp.mpf(1) / 4),
        ("misses alone", ([[[0.5, 0.5]]], [[[1.0, 0.0]]]), {**PLAIN, "alpha": 0, "beta": 1}, mp.mpf(1) / 2),
        ("no weights, no loss", ([[[0.5, 0.5]]], [[[1.0, 0.0]]]), {**PLAIN, "alpha": 0, "beta": 0}, 0),
    ],
    "jaccard_loss": [
        ("1 / (½ + ½ + ½)", ([[[0.5, 0.5]]], [[[1.0, 0.0]]]), PLAIN, mp.mpf(2) / 3),
        ("smooth: 1 / (1½ + 1)", ([[[0.5, 0.5]]], [[[1.0, 0.0]]]), {**PLAIN, "smooth": 1}, mp.mpf(2) / 5),
    ],
    "hinge_embedding_loss": [
        ("¼, and 1 - ¼", ([0.25, 0.25], [1.0, -1.0]), NONE, [mp.mpf(1) / 4, mp.mpf(3) / 4]),
        ("neither 1 nor -1: both terms", ([0.25], [0.0]), {"margin": 2.0}, 2),
        ("far enough, infinitely", ([3.0, inf], [-1.0, -1.0]), NONE, [0, 0]),
    ],
    "margin_ranking_loss": [
        ("ahead, behind by 2, equal", ([2.0, 1.0, 1.0], [1.0, 3.0, 1.0], [1.0, 1.0, -1.0]), NONE, [0, 2, 0]),
        ("margin 1: 1 - ½, and 1 + ½", ([2.0, 2.0], [1.5, 1.5], [1.0, -1.0]), {"margin": 1}, 1),
        ("infinitely ahead and behind", ([inf, -inf], [0.0, 0.0], [1.0, 1.0]), NONE, [0, mp.inf]),
    ],
    "poisson_nll_loss": [
        ("e^0, and 3 - log 3", ([0.0, log(3)], [5.0, 1.0]), NONE, [1, 3 - log(3)]),
        ("rates: 2, and 4 - log 4", ([2.0, 4.0], [0.0, 1.0]), {"log_input": False, "eps": 0, **NONE}, [2, 4 - QUARTER]),
        ("eps: -log ¼", ([0.0], [1.0]), {"log_input": False, "eps": 0.25}, QUARTER),
        ("Stirling: 1 + 2 log 2 - 2 + ½ log 4π", ([0.0], [2.0]), {"full": True}, 2 * HALF - 1 + log(4 * mp.pi) / 2),
        ("log 1! = log 0! = 0", ([0.0, 0.0], [0.0, 1.0]), {"full": True, **NONE}, [1, 1]),
        ("infinite", ([-inf, -inf, inf], [0.0, 1.0, 1.0]), NONE, [0, mp.inf, mp.inf]),
        ("0 log 0", ([0.0, 0.0], [0.0, 1.0]), {"log_input": False, "eps": 0, **NONE}, [0, mp.inf]),
    ],
    "gaussian_nll_loss": [
        ("½·2²", ([3.0], [1.0], 1.0), {}, 2),
        ("½ (log 4 + 2²/4)", ([3.0], [1.0], [4.0]), {}, HALF + mp.mpf(1) / 2),
        ("full: ½ log 2π", ([1.0], [1.0], [1.0]), {"full": True}, log(2 * mp.pi) / 2),
        ("eps: ½ (log ¼ + 1/¼)", ([1.0], [0.0], [0.0]), {"eps": 0.25}, 2 - HALF),
        ("one variance for each row", ([[2.0, 2.0], [0.0, 0.0]], [[0.0]] * 2, [1, 4]), NONE, [[2, 2], [HALF, HALF]]),
        ("a variance of 0", ([1.0, 1.0], [1.0, 0.0], 0.0), {"eps": 0, **NONE}, [-mp.inf, mp.inf]),
    ],
    "multilabel_soft_margin_loss": [
        ("(log 2 + log 4) / 2", ([[0.0, log(3)]], [[1.0, 0.0]]), {}, 3 * HALF / 2),
        ("weight of labels: (3 log 2 + log 2) / 2", ([[0.0, 0.0]], [[1.0, 0.0]]), {"weight": [3.0, 1.0]}, 2 * HALF),
        ("one loss for each row", ([[inf, 0.0], [inf, 0.0]], [[1.0, 1.0], [0.0, 1.0]]), NONE, [HALF / 2, mp.inf]),
        ("no labels", (np.zeros((2, 0)), np.zeros((2, 0))), NONE, [0, 0]),
    ],
    "multi_margin_loss": [
        ("(½ + 2½) / 3", ([[0.5, 0.0, 2.0]], [0]), {}, 1),
        ("squares: (¼ + 6¼) / 3", ([0.5, 0.0, 2.0], 0), {"p": 2}, mp.mpf(13) / 6),
        ("margin 3, weight 2: 2·(3 - 1) / 2", ([[1.0, 0.0]], [0]), {"margin": 3.0, "weight": [2.0, 1.0]}, 2),
        ("infinitely ahead and behind", ([[inf, 0.0]] * 2, [0, 1]), NONE, [0, mp.inf]),
        ("0 · inf", ([[inf, 0.0]], [1]), {"weight": [1.0, 0.0]}, 0),
    ],
    "multilabel_margin_loss": [
        ("labels 3 and 0: (¾ + ½) / 4", ([[0.5, 0.25, 0.0, 2.0]], [[3, 0, -1, 1]]), {}, mp.mpf(5) / 16),
        ("a label said twice: 2·½ / 2", ([0.5, 0.0], [0, 0]), {}, mp.mpf(1) / 2),
        ("none, and all", ([[0.0, 5.0]] * 2, [[-1, 0], [1, 0]]), NONE, [0, 0]),
        ("infinitely ahead and behind", ([[inf, 0.0]] * 2, [[0, -1], [1, -1]]), NONE, [0, mp.inf]),
    ],
    "triplet_margin_loss": [
        ("5 - 4 + 1", ([[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 4.0]]), {"eps": 0}, 2),
        ("p 1: 7 - 4 + 1", ([0.0, 0.0], [3.0, 4.0], [0.0, 4.0]), {"eps": 0, "p": 1}, 4),
        ("swapped: 1 - min(3, 2) + 2", ([0.0], [1.0], [3.0]), {"eps": 0, "swap": True, "margin": 2.0}, 1),
        ("eps: 1 + ¼ - ¾", ([0.0], [0.0], [-0.5]), {"eps": 0.25}, mp.mpf(1) / 2),
        ("infinitely far", ([[0.0]] * 2, [[0.0], [inf]], [[inf], [0.0]]), {"eps": 0, **NONE}, [0, mp.inf]),
    ],
    "triplet_margin_with_distance_loss": [
        ("1 - 3 + 4: eps cancels", ([[0.0]], [[1.0]], [[3.0]]), {"margin": 4.0}, 2),
        ("the greatest difference: 4 - 4 + 1", ([0.0, 0.0], [3.0, 4.0], [0.0, 4.0]), GREATEST, 1),
        ("swapped: 4 - min(4, 3) + 1", ([0.0, 0.0], [3.0, 4.0], [0.0, 4.0]), GREATEST | {"swap": True}, 2),
        ("infinitely far", ([[0.0]] * 2, [[0.0], [inf]], [[inf], [0.0]]), NONE, [0, mp.inf]),
    ],
    "ctc_loss": [
        ("one frame, one letter", ([logs(0.25, 0.75)], [1], 1, 1), {}, QUARTER - log(3)),
        ("aa, a-, -a of two frames", ([logs(0.5, 0.5)] * 2, [1], 2, 1), {}, QUARTER - log(3)),
        ("a letter twice needs a blank between", ([logs(0.5, 0.5)] * 3, [1, 1], 3, 2), SUM, log(8)),
        ("mean: (log 8 / 2 + log 2) / 2", ([[logs(0.5, 0.5)] * 2] * 3, [1, 1, 1], (3, 1), (2, 1)), {}, 5 * HALF / 4),
        ("no letters: all blank", ([logs(0.25, 0.75)] * 2, [], 2, 0), {}, 2 * QUARTER),
        ("too short", ([logs(0.5, 0.5)] * 2, [1, 1], 2, 2), {}, mp.inf),
        ("too short, zero_infinity", ([logs(0.5, 0.5)] * 2, [1, 1], 2, 2), {"zero_infinity": True}, 0),
        ("another blank", ([logs(0.25, 0.75)], [0], 1, 1), {"blank": 1}, QUARTER),
    ],
    "cox_loss": [
        ("three at risk, then two", ([0.0] * 3, [1, 2, 3], [1, 1, 0]), {}, (log(3) + log(2)) / 2),
        ("unreduced", ([0.0] * 3, [3, 1, 2], [0, 1, 1]), NONE, [0, log(3), log(2)]),
        ("tied, by Breslow", ([0.0] * 3, [1, 1, 2], [1, 1, 0]), {}, log(3)),
        ("tied, by Efron", ([0.0] * 3, [1, 1, 2], [1, 1, 0]), {"ties": "efron"}, (log(3) + log(2)) / 2),
        ("censored at the same time: at risk", ([0.0] * 2, [1, 1], [1, 0]), {}, log(2)),
        ("strata", ([0.0] * 3, [1, 1, 2], [1, 1, 0]), {"strata": [0, 1, 1]}, log(2) / 2),
        ("no events", ([0.0] * 2, [1, 2], [0, 0]), {}, 0),
        ("out of the batch", ([0.0, 0.0, nan], [1, 2, 3], [1, 1, 1]), {"sample_weight": [1, 1, 0]}, log(2) / 2),
        ("who left counts nothing", ([100.0, 0.0, 0.0], [1, 2, 3], [0, 1, 0]), {}, log(2)),
        ("no risk, and certain", ([-inf, 0.0, inf], [2, 3, 4], [1, 0, 1]), NONE, [mp.inf, 0, 0]),
    ],
    "rnnt_loss": [
        ("label, blank: ¼ of the first place, ½ of the second", ([[logs(1, 3), logs(1, 1)]], [0], 1, 1), {}, log(8)),
        ("-b, b- then a blank: 2/8", ([[logs(1, 1)] * 2] * 2, [0], 2, 1), {}, log(4)),
        ("no labels: two blanks of ¾", ([[logs(1, 3)]] * 2, [], 2, 0), {}, 2 * (log(4) - log(3))),
        ("another blank", ([[logs(1, 3)]], [], 1, 0), {"blank": 0}, log(4)),
        ("no frames", ([[logs(1, 1)] * 2], [0], 0, 1), {}, mp.inf),
        ("no frames, zero_infinity", ([[logs(1, 1)] * 2], [0], 0, 1), {"zero_infinity": True}, 0),
        ("padding is not read", ([[[logs(1, 3), [nan, nan]]] * 2], [[7]], [2], [0]), NONE, [2 * (log(4) - log(3))]),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "name, args, kwargs, expected",
    [pytest.param(name, *case[1:], id=f"{name}: {case[0]}") for name, cases in HAND.items() for case in cases],
)
def test_oracle_equals_the_value_worked_by_hand(name: str, args: tuple, kwargs: dict[str, Any], expected: Any) -> None:
    assert agree(getattr(oracles, name)(*args, **kwargs), expected)


@pytest.mark.parametrize(
    "how, expected",
    [
        ({"reduction": "mean"}, (1 + 2 + 4) * ONE_THIRD),
        ({"reduction": "sum"}, 7),
        ({"reduction": "none"}, [1, 2, 4]),
        ({"size_average": False}, 7),
        ({"reduce": False}, [1, 2, 4]),
        ({"size_average": True, "reduce": True, "reduction": "sum"}, (1 + 2 + 4) * ONE_THIRD),
        ({"sample_weight": [3, 1, 0]}, (3 * 1 + 1 * 2) / mp.mpf(4)),
        ({"sample_weight": [3, 1, 0], "normalizer": 10}, 5 / mp.mpf(10)),
        ({"sample_weight": [3, 1, 0], "reduction": "sum"}, 5),
        ({"sample_weight": [3, 1, 0], "reduction": "none"}, [3, 2, 0]),
        ({"sample_weight": 2}, (1 + 2 + 4) * ONE_THIRD),
        ({"sample_weight": 0}, 0),
        ({"sample_weight": 0, "reduction": "none"}, [0, 0, 0]),
        ({"normalizer": 14}, mp.mpf(1) / 2),
        ({"weight": [1, 1, 2], "sample_weight": [3, 1, 0]}, 5 / mp.mpf(4)),
    ],
    ids=str,
)
def test_reductions_of_1_2_4(how: dict[str, Any], expected: Any) -> None:
    assert agree(oracles.l1_loss([1.0, 2.0, 4.0], [0.0, 0.0, 0.0], **how), expected)


def test_a_row_of_sample_weight_zero_may_hold_anything() -> None:
    assert agree(oracles.cross_entropy([[nan, inf], [0, 0]], [0, 1], sample_weight=[0, 5], weight=[1, 3]), HALF)


def test_sample_weight_is_aligned_with_the_first_axis() -> None:
    assert agree(oracles.l1_loss([[1.0, 2.0], [3.0, 4.0]], [[0.0], [0.0]], sample_weight=[1, 0]), mp.mpf(3) / 2)


@pytest.mark.parametrize("word, blank", list(product([[], [1], [1, 2], [2, 2], [1, 2, 1]], [0, 3])))
def test_ctc_recursion_equals_the_sum_over_all_paths(word: list[int], blank: int) -> None:
    prob = oracles.exact(np.random.default_rng(0).dirichlet(np.ones(4), 5))
    assert agree(oracles.by_recursion(prob, word, blank), oracles.by_enumeration(prob, word, blank))


@pytest.mark.parametrize(
    "name, args, kwargs, wrt, expected",
    [
        ("cross_entropy", ([logs(1, 3)], [0]), {}, 0, [[-0.75, 0.75]]),
        ("cross_entropy", ([[-inf, 0.0]], [1]), {}, 0, [[0, 0]]),
        ("cross_entropy", ([[0, 0.0]], [0]), {"weight": [1.0, 3.0], **SUM}, "weight", [HALF, 0]),
        ("mse_loss", ([1e-300, 3.0], [0.0, 1.0]), {}, 0, [mp.mpf(1e-300), 2]),
        ("l1_loss", ([1e-300, 1.0], [1e300, 0.0]), SUM, 0, [-1, 1]),
        ("binary_cross_entropy", ([2.0**-140, 0.0, 0.0], [1.0, 1.0, 0.0]), SUM, 0, [-(2.0**140), 0, 1]),
        ("ctc_loss", ([logs(0.5, 0.5)] * 2, [1], 2, 1), {}, 0, [[-ONE_THIRD, -2 * ONE_THIRD]] * 2),
    ],
)  # fmt: skip
def test_gradient_equals_the_derivative_worked_by_hand(
    name: str, args: tuple, kwargs: dict[str, Any], wrt: int | str, expected: Any
) -> None:
    assert agree(gradient(getattr(oracles, name), args, kwargs, wrt), expected)
