"""Identities of the losses of survival: times to an event, some of them censored."""

import itertools
import math

import numpy as np

import lossary.functional as F
from lossary.core.arrays import Array, as_array, namespace
from lossary.identities.domains import Rng
from lossary.identities.identity import Domain, Identity, Inputs

ROWS = 8


def _hazards(rng: Rng, extreme: bool, *shape: int) -> np.ndarray:
    return rng.normal(0, 50 if extreme else 1, shape)


def _survivors(rng: Rng, extreme: bool) -> Inputs:
    """Some of them tied, the first of them dead."""
    event = rng.integers(0, 2, ROWS)
    event[0] = 1
    return {"hazards": _hazards(rng, extreme, ROWS), "time": rng.integers(1, 5, ROWS) / 2, "event": event}


def _in_strata(rng: Rng, extreme: bool) -> Inputs:
    return {**_survivors(rng, extreme), "strata": rng.integers(0, 3, ROWS)}


def _untied(rng: Rng, extreme: bool) -> Inputs:
    return {**_survivors(rng, extreme), "time": rng.permutation(ROWS) + 0.5}


def _one_of_each_row(rng: Rng, extreme: bool) -> Inputs:
    return {"logits": _hazards(rng, extreme, ROWS, 5), "labels": rng.integers(0, 5, ROWS)}


def _pairs(rng: Rng, extreme: bool) -> Inputs:
    return {"first": _hazards(rng, extreme, ROWS), "second": _hazards(rng, extreme, ROWS)}


def _four(rng: Rng, extreme: bool) -> Inputs:
    return {"hazards": rng.normal(0, 5 if extreme else 1, 4)}


def _equals(rng: Rng, extreme: bool) -> Inputs:
    return {"hazards": np.full(ROWS, rng.normal(0, 50 if extreme else 1))}


def _cox(hazards: Array, time: Array, event: Array, **options: object) -> Array:
    return F.cox_loss(hazards, time, event, reduction="none", **options)  # pyright: ignore[reportArgumentType]


def _like(x: np.ndarray, hazards: Array) -> Array:
    return as_array(x, like=hazards)


def _one_event_in_each_stratum(logits: Array, labels: Array) -> Array:
    rows, classes = logits.shape
    xp = namespace(logits)
    place = _like(np.arange(classes), labels)
    event = xp.reshape(labels[:, None] == place[None, :], (-1,))
    strata = _like(np.repeat(np.arange(rows), classes), labels)
    losses = _cox(xp.reshape(logits, (-1,)), xp.ones_like(strata), event, strata=strata)
    return xp.sum(xp.reshape(losses, logits.shape), axis=1)


def _first_dies(first: Array, second: Array) -> Array:
    xp, rows = namespace(first), first.shape[0]
    strata = _like(np.tile(np.arange(rows), 2), first)
    event = _like(np.repeat([1, 0], rows), first)
    return _cox(xp.concat([first, second]), xp.ones_like(strata), event, strata=strata)[:rows]


def _over_all_orders(hazards: Array) -> Array:
    """The summed probability of every order in which all may die."""
    xp, event = namespace(hazards), _like(np.ones(4, np.int64), hazards)
    orders = [_like(np.array(order), hazards) for order in itertools.permutations(range(4))]
    return sum(xp.exp(-xp.sum(_cox(hazards, order, event))) for order in orders)


