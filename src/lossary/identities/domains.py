"""The domains of the identities: ordinary samples, extreme samples, and what of a user's data lies in each."""

from collections.abc import Callable

import numpy as np

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


def _hard_data(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    fits = predictions.ndim == 2 and target.shape == predictions.shape[:1] and target.dtype.kind in "iu"
    if not fits or not np.isfinite(predictions).all():
        return None
    counted = (target >= 0) & (target < predictions.shape[1])
    return {"logits": predictions[counted], "labels": target[counted]}


def _soft_data(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    hard = _hard_data(predictions, target)
    if hard is not None:
        return {"logits": hard["logits"], "target": np.eye(predictions.shape[1])[hard["labels"]]}
    fits = predictions.ndim == 2 and target.shape == predictions.shape and np.isfinite(predictions).all()
    if not fits or (target < 0).any() or (abs(target.sum(axis=1) - 1) > 1e-3).any():
        return None
    return {"logits": predictions, "target": target / target.sum(axis=1, keepdims=True)}


def _pair_data(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    soft = _soft_data(predictions, target)
    if soft is None:
        return None
    q = np.exp(soft["logits"] - soft["logits"].max(axis=1, keepdims=True))
    return {"p": soft["target"], "q": q / q.sum(axis=1, keepdims=True)}


def _single_data(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    pair = _pair_data(predictions, target)
    return None if pair is None else {"p": pair["q"]}


def _binary_data(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    fits = predictions.size == target.size and np.isfinite(predictions).all()
    if not fits or (target < 0).any() or (target > 1).any():
        return None
    return {"logits": predictions.ravel(), "target": target.ravel().astype(np.float64)}


def _moderate_data(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    data = _binary_data(predictions, target)
    return data if data is not None and (abs(predictions) <= 8).all() else None


def _positives_data(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    data = _binary_data(predictions, target)
    if data is None or not np.isin(target, (0, 1)).all():
        return None
    return {"positives": data["logits"][data["target"] == 1], "negatives": data["logits"][data["target"] == 0]}


def _real_data(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    fits = predictions.shape == target.shape and np.isfinite(predictions).all() and np.isfinite(target).all()
    if not fits or ((target >= 0) & (target <= 1)).all():
        return None
    return {"input": predictions, "target": target.astype(np.float64)}


def _soft(rng: Rng, extreme: bool) -> Inputs:
    return {"logits": _logits(rng, extreme), "target": distributions(rng, extreme)}


def _hard(rng: Rng, extreme: bool) -> Inputs:
    return {"logits": _logits(rng, extreme), "labels": _labels(rng)}


def _hard_moderate(rng: Rng, extreme: bool) -> Inputs:
    logits = rng.uniform(-30, 30, (ROWS, CLASSES)) if extreme else _logits(rng, False)
    return {"logits": logits, "labels": _labels(rng)}


def _hard_moderate_data(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    data = _hard_data(predictions, target)
    return data if data is not None and np.ptp(data["logits"], axis=1).max(initial=0) <= 60 else None


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


def _yes_no(rng: Rng, extreme: bool) -> Inputs:
    p = rng.uniform(0.001, 0.999, 2 * ROWS)
    if extreme:
        p[:8] = np.repeat([1e-30, 1e-6, 0.5, 1 - 1e-6], 2)
    return {"p": p, "labels": np.arange(2 * ROWS) % 2}


def _yes_no_data(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    fits = predictions.shape == target.shape and (predictions > 1e-30).all() and (predictions < 1 - 1e-6).all()
    if not fits or not np.isin(target, (0, 1)).all():
        return None
    return {"p": predictions.ravel(), "labels": target.ravel().astype(np.int64)}


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


def _scaled_data(reach: float) -> Callable[[np.ndarray, np.ndarray], Inputs | None]:
    def adopt(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
        data = _real_data(predictions, target)
        if data is None:
            return None
        error = data["input"] - data["target"]
        scale = float(np.sqrt(np.mean(error**2)))
        return {**data, "scale": scale} if 0 < abs(error).max(initial=0) <= reach * scale else None

    return adopt


def _within_delta(rng: Rng, extreme: bool) -> Inputs:
    inputs = _real(rng, extreme)
    return {**inputs, "delta": 2 * float(abs(inputs["input"] - inputs["target"]).max())}


def _within_delta_data(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    data = _real_data(predictions, target)
    if data is None or not data["input"].size:
        return None
    return {**data, "delta": 1 + 2 * float(abs(data["input"] - data["target"]).max())}


def _vectors(rng: Rng, extreme: bool) -> Inputs:
    x = rng.normal(size=(ROWS, CLASSES))
    return {"x": x * 10.0 ** rng.integers(-20, 20, (ROWS, 1)) if extreme else x}


def _vector_data(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    fits = predictions.ndim == 2 and target.shape[:1] == predictions.shape[:1] and np.isfinite(predictions).all()
    return {"x": predictions} if fits and (predictions != 0).any(axis=1).all() else None


EVENTS = Domain("p, q in (0, 1]: probabilities of independent events", _events)
ORDERED_EVENTS = Domain("0 < rare < likely <= 1: probabilities of two events", _ordered_events)
ONE_HOT = Domain("p: one-hot rows", lambda rng, extreme: {"p": np.eye(CLASSES)[_labels(rng)]})
DISTRIBUTIONS = Domain(
    "p: rows of probabilities, zeros allowed", lambda rng, extreme: {"p": distributions(rng, extreme)}, _single_data
)
PAIRS = Domain("p, q: rows of probabilities over the same classes, zeros allowed", _pair, _pair_data)
DIFFERENT_PAIRS = Domain("p, q: rows of probabilities, p not q", _different_pair)
SOFT_TARGETS = Domain(
    "logits: real, or -inf where the target is 0; target: a probability for each class", _soft, _soft_data
)
CLASS_TARGETS = Domain("logits: real, or -inf for classes other than the label; labels: classes", _hard, _hard_data)
MODERATE_CLASS_TARGETS = Domain(
    "logits: real, in a range of at most 60, so that no exponential underflows; labels: classes",
    _hard_moderate,
    _hard_moderate_data,
)
BINARY_LOGITS = Domain("logits: real; target in [0, 1]", _binary_logits, _binary_data)
MODERATE_BINARY_LOGITS = Domain("logits in [-8, 8]; target in [0, 1]", _binary_moderate, _moderate_data)
YES_NO = Domain("p in [1e-30, 1 - 1e-6]: probabilities of yes; labels: 0 or 1", _yes_no, _yes_no_data)
POSITIVES = Domain("logits of positives and of negatives: real", _positives, _positives_data)
TWO_LOGITS = Domain("logits: real, of two classes; labels: 0 or 1", _two_logits)
REALS = Domain("input, target: real", _real, _real_data)
WITHIN_DELTA = Domain("input, target: real; delta >= |input - target|", _within_delta, _within_delta_data)
NEAR_6_SCALES = Domain(
    "input, target: real; |input - target| at most 6 (data: 12) times the scale", _scaled(6), _scaled_data(12)
)
NEAR_60_SCALES = Domain(
    "input, target: real; |input - target| at most 60 times the scale", _scaled(60), _scaled_data(60)
)
VECTORS = Domain("x: real vectors, none of them 0", _vectors, _vector_data)
