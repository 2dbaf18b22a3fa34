"""Wrong labels that the report lists, beside those of cleanlab: 5 % of the labels of four real data sets are replaced.

python -m benchmarks.report.label_errors --out benchmarks/results/report_label_errors.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from cleanlab.filter import find_label_issues
from river.datasets import ImageSegments
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lossary.reports import report
from lossary.version import __version__

Data = tuple[np.ndarray, np.ndarray]
WRONG = 0.05


def image_segments() -> Data:
    rows, labels = zip(*ImageSegments(), strict=True)
    _, classes = np.unique(labels, return_inverse=True)
    return np.array([list(row.values()) for row in rows], np.float64), classes


DATA: dict[str, Callable[[], Data]] = {
    "digits": lambda: load_digits(return_X_y=True),
    "wine": lambda: load_wine(return_X_y=True),
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
    "image segments": image_segments,
}
MODELS: dict[str, Callable[[int], Any]] = {
    "logistic regression": lambda seed: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000)),
    "random forest": lambda seed: RandomForestClassifier(200, random_state=seed),
}


def planted(classes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which a share is another class, each as likely, and where."""
    wrong = np.zeros(classes.size, bool)
    wrong[rng.choice(classes.size, round(WRONG * classes.size), replace=False)] = True
    count = int(classes.max()) + 1
    return np.where(wrong, (classes + rng.integers(1, count, classes.size)) % count, classes), wrong


def listed(folder: Path, probs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """What the report lists, the likeliest first, and its own estimate of how many of them are wrong."""
    path = folder / "probs.npz"
    np.savez(path, probs=probs, labels=labels)
    found = report(path, progress=False)["causes"].values.get("suspects", {"samples": [], "p_wrong": []})
    stated = float(np.mean(found["p_wrong"])) if found["p_wrong"] else float("nan")
    return np.array([int(sample) for sample in found["samples"]], np.int64), stated


def scores(wrong: np.ndarray, ours: np.ndarray, stated: float, theirs: np.ndarray) -> dict[str, float]:
    """Precision and recall of both lists; and precision where the longer one has found as much as the other."""

    def precision(places: np.ndarray) -> float:
        return float(wrong[places].mean()) if places.size else float("nan")

    def start(places: np.ndarray, hits: int) -> np.ndarray:
        return places[: int(np.searchsorted(np.cumsum(wrong[places]), hits)) + 1]

    hits = min(int(wrong[ours].sum()), int(wrong[theirs].sum()))
    return {
        "precision": precision(ours),
        "recall": float(wrong[ours].sum() / wrong.sum()),
        "stated precision": stated,
        "cleanlab precision": precision(theirs),
        "cleanlab recall": float(wrong[theirs].sum() / wrong.sum()),
        "precision at the same recall": precision(start(ours, hits)) if hits else float("nan"),
        "cleanlab precision at the same recall": precision(start(theirs, hits)) if hits else float("nan"),
    }


def measured(
    folder: Path, load: Callable[[], Data], model: Callable[[int], Any], seeds: int
) -> Iterator[dict[str, float]]:
    features, classes = load()
    for seed in range(seeds):
        labels, wrong = planted(classes, np.random.default_rng([seed, 5]))
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        probs = cross_val_predict(model(seed), features, labels, cv=folds, method="predict_proba")
        theirs = find_label_issues(labels, probs, return_indices_ranked_by="self_confidence")
        yield scores(wrong, *listed(folder, probs, labels), np.asarray(theirs, np.int64))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    results: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as temporary:
        for data, load in DATA.items():
            for name, model in MODELS.items():
                runs = list(measured(Path(temporary), load, model, options.seeds))
                listing = sum(run["recall"] > 0 for run in runs)
                means = {key: round(float(np.nanmean([run[key] for run in runs])), 3) for key in runs[0]}
                results[f"{data}, {name}"] = {"files with a list": listing, **means}
                print(f"{data}, {name}: {results[f'{data}, {name}']}", flush=True)
    if options.out:
        versions = {"lossary": __version__, **{name: version(name) for name in ("cleanlab", "scikit-learn", "river")}}
        content = {"versions": versions, "wrong labels": WRONG, "seeds": options.seeds, "means": results}
        options.out.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
