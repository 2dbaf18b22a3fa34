"""Arguments for a loss, drawn from its contract: ordinary, extreme and invalid ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lossary.core.arrays import Array, namespace
from lossary.core.contract import (
    OUTCOMES,
    Bytes,
    Choice,
    Dims,
    Domain,
    Flag,
    Function,
    Instance,
    Levels,
    Range,
    Spec,
    axes,
    is_known,
    log_probabilities,
    rates,
    target_probabilities,
)
from lossary.core.record import Loss

EXTREMES = {
    "real numbers": (0.0, -0.0, 1e-30, 1e4, -1e4, 1e18, np.inf, -np.inf),
    "logits": (0.0, 1e-30, 88.9, -104.0, 1e4, -1e4, np.inf, -np.inf),
    "log-probabilities": (0.0, -1e-30, -88.9, -1e4, -np.inf),
    "sequence log-probabilities": (0.0, -1e-30, -88.9, -1e4, -np.inf),
    "probabilities": (0.0, 1.0, 1e-45, 1e-38, 1e-10, 1 - 2**-24),
    "target probabilities": (0.0, 1.0, 0.5),
    "features": (0.0, -0.0, 1e-30, 88.9, -104.0, 1e4, -1e4, 1e18),
    "candidates": (0.0, -0.0, 1e-30, 88.9, -104.0, 1e4, -1e4, 1e18),
    "linear weights": (0.0, -0.0, 1e-30, 88.9, -104.0, 1e4, -1e4, 1e18),
    "label probabilities": (0.0, 1.0, 0.5),
    "class probabilities": (0.0, 1.0, 0.5, 1e-30),
    "log-rates": (0.0, 1e-30, 80.0, -104.0, 1e4, -1e4, np.inf, -np.inf),
    "rates": (0.0, 1e-30, 1e4, 1e18, np.inf),
    "counts": (0.0, 1.0, 1e4),
    "variances": (0.0, 1e-30, 1e-8, 1.0, 1e4, np.inf),
    "log-hazards": (0.0, 1e-30, 88.9, -104.0, 1e4, -1e4, np.inf, -np.inf),
    "durations": (0.0, 1e-30, 1.0, 1e4, np.inf),
    "events": (0.0, 1.0),
    "signs": (-1.0, 1.0),
    "weights": (0.0, 1.0, 1e4),
    "boxes": (0.0, -0.0, 1e-30, 1.0, 1e4, 1e18),
}


@dataclass(frozen=True)
class Sample:
    """The arguments of one call, as NumPy arrays and plain options.

    specs: the contract that each array was drawn from. dims: the sizes that its shapes name.
    """

    arguments: Mapping[str, Any]
    specs: Mapping[str, Spec] = field(default_factory=dict)
    dims: Dims = field(default_factory=dict)
    seed: int = 0

    def but(self, **changes: Any) -> "Sample":
        return replace(self, arguments={**self.arguments, **changes})

    def first_row(self) -> "Sample | None":
        """The call on the first row of the batch alone, where each array has a batch dimension or none at all."""
        axis = {n: _batch_axis(s.shape, self.dims) for n, s in self.specs.items()}
        if not self.dims["N"] or "L" in [s.shape for s in self.specs.values()]:
            return None
        rows = {n: self.arrays[n][(slice(None),) * a + (slice(0, 1),)] for n, a in axis.items() if a is not None}
        return (
            self.but(**rows) if rows and any("N" in s.shape or "*n" in s.shape for s in self.specs.values()) else None
        )

    def inside(self, name: str, x: np.ndarray) -> np.ndarray:
        """`x` in the domain of an argument whose numbers depend on each other: boxes with their ends in order."""
        return as_boxes(x, self.arguments["format"]) if self.specs[name].domain.corners else x

    def tiled(self, count: int) -> "Sample":
        """The call on the same rows, `count` times over."""
        axis = {n: _batch_axis(s.shape, self.dims) for n, s in self.specs.items()}
        return self.but(**{n: np.concatenate([self.arrays[n]] * count, a) for n, a in axis.items() if a is not None})

    def without(self, rows: np.ndarray) -> "Sample":
        """The call on the batch that these rows, a mask, are not in, nor their positives."""
        leave = {"N": rows, "M": self.leaving(rows)} if "M" in self.dims else {"N": rows}
        kept: dict[str, Any] = {}
        for name, spec in self.specs.items():
            x = self.arguments[name]
            for axis, (of, _) in enumerate(axes(spec.shape, self.dims)):
                x = np.delete(x, leave[of], axis) if of in leave else x
            kept[name] = np.cumsum(~leave["M"])[x] - 1 if spec.domain.name == "positives" else x
        return replace(self.but(**kept), dims=self.dims | {n: int((~gone).sum()) for n, gone in leave.items()})

    def leaving(self, rows: np.ndarray) -> np.ndarray:
        """The candidates that leave with these rows, a mask: positives of none of the others."""
        positives = self.arguments.get("positives", np.arange(len(rows)))
        taken, kept = set(positives[rows].tolist()), set(positives[~rows].tolist())
        return np.array([place in taken - kept for place in range(self.dims["M"])], bool)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {n: x for n, x in self.arguments.items() if isinstance(x, np.ndarray)}

    @property
    def differentiable(self) -> list[str]:
        """The data that a loss is differentiated with respect to."""
        fixed = ("signs", "weights", "lengths", *OUTCOMES)
        return [n for n, s in self.specs.items() if s.domain.dtype == "float" and s.domain.name not in fixed]


@dataclass(frozen=True)
class Invalid:
    """A call that must raise `error`, in words that name `argument`."""

    sample: Sample
    error: type[Exception]
    argument: str


def ordinary(loss: Loss, seed: int, empty: bool = False, sizes: Dims | None = None) -> Sample:
    """A valid call with shapes, alternatives and options drawn at random, but for the sizes that are given.

    empty: of a batch of nothing.
    """
    rng = np.random.default_rng([seed, *loss.name.encode()])
    dims: Dims = {
        "N": 0 if empty else int(rng.integers(1, 5)),
        "C": int(rng.integers(2, 6)),
        "D": int(rng.integers(2, 6)),
    }
    dims |= {"d": ((), (2,), (2, 3))[rng.integers(3)], "s": (0, 3) if empty else ((), (6,), (3, 4))[rng.integers(3)]}
    dims |= {"T": int(rng.integers(5, 8)), "S": int(rng.integers(1, 3)), "K": dims["D"]}
    dims |= {"n": (0,) if empty else ((), (2,), (2, 3))[seed % 3]}
    if not empty and rng.random() < 0.2 and "N" not in loss.unreduced.split():
        dims |= {"N": None, "n": (), "d": ()}
    dims |= sizes or {}
    options = {name: _option(name, allowed, dims, loss, rng) for name, allowed in drawn_options(loss).items()}
    for name, allowed in loss.options_beside(options).items():
        if name in options and allowed is not loss.options[name]:
            options[name] = _option(name, allowed, dims, loss, rng)
    options = {n: x for n, x in options.items() if n in loss.options_beside(options)}
    for name, allowed in loss.options.items():
        dims |= allowed.dims(options[name]) if isinstance(allowed, Levels) else {}
    if seed % 2:  # among any two seeds
        options |= {name: manhattan for name, allowed in loss.options.items() if isinstance(allowed, Function)}
    dims["M"] = dims["N"] if options.get("symmetric") or dims["N"] is None else dims["N"] + seed % 3
    specs, arguments = {}, dict(options)
    for name, alternatives in loss.data.items():
        optional = loss.signature.parameters[name].default is None
        if (optional and rng.random() < 0.5) or (name == "positives" and options.get("symmetric")):
            continue
        fitting = [s for s in alternatives if all(is_known(token, dims) for token in s.shape.split())]
        specs[name] = fitting[rng.integers(len(fitting))]
        if specs[name].shape == "1" and dims["N"] is not None:
            specs[name] = fitting[0]
        specs[name] = in_domain(loss, name, specs[name], options)
        arguments[name] = _draw(specs[name], dims, options, rng)
    if "log_target" in options:
        arguments["target"] = np.asarray(np.log(arguments["target"])) if options["log_target"] else arguments["target"]
    if "ignore_index" in options and "class indices" not in [s.domain.name for s in specs.values()]:
        arguments["ignore_index"] = loss.defaults["ignore_index"]
    if loss.defaults["reduction"] == "none":  # which cannot be differentiated
        arguments["reduction"] = "mean"
    ordered = {name: arguments[name] for name in loss.signature.parameters if name in arguments}
    return Sample(ordered, specs, dims, seed)


def in_domain(loss: Loss, name: str, spec: Spec, options: Mapping[str, Any]) -> Spec:
    """The spec with the domain that the options give the argument."""
    domain = loss.domains({**loss.defaults, **options}).get(name, spec.domain)
    return replace(spec, domain=domain)


def _batch_axis(shape: str, dims: Dims) -> int | None:
    """Which axis of `shape` runs over the batch; that over elements, where there are no rows."""
    names = [name for name, _ in axes(shape, dims)]
    return names.index("N") if "N" in names else 0 if names and names[0] in ("s0", "n0", "L") else None


def drawn_options(loss: Loss) -> dict[str, Any]:
    """The options that the answers depend on."""
    return {
        n: allowed
        for n, allowed in loss.options.items()
        if not isinstance(allowed, Flag) or (allowed.changes_answers and not allowed.couples_rows)
    }


def manhattan(x: Array, y: Array) -> Array:
    """A distance of each row of any library, and of an oracle's numbers."""
    return namespace(x).sum(abs(x - y), axis=-1)


