"""The numbers to expect that a record states: what an untrained model costs, and the least value that there is."""

import dataclasses
import math
from collections.abc import Callable, Iterator

import letters
import numpy as np
import pytest
from readings import Call

import lossary
from lossary.core.contract import axes
from lossary.core.record import CATALOGUE, Loss
from lossary.testing.samples import Sample, ordinary


def start(loss: Loss) -> float:
    arguments = loss.expect.start.arguments.items()
    return float(loss.public(**{name: np.asarray(x) if isinstance(x, list) else x for name, x in arguments}))


@pytest.mark.parametrize("loss", lossary.catalogue(), ids=lambda loss: loss.name)
def test_an_untrained_model_costs_what_is_stated(loss: Loss):
    assert math.isclose(start(loss), loss.expect.start.value, rel_tol=1e-12, abs_tol=1e-12)


SAMPLES = 12
STEPS = 50
NEAR = 1e-2
OF_THE_DATA = ("blank", "format", "quantiles")
"""Options that data were drawn for."""
DISTRIBUTIONS = ("kl_div",)
"""Losses of elements whose rows, the last axis, are distributions."""
DISTANCES = ("hinge_embedding_loss",)
"""Losses of any numbers that are meant for those from 0 up."""


def without_ties(sample: Sample) -> Sample:
    return sample.but(duration=np.arange(sample.dims["N"], dtype=float))


THERE: dict[str, Callable[[Sample], Sample]] = {
    "cox_loss": without_ties,
    "gaussian_nll_loss": lambda sample: sample.but(var=np.full_like(sample.arguments["var"], 1e-7)),
    "dpo_loss": lambda sample: sample.but(rejected=sample.arguments["rejected"] - 1e3),
}
"""Where the least value stands, if not at whatever else is drawn."""
ABOVE: dict[str, Callable[[Call], np.ndarray]] = {
    "gaussian_nll_loss": lambda call: call.value - np.log(1e-6) / 2,
    "poisson_nll_loss": lambda call: call.value - poisson(call.arguments["target"]),
    "kl_div": lambda call: np.reshape(call.value, call.arguments["target"].shape).sum(-1),
    "info_nce_loss": lambda call: call.value - opposite(call.sample.dims["M"], call.loss.defaults["temperature"]),
}
"""How far values are above the least one, where that is not 0."""
NOT_REACHED = ("info_nce_loss",)
"""Losses whose record states a bound, and not that it is reached."""


def poisson(target: np.ndarray) -> np.ndarray:
    return np.ravel(target - target * np.log(np.maximum(target, 1.0)))


def opposite(count: int, temperature: float) -> float:
    """What a row costs whose cosines are 1 with its positive and -1 with all others."""
    return np.log1p((count - 1) * np.exp(-2 / temperature))


def samples(loss: Loss) -> Iterator[Sample]:
    """Calls with targets that are certain, and with all else at its default that the data do not depend on."""
    sizes = {"s": (4, 3)} if loss.name in DISTRIBUTIONS else None
    count = 0
    for seed in letters.SEEDS:
        sample = letters.at_defaults(loss, ordinary(loss, seed, sizes=sizes), lambda name, value: name in OF_THE_DATA)
        if sample is not None and letters.is_arrangeable(loss, sample) and count < SAMPLES:
            count += 1
            yield THERE.get(loss.name, lambda sample: sample)(certain(loss, sample))


def certain(loss: Loss, sample: Sample) -> Sample:
    target = list(loss.data)[1]
    spec, x = sample.specs[target], sample.arguments[target]
    if loss.name in DISTRIBUTIONS or (spec.domain.sums and "C" in spec.shape.split()):
        axis = -1 if loss.name in DISTRIBUTIONS else class_axis(sample, target)
        return sample.but(**{target: (x == x.max(axis, keepdims=True)).astype(float)})
    return sample.but(**{target: np.round(x)}) if "probabilities" in spec.domain.name else sample


def class_axis(sample: Sample, name: str) -> int:
    return [axis for axis, _ in axes(sample.specs[name].shape, sample.dims)].index("C")


def in_domain(loss: Loss, sample: Sample, x: np.ndarray) -> np.ndarray:
    """The nearest prediction that has a meaning."""
    name = next(iter(loss.data))
    domain = sample.specs[name].domain
    if loss.name in DISTRIBUTIONS or domain.sums == "logarithms":
        axis = -1 if loss.name in DISTRIBUTIONS else class_axis(sample, name)
        return x - np.log(np.exp(x).sum(axis, keepdims=True))
    return np.asarray(sample.inside(name, np.clip(x, 0.0 if loss.name in DISTANCES else domain.low, domain.high)))


def downhill(loss: Loss, sample: Sample) -> Iterator[Call]:
    """From a sample to ever smaller losses, by the signs of the slope (Riedmiller and Braun, 1993)."""
    name = next(iter(loss.data))
    x = in_domain(loss, sample, np.array(sample.arguments[name]))
    step, last = np.ones(x.shape), np.zeros(x.shape)
    for _ in range(STEPS):
        call = Call(loss, sample.but(**{name: x}))
        yield call
        sign = np.sign(call.slope(name))
        step, last = np.where(sign * last < 0, step / 2, np.minimum(1.5 * step, 8.0)), sign
        x = in_domain(loss, sample, x - step * sign)


def search(loss: Loss) -> None:
    """AssertionError where a value is below the floor, or none comes near it."""
    nearest = np.inf
    for sample in samples(loss):
        for call in downhill(loss, sample):
            above = ABOVE.get(loss.name, lambda call: call.value)(call)
            assert (above >= -1e-9).all(), f"{loss.name} is {-above.min()} below its floor at {call.arguments}"
            nearest = min(nearest, above.min())
    assert nearest < NEAR or loss.name in NOT_REACHED, f"{loss.name} stays {nearest} above its floor"


@pytest.mark.parametrize("loss", lossary.catalogue(), ids=lambda loss: loss.name)
def test_nothing_is_below_the_floor(loss: Loss):
    assert loss.expect.floor.startswith("0") or loss.name in ABOVE, "say in ABOVE what the floor is"
    search(loss)


def shifted(loss: Loss, by: float) -> Loss:
    return dataclasses.replace(loss, public=lambda **arguments: loss.public(**arguments) + by)


@pytest.mark.parametrize("name", ["mse_loss", "cross_entropy", "kl_div", "poisson_nll_loss", "dice_loss", "ctc_loss"])
@pytest.mark.parametrize("by", [-0.02, 0.02])
def test_another_floor_is_found(name: str, by: float):
    with pytest.raises(AssertionError, match="below its floor" if by < 0 else "above its floor"):
        search(shifted(CATALOGUE[name], by))


def test_another_start_is_found():
    loss = CATALOGUE["huber_loss"]
    assert not math.isclose(start(shifted(loss, 1e-9)), loss.expect.start.value, rel_tol=1e-12)
