"""What of a user's predictions and targets lies in each domain; None where they do not."""

from collections.abc import Callable

import numpy as np

from lossary.identities.identity import Inputs


def class_labels(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    fits = predictions.ndim == 2 and target.shape == predictions.shape[:1] and target.dtype.kind in "iu"
    if not fits or not np.isfinite(predictions).all():
        return None
    counted = (target >= 0) & (target < predictions.shape[1])  # others are ignored labels
    return {"logits": predictions[counted], "labels": target[counted].astype(np.int64)} if counted.any() else None


def soft_targets(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    hard = class_labels(predictions, target)
    if hard is not None:
        return {"logits": hard["logits"], "target": np.eye(predictions.shape[1])[hard["labels"]]}
    fits = predictions.ndim == 2 and target.shape == predictions.shape and np.isfinite(predictions).all()
    if not fits or (target < 0).any() or (abs(target.sum(axis=1) - 1) > 1e-3).any():
        return None
    return {"logits": predictions, "target": target / target.sum(axis=1, keepdims=True)}


def pairs(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    soft = soft_targets(predictions, target)
    if soft is None:
        return None
    q = np.exp(soft["logits"] - soft["logits"].max(axis=1, keepdims=True))
    return {"p": soft["target"], "q": q / q.sum(axis=1, keepdims=True)}


def distributions(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    pair = pairs(predictions, target)
    return None if pair is None else {"p": pair["q"]}


def binary_logits(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    fits = predictions.size == target.size and np.isfinite(predictions).all()
    if not fits or (target < 0).any() or (target > 1).any():
        return None
    return {"logits": predictions.ravel(), "target": target.ravel().astype(np.float64)}


def moderate_binary_logits(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    data = binary_logits(predictions, target)
    return data if data is not None and (abs(predictions) <= 8).all() else None


def binary_labels(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    return binary_logits(predictions, target) if np.isin(target, (0, 1)).all() else None


def positives(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    data = binary_labels(predictions, target)
    if data is None:
        return None
    return {"positives": data["logits"][data["target"] == 1], "negatives": data["logits"][data["target"] == 0]}


def reals(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    fits = predictions.shape == target.shape and np.isfinite(predictions).all() and np.isfinite(target).all()
    if not fits or ((target >= 0) & (target <= 1)).all():
        return None
    return {"input": predictions, "target": target.astype(np.float64)}


def moderate_class_labels(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    data = class_labels(predictions, target)
    return data if data is not None and np.ptp(data["logits"], axis=1).max(initial=0) <= 60 else None


def yes_no(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    fits = predictions.shape == target.shape and (predictions > 1e-30).all() and (predictions < 1 - 1e-6).all()
    if not fits or not np.isin(target, (0, 1)).all():
        return None
    return {"p": predictions.ravel(), "labels": target.ravel().astype(np.int64)}


def within_scales(reach: float) -> Callable[[np.ndarray, np.ndarray], Inputs | None]:
    def adopt(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
        data = reals(predictions, target)
        if data is None:
            return None
        error = data["input"] - data["target"]
        scale = float(np.sqrt(np.mean(error**2)))
        return {**data, "scale": scale} if 0 < abs(error).max(initial=0) <= reach * scale else None

    return adopt


def within_delta(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    data = reals(predictions, target)
    if data is None or not data["input"].size:
        return None
    return {**data, "delta": 1 + 2 * float(abs(data["input"] - data["target"]).max())}


def vectors(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    fits = predictions.ndim == 2 and target.shape[:1] == predictions.shape[:1] and np.isfinite(predictions).all()
    return {"x": predictions} if fits and (predictions != 0).any(axis=1).all() else None


def boxes(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    both = predictions, target
    fits = predictions.ndim == 2 and predictions.shape[1] == 4 and target.shape == predictions.shape
    if not fits or not all(np.isfinite(x).all() and (x[:, :2] <= x[:, 2:]).all() for x in both):
        return None
    return {"input": predictions, "target": target.astype(np.float64)}


def boxes_with_area(predictions: np.ndarray, target: np.ndarray) -> Inputs | None:
    fits = boxes(predictions, target)
    return fits if fits and all((x[:, :2] < x[:, 2:]).all() for x in (predictions, target)) else None