def _option(
    name: str,
    allowed: Range | Choice | Levels | Flag | Instance | Function | Bytes,
    dims: Dims,
    loss: Loss,
    rng: np.random.Generator,
) -> Any:
    if isinstance(allowed, Flag):
        return bool(rng.integers(2))
    if isinstance(allowed, Choice):
        return str(rng.choice(allowed.words))
    if isinstance(allowed, (Instance, Function, Bytes)):
        return None
    if isinstance(allowed, Levels):
        levels = np.sort(rng.uniform(allowed.low, allowed.high, rng.integers(4))).tolist()
        return tuple(levels) or _option(name, allowed.each, dims, loss, rng)
    if allowed.extra_values and rng.random() < 0.3:
        return float(rng.choice(allowed.extra_values))
    if allowed.integer and np.isfinite(allowed.high):
        return int(rng.integers(int(allowed.low), int(allowed.high) + 1))
    if allowed.integer:  # a class: the blank, or the one that is ignored
        return int(rng.integers(dims["C"])) if rng.random() < 0.7 else loss.defaults[name]
    default = loss.defaults[name]
    if rng.random() < 0.3 and (default is None or allowed.refuse(default) is None):
        return default
    low, high = (allowed.low if np.isfinite(allowed.low) else 0.0), (allowed.high if np.isfinite(allowed.high) else 2.0)
    return float(rng.uniform(low + 0.05 * (high - low), low + 0.95 * (high - low)))