SURVIVAL = (
    Identity(
        name="cox_of_one_event_is_cross_entropy",
        statement="Cox's partial likelihood of one event = the cross-entropy of its row among all at risk.",
        formula=r"\mathrm{Cox}(x, t, e_y) = \mathrm{CE}(x, y)",
        inputs=Domain("logits: a stratum for each row; labels: the one that dies, all being at risk", _one_of_each_row),
        relation="equal",
        left=_one_event_in_each_stratum,
        right=lambda logits, labels: F.cross_entropy(logits, labels, reduction="none"),
        losses=("cox_loss", "cross_entropy"),
        ulps=32.0,
        reason="log-sum-exps of five in another order",
    ),
    Identity(
        name="cox_of_two_rows_is_binary_cross_entropy",
        statement="Of two rows, Cox's partial likelihood = the binary cross-entropy of the lead of the one that dies.",
        formula=r"\mathrm{Cox}((a, b), t, (1, 0)) = \mathrm{BCE}(a - b, 1)",
        inputs=Domain("first, second: log-hazards of as many pairs, of which the first die", _pairs),
        relation="equal",
        left=_first_dies,
        right=lambda first, second: F.binary_cross_entropy_with_logits(
            first - second, namespace(first).ones_like(first), reduction="none"
        ),
        losses=("cox_loss", "binary_cross_entropy_with_logits"),
        unit=50.0,
    ),
    Identity(
        name="cox_knows_the_order_of_times_alone",
        statement="Cox's partial likelihood stays where times go through any increasing function.",
        formula=r"\mathrm{Cox}(x, t, \delta) = \mathrm{Cox}(x, t^3 + 1, \delta)",
        inputs=Domain("hazards: real; time: tied; event: 0 or 1", _survivors),
        relation="equal",
        left=_cox,
        right=lambda hazards, time, event: _cox(hazards, time**3 + 1, event),
        losses=("cox_loss",),
        ulps=0.0,
    ),
    Identity(
        name="cox_of_untied_times_is_of_breslow_and_efron",
        statement="Where no two times are equal, the ways of Breslow and of Efron are the same.",
        formula=r"\mathrm{Cox}_{\text{Breslow}}(x, t, \delta) = \mathrm{Cox}_{\text{Efron}}(x, t, \delta)",
        inputs=Domain("hazards: real; time: all different; event: 0 or 1", _untied),
        relation="equal",
        left=_cox,
        right=lambda hazards, time, event: _cox(hazards, time, event, ties="efron"),
        losses=("cox_loss",),
    ),
    Identity(
        name="efron_is_below_breslow",
        statement="Efron's denominators are no larger than Breslow's.",
        formula=r"\mathrm{Cox}_{\text{Breslow}}(x, t, \delta) \ge \mathrm{Cox}_{\text{Efron}}(x, t, \delta)",
        inputs=Domain("hazards: real; time: tied; event: 0 or 1", _survivors),
        relation="at_least",
        left=_cox,
        right=lambda hazards, time, event: _cox(hazards, time, event, ties="efron"),
        losses=("cox_loss",),
    ),
    Identity(
        name="cox_of_strata_adds_up",
        statement="Cox's partial likelihood of strata = the sum over its strata, each alone.",
        formula=r"\mathrm{Cox}(x, t, \delta, s) = \sum_k \mathrm{Cox}(x_{s = k}, t_{s = k}, \delta_{s = k})",
        inputs=Domain("hazards: real; time: tied; event: 0 or 1; strata: 0 to 2", _in_strata),
        relation="equal",
        left=lambda hazards, time, event, strata: _cox(hazards, time, event, strata=strata),
        right=lambda hazards, time, event, strata: sum(
            _cox(hazards, time, event, sample_weight=namespace(hazards).astype(strata == k, hazards.dtype))
            for k in range(3)
        ),
        losses=("cox_loss",),
    ),
    Identity(
        name="cox_of_all_orders_adds_up_to_1",
        statement="The probabilities that Cox's model gives to every order of four deaths add up to 1.",
        formula=r"\sum_{\sigma} e^{-\mathrm{Cox}(x, \sigma, 1)} = 1",
        inputs=Domain("hazards: of four rows that all die", _four),
        relation="equal",
        left=_over_all_orders,
        right=lambda hazards: 1.0,
        losses=("cox_loss",),
        ulps=128.0,
        reason="a sum of 24 exponentials, each of a sum of four logarithms",
    ),
    Identity(
        name="efron_of_equals_counts_orders",
        statement="Of equal hazards that all die at once Efron's way counts the orders: log N! over N rows.",
        formula=r"\sum_i \mathrm{Cox}_{\text{Efron}}(c, 1, 1)_i = \log N!",
        inputs=Domain("hazards: one number for all rows", _equals),
        relation="equal",
        left=lambda hazards: namespace(hazards).sum(
            _cox(hazards, namespace(hazards).ones_like(hazards), _like(np.ones(ROWS, np.int64), hazards), ties="efron")
        ),
        right=lambda hazards: math.log(math.factorial(ROWS)),
        losses=("cox_loss",),
        unit=50.0,
    ),
)
