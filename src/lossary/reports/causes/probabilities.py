"""Classes: probabilities that are off, and labels that are."""

from __future__ import annotations

from math import log

import numpy as np

from lossary.reports.causes.cause import EVIDENCE, Cause, cost_of_parameters
from lossary.reports.causes.noise import Noise
from lossary.reports.causes.rows import CERTAIN, Rows
from lossary.reports.temperature import log_softmax
from lossary.translations import deferred, join, say

ENOUGH = 20  # rows for each class whose bias is fitted
OFTEN = 10  # times that a class occurs, from which "never predicted" is worth a sentence
NEARLY = 0.1  # of the times that a class occurs: predicted less often is nearly never
LARGEST = 200  # classes whose biases are fitted
WORTH_SAYING = 0.1  # of the logarithm of a temperature
SUSPECT = 0.5  # probability of being wrong from which a label is listed


def temperature(rows: Rows) -> Cause[Rows] | None:
    if rows.association < CERTAIN:  # what is left fits the shares of the classes
        return None
    fit = rows.temperature
    if not fit.exists:
        return None
    after = rows.with_scores(rows.log_probs / fit.temperature)
    text = (
        deferred(
            "Over-confident by {gap:.3g} nats: dividing the logits by {t:.3g} would make the loss {loss:.4g} on this "
            "file."
        )
        if fit.temperature > 1
        else deferred(
            "Under-confident by {gap:.3g} nats: dividing the logits by {t:.3g} would make the loss {loss:.4g} on this "
            "file."
        )
    )
    return rows.explained(
        "temperature",
        after,
        cost=cost_of_parameters(1, rows.size),
        name=say("a temperature (T = {t:.3g})", t=fit.temperature),
        text=lambda loss: say(text, gap=abs(_gap(rows)), t=fit.temperature, loss=loss),
        fix=say("fit the temperature on held-out data before using it"),
        parameters=1,
    )


def _gap(rows: Rows) -> float:
    return float(rows.loss.mean() + np.sum(np.exp(rows.log_probs) * rows.log_probs) / rows.size)


def bias(rows: Rows) -> Cause[Rows] | None:
    """One number for each class, added to its score."""
    seen = np.flatnonzero(rows.counts)
    if not 2 <= seen.size <= LARGEST or rows.size < ENOUGH * seen.size or seen.size < rows.classes:
        return None
    fitted = fit_bias(rows, seen)
    name, text, fix = _why_biased(rows, fitted)
    return rows.explained(
        "bias",
        rows.with_scores(rows.log_probs + fitted),
        cost=cost_of_parameters(seen.size - 1, rows.size),
        name=name,
        text=lambda loss: say(
            "{fault}: a bias for each class would make the loss {loss:.4g} on this file.", fault=text, loss=loss
        ),
        fix=fix,
        parameters=seen.size - 1,
    )


def _why_biased(rows: Rows, fitted: np.ndarray) -> tuple[str, str, str]:
    share = rows.counts / rows.size
    mean = np.exp(rows.log_probs).mean(axis=0)
    k = int(np.argmax(np.abs(mean - share)))
    text = say(
        "Class {name} is predicted with {mean:.1%} on average but seen in {share:.1%}",
        name=rows.name(k),
        mean=mean[k],
        share=share[k],
    )
    name, fix = say("a bias per class"), say("add to the logits the log of the ratio of the two mixes of classes")
    spread = np.log(share) - np.sum(share * np.log(share))
    if np.sum(share * spread**2) > 0.05:
        slope = float(np.sum(share * spread * fitted) / np.sum(share * spread**2))
        residual = fitted - np.sum(share * fitted) - slope * spread
        total = fitted - np.sum(share * fitted)
        if np.sum(share * residual**2) < 0.2 * np.sum(share * total**2) and 0.25 < slope < 1.5:
            name = say("a bias per class, as training with class weights leaves it")
            why = say("the bias follows the class shares, as after training with class weights or on balanced data")
            if abs(slope - 1) >= 0.25:
                why = say(
                    "the bias follows the class shares to the power {slope:.2g}, as after training with class weights "
                    "or on balanced data",
                    slope=slope,
                )
            text = join("; ", [text, why])
            fix = say("add the log of the class shares to the logits, or train without weights and move the threshold")
    return name, text, fix