def as_boxes(x: np.ndarray, corners: str) -> np.ndarray:
    """Any four numbers as a box of that format."""
    first, last = x[..., :2], x[..., 2:]
    if corners == "xyxy":
        return np.concatenate([np.minimum(first, last), np.maximum(first, last)], -1)
    return np.concatenate([first, np.abs(last)], -1)


def _draw(spec: Spec, dims: Dims, options: Mapping[str, Any], rng: np.random.Generator) -> np.ndarray:
    named = axes(spec.shape, dims)
    shape = tuple(n for _, n in named)
    name = spec.domain.name
    if name in ("class indices", "positives"):
        return np.asarray(rng.integers(0, dims[spec.domain.among], shape))
    if name == "labels":
        return np.asarray(rng.integers(-1, 2, shape))
    if name == "label sets":
        sets = rng.permuted(np.broadcast_to(np.arange(shape[-1]), shape), axis=-1)
        return np.where(np.arange(shape[-1]) < rng.integers(0, shape[-1] + 1, (*shape[:-1], 1)), sets, -1)
    if name == "label sequences":
        others = np.delete(np.arange(dims["C"]), options["blank"])
        return np.asarray(rng.choice(others, shape))
    if name == "lengths":
        return np.asarray(rng.integers(0 if spec.along == "S" else dims[spec.along] - 2, dims[spec.along] + 1, shape))
    if name == "log-probabilities":
        x = 2 * rng.normal(size=shape)
        axis = next((i for i, (n, _) in enumerate(named) if n == "C"), None)
        return np.asarray(-np.abs(x) - 0.01 if axis is None else x - np.log(np.exp(x).sum(axis, keepdims=True)))
    if name == "sequence log-probabilities":
        return np.asarray(-np.abs(4 * rng.normal(size=shape)) - 0.01)
    if name == "counts":
        return np.asarray(rng.choice([0.0, 2.0, 3.0, 7.0], shape))  # at 1 Stirling's term of a Poisson loss jumps
    if name == "durations":  # some of them tied
        return np.asarray(rng.integers(0, 4, shape) / 2)
    if name == "events":
        return np.asarray(rng.choice([0.0, 1.0], shape, p=[0.3, 0.7]))
    if name == "signs":
        return np.asarray(rng.choice([-1.0, 1.0], shape))
    if name == "boxes":
        place, sides = rng.uniform(0.0, 2.0, (*shape[:-1], 2)), rng.uniform(0.25, 3.0, (*shape[:-1], 2))
        return np.concatenate([place, place + sides if options["format"] == "xyxy" else sides], -1)
    if name in ("weights", "variances", "rates"):
        return np.asarray(rng.uniform(0.25, 3.0, shape))
    if "probabilities" in name or spec.broadcasts:
        x = np.asarray(rng.uniform(0.02, 0.98, shape))
        classes = [i for i, (n, _) in enumerate(named) if n == "C" and spec.domain.sums]
        return x / x.sum(axis=classes[0], keepdims=True) if classes else x
    return np.asarray(2 * rng.normal(size=shape))


