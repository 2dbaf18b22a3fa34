"""Real values: predictions in other units, on another scale, of other rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import log, sqrt

import numpy as np

from lossary.reports.causes.cause import EVIDENCE, FLOOR, Cause, cost_of_parameters, gained, half_width
from lossary.reports.causes.rows import CERTAIN
from lossary.translations import deferred, join, say

FACTORS = (1000, 100, 10, 1e4, 1e6, 1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 60, 3600, 24, 1 / 60, 1 / 3600, 1 / 24)
FACTORS += (2.54, 1 / 2.54, 0.3048, 1 / 0.3048, 1.609344, 1 / 1.609344, 0.45359237, 1 / 0.45359237)
SCALES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    deferred("log1p of the target"): np.expm1,
    deferred("the logarithm of the target"): np.exp,
    deferred("the decimal logarithm of the target"): lambda x: 10.0**x,
    deferred("the square root of the target"): np.square,
    deferred("exp of the target"): np.log,
    deferred("expm1 of the target"): np.log1p,
    deferred("the square of the target"): np.sqrt,
    deferred("degrees Celsius where the target is in Fahrenheit"): lambda x: 1.8 * x + 32,
    deferred("degrees Fahrenheit where the target is in Celsius"): lambda x: (x - 32) / 1.8,
}
UNDONE = {
    "log1p of the target": "expm1",
    "the logarithm of the target": "exp",
    "the decimal logarithm of the target": "10 **",
    "the square root of the target": deferred("the square"),
    "exp of the target": "log",
    "expm1 of the target": "log1p",
    "the square of the target": deferred("the root"),
}
BOUND = 0.01  # share of predictions at their largest or smallest value, from which they are clipped
GROUPS = 10
LARGEST = 1e30  # of what a transformation makes of a prediction: squares of more would overflow
OFF_BY = 0.05  # how far a slope must be from 1 to be worth a sentence


@dataclass(frozen=True)
class Values:
    """x, y (n,): prediction and target · before, after (n,): targets of the neighbouring units, or NaN"""

    x: np.ndarray
    y: np.ndarray
    before: np.ndarray
    after: np.ndarray
    unit: np.ndarray
    sample: np.ndarray

    @property
    def size(self) -> int:
        return self.x.size

    @cached_property
    def loss(self) -> np.ndarray:
        return (self.x - self.y) ** 2

    @property
    def error(self) -> str:
        return _rmse(float(self.loss.mean()))

    @cached_property
    def correlation(self) -> float:
        return correlation(self.x, self.y)

    @cached_property
    def association(self) -> float:
        """The correlation in standard errors of unrelated values."""
        x, y = self.x - self.x.mean(), self.y - self.y.mean()
        spread = float(x.std() * y.std())
        if not spread > 0:
            return 0.0
        _, error, _ = gained(x * y / spread, self.sample)
        return self.correlation / max(error, 1 / sqrt(self.size))

    def explained(
        self,
        id: str,
        x: np.ndarray,
        *,
        cost: float,
        name: str,
        text: Callable[[float], str],
        fix: str,
        parameters: int = 0,
        structural: bool = False,
        floor: float = FLOOR,
    ) -> Cause[Values] | None:
        """The cause, where predictions x would be better by enough, and for certain."""
        if not np.isfinite(x).all() or np.abs(x).max() > LARGEST:
            return None
        after = replace(self, x=x)
        before, left = float(self.loss.mean()), float(after.loss.mean())
        gain, error, effect = gained(self.loss - after.loss, self.sample)
        if gain < floor * before or gain < CERTAIN / 2 * error:
            return None
        nats = log(before / left) / 2 if left > before * 1e-20 else 23.0
        if self.size / effect * nats < cost + EVIDENCE:
            return None
        return Cause(id, nats, gain, half_width(error), name, text(left), fix, after, parameters, structural)


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    spread = float(x.std() * y.std())
    return float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread > 0 else 0.0


def _rmse(mse: float) -> str:
    return f"{sqrt(mse):.4g}"


def other_sign(rows: Values) -> Cause[Values] | None:
    if rows.association > -CERTAIN:
        return None
    return rows.explained(
        "wrong_way_round",
        -rows.x,
        cost=log(2),
        name=say("the sign"),
        text=lambda mse: say(
            "The predictions have the wrong sign (correlation {r:.2f}): negated, the error would be {after} instead "
            "of {before} (root mean square).",
            r=rows.correlation,
            after=_rmse(mse),
            before=rows.error,
        ),
        fix=say("negate the predictions: a score that is maximised, or a loss of another sign"),
        structural=True,
    )


def other_units(rows: Values) -> Cause[Values] | None:
    """A factor that units have, which is right to within a few percent."""
    if rows.association < CERTAIN:
        return None
    causes = [cause for factor in FACTORS if (cause := _in_units(rows, factor)) is not None]
    return max(causes, key=lambda cause: cause.nats, default=None)


def _in_units(rows: Values, factor: float) -> Cause[Values] | None:
    shown = f"{factor:.6g}" if factor >= 1 else f"1/{1 / factor:.6g}"
    return rows.explained(
        "units",
        factor * rows.x,
        cost=log(len(FACTORS)),
        name=say("the units of the predictions (a factor of {factor})", factor=shown),
        text=lambda mse: say(
            "The predictions are in other units: their correlation with the targets is {r:.2f}, and times {factor} "
            "their error would be {after} instead of {before} (root mean square).",
            r=rows.correlation,
            factor=shown,
            after=_rmse(mse),
            before=rows.error,
        ),
        fix=say("multiply the predictions by {factor}", factor=shown),
        structural=True,
    )


def other_scale(rows: Values) -> Cause[Values] | None:
    """A transformation of the target that was not undone, or undone where none was."""
    if rows.association < CERTAIN:
        return None
    causes = [cause for name in SCALES if (cause := _on_scale(rows, name)) is not None]
    return max(causes, key=lambda cause: cause.nats, default=None)


def _on_scale(rows: Values, name: str) -> Cause[Values] | None:
    with np.errstate(all="ignore"):
        x = SCALES[name](rows.x)
    text = (
        deferred(
            "The predictions look like {scale}: correlation {r:.2f}, and {undo} of them would have an error of {after} "
            "instead of {before} (root mean square)."
        )
        if name in UNDONE
        else deferred(
            "The predictions look like {scale}: correlation {r:.2f}, and converted, they would have an error of "
            "{after} instead of {before} (root mean square)."
        )
    )
    return rows.explained(
        "scale",
        x,
        cost=log(len(SCALES)),
        name=say("predictions that are {scale}", scale=say(name)),
        text=lambda mse: say(
            text,
            scale=say(name),
            r=correlation(x, rows.y),
            undo=say(UNDONE.get(name, "")),
            after=_rmse(mse),
            before=rows.error,
        ),
        fix=say("undo the transformation of the targets before saving, or transform the targets too"),
        structural=True,
    )


def standardised(rows: Values) -> Cause[Values] | None:
    """Predictions of targets that had their mean subtracted and were divided by their deviation; or the reverse."""
    if rows.association < CERTAIN or not rows.x.std() > 0:
        return None
    causes = [
        _standardised(
            rows,
            rows.y.mean() + rows.y.std() * rows.x,
            say("predictions that are standardised"),
            say("The predictions look standardised and the targets do not"),
        ),
        _standardised(
            rows,
            (rows.x - rows.x.mean()) / rows.x.std(),
            say("targets that are standardised"),
            say("The targets look standardised and the predictions do not"),
        )
        if abs(rows.y.mean()) < 0.1
        else None,
        _standardised(
            rows,
            rows.y.min() + np.ptp(rows.y) * rows.x,
            say("predictions that are scaled to 0 ... 1"),
            say("The predictions look scaled to 0 ... 1 and the targets do not"),
        ),
    ]
    return max((cause for cause in causes if cause), key=lambda cause: cause.nats, default=None)


def _standardised(rows: Values, x: np.ndarray, name: str, fault: str) -> Cause[Values] | None:
    return rows.explained(
        "standardised",
        x,
        cost=cost_of_parameters(2, rows.size),
        name=name,
        text=lambda mse: say(
            "{fault}: correlation {r:.2f}, mean {x:.3g} of the predictions and {y:.3g} of the targets; on one scale, "
            "the error would be {after} and not {before}.",
            fault=fault,
            r=rows.correlation,
            x=rows.x.mean(),
            y=rows.y.mean(),
            after=_rmse(mse),
            before=rows.error,
        ),
        fix=say("invert the transformation of the targets: scaler.inverse_transform(predictions)"),
        structural=True,
    )


def shifted(rows: Values) -> Cause[Values] | None:
    causes = [cause for which in ("next", "previous") if (cause := _shifted(rows, which)) is not None]
    return max(causes, key=lambda cause: cause.nats, default=None)


def _shifted(rows: Values, which: str) -> Cause[Values] | None:
    moved = rows.after if which == "next" else rows.before
    has = ~np.isnan(moved)
    if np.count_nonzero(has) < rows.size / 2:
        return None
    nothing = np.full_like(moved, np.nan)
    after = replace(rows, y=np.where(has, moved, rows.y), before=nothing, after=nothing)
    best = float(after.loss.mean())
    if best >= min(float(rows.y.var()), 0.8 * float(rows.loss.mean())) or after.association < CERTAIN:
        return None
    text = (
        deferred(
            "Predictions fit the next row's target better: an error of {after} against {before} unshifted (correlation "
            "{r_after:.2f} against {r:.2f})."
        )
        if which == "next"
        else deferred(
            "Predictions fit the previous row's target better: an error of {after} against {before} unshifted "
            "(correlation {r_after:.2f} against {r:.2f})."
        )
    )
    cause = rows.explained(
        "shifted",
        rows.y + after.x - after.y,  # the same residuals
        cost=log(2),
        name=say("targets that are shifted by one row"),
        text=lambda mse: say(text, after=_rmse(mse), before=rows.error, r_after=after.correlation, r=rows.correlation),
        fix=say(
            "pair predictions and targets by an id or a date: one of them has lost or gained a row at its beginning"
        ),
        structural=True,
    )
    return None if cause is None else replace(cause, after=after)


def unrelated(rows: Values) -> Cause[Values] | None:
    if abs(rows.association) >= CERTAIN:
        return None
    return rows.explained(
        "unrelated",
        np.full_like(rows.x, rows.y.mean()),
        cost=cost_of_parameters(1, rows.size),
        name=say("predictions that say nothing about their targets"),
        text=lambda mse: say(
            "The predictions say nothing about their targets (correlation {r:.2f}), and are worse than always "
            "answering the mean: an error of {before} against {after}.",
            r=rows.correlation,
            before=rows.error,
            after=_rmse(mse),
        ),
        fix=say("check that predictions and targets belong to the same samples, in the same order"),
        structural=True,
    )


def offset(rows: Values) -> Cause[Values] | None:
    shift = float(np.mean(rows.y - rows.x))
    if rows.association < CERTAIN:
        return None
    text = (
        deferred(
            "The predictions are biased: too high by {size:.4g} on average; without that offset the error would be "
            "{after} instead of {before}."
        )
        if shift < 0
        else deferred(
            "The predictions are biased: too low by {size:.4g} on average; without that offset the error would be "
            "{after} instead of {before}."
        )
    )
    return rows.explained(
        "offset",
        rows.x + shift,
        cost=cost_of_parameters(1, rows.size),
        name=say("an offset of {offset:+.4g}", offset=-shift),
        text=lambda mse: say(text, size=abs(shift), after=_rmse(mse), before=rows.error),
        fix=say(
            "add {shift:.4g}, after finding out why: another period, a loss whose optimum is not the mean", shift=shift
        ),
        parameters=1,
    )


def slope(rows: Values) -> Cause[Values] | None:
    """The targets move by b for each unit that the predictions move: 1 of calibrated predictions."""
    variance = float(rows.x.var())
    if not variance > 0 or rows.association < CERTAIN:
        return None
    b = float(np.mean((rows.x - rows.x.mean()) * (rows.y - rows.y.mean()))) / variance
    if abs(b - 1) < OFF_BY:
        return None
    x = rows.y.mean() + b * (rows.x - rows.x.mean())
    against = rows.correlation**2 / b  # of the regression of predictions on targets
    if b > 1:
        name, fault = say("predictions that move too little"), say("The predictions move too little")
        fix = say("fit a line from predictions to targets on held-out data; less regularisation, or more training")
    else:
        name, fault = say("predictions that move too much"), say("The predictions move too much")
        fix = say("fit a line from predictions to targets on held-out data; more regularisation")
    return rows.explained(
        "slope",
        x,
        cost=cost_of_parameters(2, rows.size),
        name=name,
        text=lambda mse: say(
            "{fault}: slope {against:.2g} against the targets, and where they move by 1 the targets move by {b:.3g}; "
            "stretched by that about their mean, they would have an error of {after} instead of {before}.",
            fault=fault,
            against=against,
            b=b,
            after=_rmse(mse),
            before=rows.error,
        ),
        fix=fix,
        parameters=2,
    )


def clipped(rows: Values) -> Cause[Values] | None:
    """Many predictions are exactly the largest or the smallest, and their targets lie beyond."""
    x, ends = rows.x.copy(), []
    for bound, beyond in ((rows.x.max(), rows.y > rows.x.max()), (rows.x.min(), rows.y < rows.x.min())):
        at = rows.x == bound
        if max(10, BOUND * rows.size) <= at.sum() <= 0.9 * rows.size and np.mean(beyond[at]) >= 0.6:
            x[at] = rows.y[at].mean()
            said = say(
                "{n:,} predictions are exactly {bound:.6g}, and {share:.0%} of their targets lie beyond",
                n=int(at.sum()),
                bound=bound,
                share=np.mean(beyond[at]),
            )
            ends.append((f"{bound:.4g}", said))
    if not ends:
        return None
    bounds = [bound for bound, _ in ends]
    name = say("predictions that are clipped at {bound}", bound=bounds[0])
    if len(bounds) > 1:
        name = say("predictions that are clipped at {one} and {other}", one=bounds[0], other=bounds[1])
    return rows.explained(
        "clipped",
        x,
        cost=cost_of_parameters(len(ends), rows.size) + log(3),
        name=name,
        text=lambda mse: say("The predictions are clipped: {ends}.", ends=join("; ", (said for _, said in ends))),
        fix=say(
            "take the clip, or the activation that saturates, out of the model; or scale the targets into its range"
        ),
        parameters=len(ends),
        structural=True,
    )


def uneven_noise(rows: Values) -> Cause[Values] | None:
    """The variance of the residuals goes with the prediction: in tenths of the predictions, by likelihood."""
    residual = rows.x - rows.y
    if rows.size < 20 * GROUPS or np.unique(rows.x).size < GROUPS or not residual.std() > 0:
        return None
    group = np.argsort(np.argsort(rows.x, kind="stable"), kind="stable") * GROUPS // rows.size
    count = np.bincount(group)
    mean = np.bincount(group, residual) / count
    centred = residual - mean[group]
    variance = np.bincount(group, centred**2) / count
    if not variance.min() > 0:
        return None
    standard = centred / np.sqrt(variance[group])
    tails = max(1.0, (float(np.mean(standard**4)) - 1) / 2)  # how much more variances vary than those of Gaussian noise
    effect = gained(centred**2, rows.sample)[2]
    nats = float(log(np.mean(centred**2)) - np.sum(count * np.log(variance)) / rows.size) / 2
    if nats < 0.02 or rows.size / tails / effect * nats < cost_of_parameters(GROUPS - 1, rows.size) + EVIDENCE:
        return None
    low, high = np.sqrt(variance[[0, -1]])
    if max(low / high, high / low) < 1.5:
        low, high = np.sqrt(variance.min()), np.sqrt(variance.max())
    return Cause(
        "uneven_noise",
        nats,
        0.0,
        0.0,
        say("noise that grows with the prediction") if high > low else say("noise that falls with the prediction"),
        say(
            "The noise is not the same everywhere (heteroscedastic): residuals have a standard deviation of {low:.3g} "
            "at the lowest tenth of the predictions and {high:.3g} at the highest; a model that says so would gain "
            "{nats:.2g} nats a value.",
            low=low,
            high=high,
            nats=nats,
        ),
        say(
            "gaussian_nll_loss with a second output for the variance; the logarithm of the targets if it grows with "
            "them"
        ),
        rows,
    )
