"""What the explorer's page knows of the catalogue, as data that JSON can hold."""

import math
from collections.abc import Iterator
from typing import Any

from lossary.cli.page import Page
from lossary.cli.page import page as page_of
from lossary.core.contract import Choice, Domain, Flag, Levels, Range, target_distribution
from lossary.core.mathml import mathml
from lossary.core.record import FAMILIES, Loss, Plot, catalogue
from lossary.identities import IDENTITIES
from lossary.translations import translate

# Of one row of one number they change nothing, or are refused.
WITHOUT_EFFECT = frozenset(("ignore_index", "inplace_backward", "memory_budget", "held_alpha"))
# They say what the input is, or what of it counts: the axis would be another. And eps is too small to be seen.
OF_THE_INPUT = frozenset(
    (
        "log_input",
        "log_target",
        "activation",
        "classes",
        "batch",
        "overlap",
        "format",
        "normalize",
        "symmetric",
        "distance_function",
        "eps",
    )
)
# A norm of vectors of one number is its size.
OF_VECTORS = frozenset((("triplet_margin_loss", "p"),))


def content() -> dict[str, Any]:
    """The losses that are a function of one number, by family, and the identities between them."""
    drawn = [record for record in catalogue() if record.plot]
    families = [family for family in FAMILIES if any(record.family == family for record in drawn)]
    return {
        "families": families,
        "losses": {record.name: _loss(record, record.plot) for record in drawn if record.plot},
        "identities": {
            identity.name: {
                "relation": identity.relation,
                "losses": list(identity.losses),
                "statement": {"en": identity.statement, "zh": translate(identity.statement, "zh")},
            }
            for identity in IDENTITIES
            if any(name in {record.name for record in drawn} for name in identity.losses)
        },
    }


def _loss(record: Loss, plot: Plot) -> dict[str, Any]:
    return {
        "family": record.family,
        "axis": plot.axis,
        "low": plot.low,
        "high": plot.high,
        "options": list(options(record, plot)),
        "formula": mathml(record.formula),
        "gradient": mathml(record.gradient) if record.gradient else "",
        "en": _texts(page_of(record, "en")),
        "zh": _texts(page_of(record, "zh")),
    }


def _texts(page: Page) -> dict[str, Any]:
    return {
        "title": page.title,
        "use_when": page.use_when,
        "not_when": page.not_when,
        "floor": page.expect.floor if page.expect else "",
        "minimiser": page.minimiser,
        "pitfalls": page.pitfalls,
    }


def options(record: Loss, plot: Plot) -> Iterator[dict[str, Any]]:
    """What the curve of a loss depends on: the arguments that its plot sweeps, the labels, and its options."""
    for name in dict.fromkeys(("target", *plot.sweep)):
        if name in record.data and _is_label(record.data[name].domain, plot, name):
            yield _option(name, _of_label(record.data[name].domain), plot, record)
    for name, allowed in record.options.items():
        if name not in WITHOUT_EFFECT | OF_THE_INPUT and (record.name, name) not in OF_VECTORS:
            yield _option(name, allowed, plot, record)
    for name, allowed in _beside(record):
        yield _option(name, allowed, plot, record)


def _is_label(domain: Domain, plot: Plot, name: str) -> bool:
    """Whether each point of the curve has one of it, and it is more than where the axis begins."""
    return name in plot.sweep or (not isinstance(plot.fixed.get(name), list) and math.isfinite(domain.low))


def _of_label(domain: Domain) -> Domain | Range:
    """Of either probabilities or their logarithms the first."""
    return Range(0.0, 1.0) if domain == target_distribution("").domain else domain


def _beside(record: Loss) -> Iterator[tuple[str, Range]]:
    """The options that belong to some words of another."""
    for allowed in record.options.values():
        for name, ranges in allowed.ranges.items() if isinstance(allowed, Choice) else ():
            if name not in record.options:
                yield name, next(iter(ranges.values()))


def _option(name: str, allowed: Any, plot: Plot, record: Loss) -> dict[str, Any]:
    swept = [number(value) for value in plot.sweep.get(name, ())]
    default = number(plot.fixed[name]) if name in plot.fixed else record.defaults.get(name)
    option = {"name": name, "default": swept[0] if name in record.data and swept else default}
    if isinstance(allowed, Choice):
        return option | {"kind": "choice", "values": list(allowed.words), "ranges": _ranges(allowed)}
    if isinstance(allowed, Flag):
        return option | {"kind": "flag"}
    values = getattr(allowed, "values", None)
    if values:
        return option | {"kind": "choice", "values": sorted(map(int, values), reverse=True)}
    interval = allowed.each if isinstance(allowed, Levels) else allowed
    if getattr(interval, "integer", False):
        return option | {"kind": "choice", "values": list(range(int(interval.low), int(interval.high) + 1))}
    return option | {"kind": "number"} | _interval(interval, [*swept, option["default"]])


def _ranges(choice: Choice) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        option: {word: _interval(interval, []) for word, interval in ranges.items()}
        for option, ranges in choice.ranges.items()
    }


def _interval(interval: Any, usual: list[Any]) -> dict[str, Any]:
    """What is allowed, and the part of it that a slider goes over, given values that are usual."""
    low, high = interval.low, interval.high
    low_open, high_open = getattr(interval, "low_open", False), getattr(interval, "high_open", False)
    sizes = [abs(value) for value in usual if value] or [1.0]
    if math.isfinite(high):
        slider = low, high, False
    elif low_open:
        slider = min(sizes) / 10, 10 * max(sizes), True
    else:
        slider = max(low, -2 * max(sizes)), 2 * max(sizes), False
    off = [*getattr(interval, "extra_values", ()), *([None] if getattr(interval, "none_means", None) else [])]
    return {
        "low": low if math.isfinite(low) else None,
        "high": high if math.isfinite(high) else None,
        "lowOpen": low_open,
        "highOpen": high_open,
        "slider": {"from": slider[0], "to": slider[1], "logarithmic": slider[2]},
        **({"off": off[0]} if off else {}),
    }


def number(value: Any) -> Any:
    """The number that a batch of one holds; of a distribution over two classes, the share of the first."""
    while isinstance(value, list):
        value = value[0]
    return value