def extreme(loss: Loss, seed: int) -> Sample:
    """A valid call with the ends of every domain among its values: 0, infinities, huge and tiny numbers."""
    sample = ordinary(loss, seed)
    rng = np.random.default_rng([seed, 1, *loss.name.encode()])
    for name, spec in sample.specs.items():
        choice = EXTREMES.get(domain_of(name, spec, sample).name)
        if choice is None:
            continue
        x = sample.arguments[name]
        hard = np.where(rng.random(x.shape) < 0.5, rng.choice(choice, x.shape), x)
        sample = sample.but(**{name: sample.inside(name, hard)})
    return sample


def on_halves(loss: Loss, seed: int) -> Sample:
    """A valid call of real numbers that are halves, and of vectors with one number each: sums and lengths are exact."""
    sample = ordinary(loss, seed)
    rng = np.random.default_rng([seed, 2, *loss.name.encode()])
    for name, spec in sample.specs.items():
        if spec.domain.name == "real numbers":
            x = np.asarray(np.round(2 * np.clip(sample.arguments[name], -1.5, 1.5)) / 2)
            if [n for n, _ in axes(spec.shape, sample.dims)][-1:] == ["D"]:
                x = np.where(np.arange(x.shape[-1]) == rng.integers(0, 2, (*x.shape[:-1], 1)), x, 0.0)
            sample = sample.but(**{name: x})
    for name, allowed in loss.options.items():
        given = sample.arguments.get(name)
        if isinstance(allowed, Range) and isinstance(given, float) and allowed.refuse(round(2 * given) / 2) is None:
            sample = sample.but(**{name: round(2 * given) / 2})
    return sample


def domain_of(name: str, spec: Spec, sample: Sample) -> Domain:
    """What an argument holds here: the meaning of some follows an option."""
    if name == "target" and "log_target" in sample.arguments:
        return (log_probabilities if sample.arguments["log_target"] else target_probabilities)(spec.shape).domain
    if name == "input" and not sample.arguments.get("log_input", True):
        return rates(spec.shape).domain
    return spec.domain


def invalid(loss: Loss) -> list[Invalid]:
    """Calls that break the contract, one rule at a time."""
    sample = next(s for s in (ordinary(loss, seed) for seed in range(100)) if _roomy(s))
    if "ignore_index" in sample.arguments:  # what is ignored may hold anything
        sample = sample.but(ignore_index=loss.defaults["ignore_index"])
    first = next(iter(loss.data))
    x = sample.arguments[first]
    wrong = [
        Invalid(sample.but(reduction="average"), ValueError, "reduction"),
        Invalid(sample.but(impl="fastest"), ValueError, "impl"),
        Invalid(sample.but(**{first: "text"}), TypeError, first),
        Invalid(sample.but(**{first: x + 1j}), TypeError, first),
        Invalid(sample.but(**{first: x > 0}), TypeError, first),
        Invalid(sample.but(sample_weight=np.ones((97,))), ValueError, "sample_weight"),
        Invalid(sample.but(sample_weight="text"), TypeError, "sample_weight"),
        Invalid(sample.but(normalizer=np.ones(3)), ValueError, "normalizer"),
        Invalid(sample.but(normalizer=2.0, reduction="sum"), ValueError, "normalizer"),
    ]
    for name, spec in sample.specs.items():
        if name != first:
            y = sample.arguments[name]
            wrong.append(Invalid(sample.but(**{name: np.stack([y, y, y])[..., None, None]}), ValueError, name))
            if spec.domain.name not in ("weights", "lengths"):
                wrong.append(Invalid(sample.but(**{name: "text"}), TypeError, name))
        wrong += _out_of_domain(sample, name, spec)
    for name, allowed in loss.options.items():
        wrong.append(Invalid(sample.but(**{name: "text"}), ValueError, name))
        if isinstance(allowed, Levels):
            wrong += [Invalid(sample.but(**{name: levels}), ValueError, name) for levels in wrong_levels(allowed)]
            wrong.append(Invalid(sample.but(**{name: np.asarray(allowed.high / 2)}), TypeError, name))
        if isinstance(allowed, Choice):
            wrong += _beside_wrong_word(sample, name, allowed)
        if isinstance(allowed, Range):
            wrong += [Invalid(sample.but(**{name: v}), ValueError, name) for v in _outside(allowed)]
            array, error = (np.asarray(1), TypeError) if allowed.integer else (np.ones(2), ValueError)
            wrong.append(Invalid(sample.but(**{name: array}), error, name))
            if not allowed.integer:
                wrong += [Invalid(sample.but(**{name: np.asarray(v)}), ValueError, name) for v in _outside(allowed)]
    return wrong


