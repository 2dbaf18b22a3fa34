"""The domains of the identities: ordinary samples, extreme samples, and what of a user's data lies in each."""

from collections.abc import Callable

import numpy as np

from lossary.identities import data
from lossary.identities.identity import Domain, Inputs

ROWS, CLASSES = 8, 5
Rng = np.random.Generator


def with_option(
    domain: Domain, name: str, text: str, draw: Callable[[Rng, bool], float], default: float = 0.5
) -> Domain:
    """`domain` with one number more; `default` goes with a user's data."""

    def adopt(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
        inputs = domain.adopt(predictions, target)
        return None if inputs is None else {**inputs, name: default}

    def sample(rng: Rng, extreme: bool) -> Inputs:
        return {**domain.sample(rng, extreme), name: draw(rng, extreme)}

    return Domain(f"{domain.text}; {text}", sample, adopt)


def _logits(rng: Rng, extreme: bool) -> np.ndarray:
    logits = rng.normal(0, 3, (ROWS, CLASSES))
    if extreme:
        logits[0] = 0
        logits[1] *= 1e4
        logits[2] += 1e4
        logits[3, 0] = -np.inf
        logits[4] = rng.choice([-90.0, 0.0, 90.0], CLASSES)
        logits[5, 2] = 200
        logits[6] *= 1e-30
    return logits


def _labels(rng: Rng) -> np.ndarray:
    return rng.integers(1, CLASSES, ROWS)  # never class 0, which extreme logits exclude


def distributions(rng: Rng, extreme: bool) -> np.ndarray:
    p = rng.dirichlet(np.ones(CLASSES), ROWS)
    if extreme:
        p[0] = np.eye(CLASSES)[1]
        p[1] = 1 / CLASSES
        p[2] = rng.dirichlet(np.full(CLASSES, 0.05))
        p[3] = [0, 0.5, 0.25, 0.25, 0]  # excludes class 0 where extreme logits do
        p[4] = [1e-30, 1e-10, 1 - 2e-10, 1e-10, 0]
    return p


def _soft(rng: Rng, extreme: bool) -> Inputs:
    return {"logits": _logits(rng, extreme), "target": distributions(rng, extreme)}


def _hard(rng: Rng, extreme: bool) -> Inputs:
    return {"logits": _logits(rng, extreme), "labels": _labels(rng)}


def _hard_moderate(rng: Rng, extreme: bool) -> Inputs:
    logits = rng.uniform(-30, 30, (ROWS, CLASSES)) if extreme else _logits(rng, False)
    return {"logits": logits, "labels": _labels(rng)}


def _projected(rng: Rng, extreme: bool) -> Inputs:
    features, weight = rng.normal(0, 2, (ROWS, 3)), rng.normal(0, 1, (CLASSES, 3))
    bias = rng.normal(0, 1, CLASSES)
    if extreme:
        features[0] = 0
        features[1] *= 1e4
        features[2] *= 1e-30
        weight[2] = 0
        bias[0] = -np.inf
    return {"features": features, "weight": weight, "bias": bias, "labels": _labels(rng)}


def _pair(rng: Rng, extreme: bool) -> Inputs:
    p, q = distributions(rng, extreme), distributions(rng, extreme)[::-1].copy()
    if extreme:
        q[2:4] = p[2:4]
    return {"p": p, "q": q}


def _different_pair(rng: Rng, extreme: bool) -> Inputs:
    return {"p": distributions(rng, extreme), "q": distributions(rng, False)}


def _events(rng: Rng, extreme: bool) -> Inputs:
    shape = (2, 2 * ROWS)
    # 1e-18 squared is still a number in fp32.
    p, q = 10 ** rng.uniform(-18, 0, shape) if extreme else rng.uniform(0.01, 1, shape)
    p[0] = 1
    return {"p": p, "q": q}


def _ordered_events(rng: Rng, extreme: bool) -> Inputs:
    likely = _events(rng, extreme)["p"]
    return {"rare": likely * rng.uniform(0.01, 0.99, likely.shape), "likely": likely}


def _binary_logits(rng: Rng, extreme: bool) -> Inputs:
    logits = rng.normal(0, 3, 2 * ROWS)
    target = rng.choice([0.0, 1.0, 0.3], 2 * ROWS)
    if extreme:
        logits[:12] = np.repeat([0.0, 1e4, -1e4, 90.0, -90.0, 1e-30], 2)
        target[:12] = [0, 1] * 6
    return {"logits": logits, "target": target}


def _binary_moderate(rng: Rng, extreme: bool) -> Inputs:
    logits = rng.uniform(-8, 8, 2 * ROWS)
    if extreme:
        logits[:3] = [-8, 0, 8]
    return {"logits": logits, "target": rng.choice([0.0, 1.0, 0.3], 2 * ROWS)}


def _binary_labels(rng: Rng, extreme: bool) -> Inputs:
    inputs = _binary_logits(rng, extreme)
    return {**inputs, "target": np.round(inputs["target"])}


def _yes_no(rng: Rng, extreme: bool) -> Inputs:
    p = rng.uniform(0.001, 0.999, 2 * ROWS)
    if extreme:
        p[:8] = np.repeat([1e-30, 1e-6, 0.5, 1 - 1e-6], 2)
    return {"p": p, "labels": np.arange(2 * ROWS) % 2}


def _positives(rng: Rng, extreme: bool) -> Inputs:
    logits = _binary_logits(rng, extreme)["logits"]
    return {"positives": logits[::2], "negatives": logits[1::2]}


def _two_logits(rng: Rng, extreme: bool) -> Inputs:
    logits = _logits(rng, extreme)[:, 1:3]
    return {"logits": logits, "labels": rng.integers(0, 2, ROWS)}


def _real(rng: Rng, extreme: bool) -> Inputs:
    shape = (ROWS, CLASSES)
    target = rng.normal(0, 10, shape)
    error = rng.normal(0, 2, shape)
    if extreme:
        error = rng.choice([-1.0, 1.0], shape) * 10 ** rng.uniform(-12, 12, shape)
        target[:4] = 0
        error[4] = 0
    return {"input": target + error, "target": target}


def _scaled(reach: float) -> Callable[[Rng, bool], Inputs]:
    """Errors of at most `reach` scales, and the scale."""

    def sample(rng: Rng, extreme: bool) -> Inputs:
        scale = 10 ** rng.uniform(-3, 3) if extreme else rng.uniform(0.5, 2)
        error = scale * rng.uniform(-reach, reach, (ROWS, CLASSES))
        error[0, :3] = [0, -reach * scale, reach * scale]
        return {"input": error, "target": np.zeros_like(error), "scale": float(scale)}

    return sample


def _members(rng: Rng, extreme: bool) -> Inputs:
    inputs = _real(rng, extreme)
    return {"members": np.sort(inputs["input"], axis=1), "target": inputs["target"][:, 0]}


def _within_delta(rng: Rng, extreme: bool) -> Inputs:
    inputs = _real(rng, extreme)
    return {**inputs, "delta": 2 * float(abs(inputs["input"] - inputs["target"]).max())}


def _vectors(rng: Rng, extreme: bool) -> Inputs:
    x = rng.normal(size=(ROWS, CLASSES))
    return {"x": x * 10.0 ** rng.integers(-20, 20, (ROWS, 1)) if extreme else x}


def _embeddings(rows: int) -> Callable[[Rng, bool], Inputs]:
    def sample(rng: Rng, extreme: bool) -> Inputs:
        x, y = rng.normal(size=(2, rows, CLASSES))
        if extreme:
            x[0], x[1] = y[0], -y[1]
            x, y = (v * 10.0 ** rng.integers(-20, 20, (rows, 1)) for v in (x, y))
        return {"x": x, "y": y}

    return sample


def _boxes(rng: Rng, extreme: bool, least: int = 0) -> Inputs:
    """Ends at multiples of 1/8 times a power of 2, which every dtype adds up exactly."""

    def draw() -> np.ndarray:
        place, sides = rng.integers(-40, 40, (2 * ROWS, 2)), rng.integers(1, 60, (2 * ROWS, 2))
        if extreme:
            sides[:3] = [[least, 8], [8, least], [least, least]]
        return np.concatenate([place, place + sides], axis=1) / 8

    boxes, target = draw(), draw()
    if extreme:
        boxes[3] = target[3]
        boxes[4:8, 0], boxes[4:8, 2] = target[4:8, 2], target[4:8, 2] + 1  # which touch
        scale = 2.0 ** rng.integers(-50, 50, (2 * ROWS, 1))
        boxes, target = boxes * scale, target * scale
    return {"input": boxes, "target": target}


def _boxes_with_area(rng: Rng, extreme: bool) -> Inputs:
    return _boxes(rng, extreme, least=1)


EVENTS = Domain("p, q in (0, 1]: probabilities of independent events", _events)
ORDERED_EVENTS = Domain("0 < rare < likely <= 1: probabilities of two events", _ordered_events)
ONE_HOT = Domain("p: one-hot rows", lambda rng, extreme: {"p": np.eye(CLASSES)[_labels(rng)]})
DISTRIBUTIONS = Domain(
    "p: rows of probabilities, zeros allowed",
    lambda rng, extreme: {"p": distributions(rng, extreme)},
    data.distributions,
)
PAIRS = Domain("p, q: rows of probabilities over the same classes, zeros allowed", _pair, data.pairs)
DIFFERENT_PAIRS = Domain("p, q: rows of probabilities, p not q", _different_pair)
SOFT_TARGETS = Domain(
    "logits: real, or -inf where the target is 0; target: a probability for each class", _soft, data.soft_targets
)
CLASS_TARGETS = Domain(
    "logits: real, or -inf for classes other than the label; labels: classes", _hard, data.class_labels
)
PROJECTED = Domain(
    "features, weight: real; bias: real, or -inf for classes other than the label; labels: classes", _projected
)
MODERATE_CLASS_TARGETS = Domain(
    "logits: real, in a range of at most 60, so that no exponential underflows; labels: classes",
    _hard_moderate,
    data.moderate_class_labels,
)
BINARY_LOGITS = Domain("logits: real; target in [0, 1]", _binary_logits, data.binary_logits)
MODERATE_BINARY_LOGITS = Domain("logits in [-8, 8]; target in [0, 1]", _binary_moderate, data.moderate_binary_logits)
BINARY_LABELS = Domain("logits: real; target: 0 or 1", _binary_labels, data.binary_labels)
YES_NO = Domain("p in [1e-30, 1 - 1e-6]: probabilities of yes; labels: 0 or 1", _yes_no, data.yes_no)
POSITIVES = Domain("logits of positives and of negatives: real", _positives, data.positives)
TWO_LOGITS = Domain("logits: real, of two classes; labels: 0 or 1", _two_logits)
REALS = Domain("input, target: real", _real, data.reals)
MEMBERS = Domain("members: real, in increasing order; target: real", _members)
WITHIN_DELTA = Domain("input, target: real; delta >= |input - target|", _within_delta, data.within_delta)
NEAR_6_SCALES = Domain(
    "input, target: real; |input - target| at most 6 (data: 12) times the scale", _scaled(6), data.within_scales(12)
)
NEAR_60_SCALES = Domain(
    "input, target: real; |input - target| at most 60 times the scale", _scaled(60), data.within_scales(60)
)
EMBEDDINGS = Domain("x, y: as many real vectors each, none of them 0", _embeddings(ROWS))
TWO_EMBEDDINGS = Domain("x, y: two real vectors each, none of them 0", _embeddings(2))
BOXES = Domain("input, target: boxes (x1, y1, x2, y2), points and lines among them", _boxes, data.boxes)
BOXES_WITH_AREA = Domain("input, target: boxes (x1, y1, x2, y2) with an area", _boxes_with_area, data.boxes_with_area)
BOXES_ON_A_GRID = Domain(
    "input, target: boxes (x1, y1, x2, y2), whose sides and centres are exact in the dtype", _boxes_with_area
)
VECTORS = Domain("x: real vectors, none of them 0", _vectors, data.vectors)