def fit_bias(rows: Rows, free: np.ndarray) -> np.ndarray:
    """The biases of the classes `free`, by Newton's method; those of the others are 0."""
    bias, share = np.zeros(rows.classes), rows.counts / rows.size
    for _ in range(50):
        q = np.exp(log_softmax(rows.log_probs + bias))
        chosen = q[:, free]
        slope = chosen.mean(axis=0) - share[free]
        curvature = np.diag(chosen.mean(axis=0)) - chosen.T @ chosen / rows.size
        step = np.linalg.lstsq(curvature + 1e-9 * np.eye(free.size), slope, rcond=None)[0]
        step = np.clip(step, -2, 2)
        bias[free] -= step
        if np.abs(step).max() < 1e-6:
            break
    return bias - bias.mean() if free.size == rows.classes else bias


def never_predicted(rows: Rows) -> Cause[Rows] | None:
    """Classes that occur, and whose score is too low ever to be the highest."""
    if rows.classes < 3 and not rows.single:
        return None
    guessed = np.bincount(rows.predicted, minlength=rows.classes)
    missing = np.flatnonzero((rows.counts >= OFTEN) & (guessed <= NEARLY * rows.counts))
    if not 0 < missing.size <= max(1, rows.classes // 3):
        return None
    after = rows.with_scores(rows.log_probs + fit_bias(rows, missing))
    k = int(missing[np.argmax(rows.counts[missing])])
    hits = int(np.count_nonzero((rows.predicted == k) & (rows.label == k)))
    values = {"name": rows.name(k), "hits": hits, "n": rows.counts[k], "units": rows.units}
    if guessed[k]:
        name = say("class {name}, which is hardly ever predicted", name=rows.name(k))
        text = say("Class {name} is hardly ever predicted: {hits} of its {n:,} {units} are recognised.", **values)
    else:
        name = say("class {name}, which is never predicted", name=rows.name(k))
        text = say("Class {name} is never predicted: {hits} of its {n:,} {units} are recognised.", **values)
    if missing.size > 1:
        text = join(" ", [text, say("Classes that are missed like it: {n}.", n=missing.size - 1)])
    return rows.explained(
        "never_predicted",
        after,
        cost=cost_of_parameters(missing.size, rows.size) + missing.size * log(rows.classes),
        name=name,
        text=lambda loss: join(" ", [text, say("Without that the loss would be {loss:.4g}.", loss=loss)]),
        fix=say("check that the class was in the training data, and that its column is the right one"),
        parameters=missing.size,
        structural=True,
    )


def label_noise(rows: Rows) -> Cause[Rows] | None:
    """Some labels were drawn at random: q becomes (1 - ε) softmax(z / T) + ε / C.

    The temperature is fitted along, since one that is fitted alone makes wrong labels likelier; and what counts as
    evidence is what the noise explains beyond a temperature.
    """
    noise = fit_noise(rows)
    if noise is None:
        return None
    wrong = rows.suspicion(noise)
    suspects = wrong >= SUSPECT
    count, precision = int(suspects.sum()), float(wrong[suspects].mean()) if suspects.any() else 0.0
    if not count:
        return None
    name, tempered = say("suspect labels ({n:,})", n=count), ""
    if abs(log(noise.temperature)) > WORTH_SAYING:
        t = noise.temperature
        name = say("suspect labels ({n:,}) and a temperature (T = {t:.3g})", n=count, t=t)
        tempered = say("Without them the best temperature is {t:.3g}.", t=t)
    text = say(
        "{share:.1%} of the labels seem to be wrong: {n:,} contradict a confident prediction, of which about "
        "{precision:.0%} are errors if the model is calibrated elsewhere.",
        share=noise.share * (1 - 1 / rows.classes),
        n=count,
        precision=precision,
    )
    return rows.explained(
        "label_noise",
        rows.with_noise(noise),
        cost=cost_of_parameters(2, rows.size),
        name=name,
        text=lambda loss: join(" ", [text, tempered]),
        fix=say("look at the suspect labels listed below, the least likely first"),
        parameters=2,
    )


def fit_noise(rows: Rows, evidence: float = EVIDENCE) -> Noise | None:
    """The noise that the labels have, where it explains more than a temperature by so many nats beyond its cost."""
    if rows.association < CERTAIN:
        return None
    noise = rows.noise
    if not 0 < noise.share < 0.5:
        return None
    alone = rows.temperature
    plain = rows.with_scores(rows.log_probs / alone.temperature) if alone.exists else rows
    cost = cost_of_parameters(1, rows.size)
    return noise if rows.enough(plain.loss - rows.with_noise(noise).loss, cost, evidence) else None