def _beside_wrong_word(sample: Sample, name: str, choice: Choice) -> list[Invalid]:
    """Options beside words that they do not belong to, and at an end that their range beside a word leaves out."""
    wrong = []
    for option, ranges in choice.ranges.items():
        inside = next(iter(ranges.values()))
        number = inside.low + min(inside.high - inside.low, 1.0) / 2
        calls = [(word, number) for word in choice.words if word not in ranges][:1]
        calls += [(word, of_word.low) for word, of_word in ranges.items() if of_word.low_open]
        wrong += [Invalid(sample.but(**{name: word, option: x}), ValueError, option) for word, x in calls]
    return wrong


def wrong_levels(allowed: Levels) -> list[Any]:
    """Out of range, of nothing, not increasing."""
    middle = (allowed.low + allowed.high) / 2
    outside = [allowed.low, allowed.high, np.nan]
    return [*outside, *((level,) for level in outside), (), (middle, middle), (middle, (allowed.low + middle) / 2)]


def _roomy(sample: Sample) -> bool:
    return sample.dims["N"] is not None and sample.dims["s"] == (3, 4) and sample.dims["N"] > 1


def _out_of_domain(sample: Sample, name: str, spec: Spec) -> list[Invalid]:
    def planted(value: float) -> Sample:
        x = np.array(sample.arguments[name])
        x.flat[0] = value
        full = (
            {} if spec.domain.name != "label sequences" else {"target_lengths": np.full(sample.dims["N"], x.shape[-1])}
        )
        return sample.but(**{name: x}, **full)

    if spec.domain.name == "label sets":
        return [Invalid(planted(v), IndexError, name) for v in (-7, sample.dims["C"], 10**9)]
    if spec.domain.name in ("class indices", "positives"):
        return [Invalid(planted(v), IndexError, name) for v in (-7, sample.dims[spec.domain.among], 10**9)]
    if spec.domain.name == "label sequences":
        blank = Invalid(planted(sample.arguments["blank"] % sample.dims["C"]), ValueError, name)
        return [blank, *(Invalid(planted(v), IndexError, name) for v in (-1, sample.dims["C"], 10**9))]
    if spec.domain.name == "lengths":
        return [Invalid(planted(v), ValueError, name) for v in (-1, 10**6)]
    if spec.domain.corners:
        x = np.array(sample.arguments[name])
        x[..., 2:] = x[..., :2] - 1 if sample.arguments["format"] == "xyxy" else -x[..., 2:]
        return [Invalid(sample.but(**{name: x}), ValueError, name)]
    if spec.domain.enforced:
        outside = [v for v in (-0.5, 1.5, np.inf) if not spec.domain.low <= v <= spec.domain.high]
        return [Invalid(planted(v), ValueError, name) for v in outside]
    return []


def _outside(allowed: Range) -> list[float]:
    values = [np.nan]
    if np.isfinite(allowed.low):
        values += [allowed.low if allowed.low_open else allowed.low - (1 if allowed.integer else 0.5)]
    if np.isfinite(allowed.high):
        values += [allowed.high + 1]
    return [v if not allowed.integer or v != v else int(v) for v in values]
