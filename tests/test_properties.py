"""Each loss claims the properties that it has, and no others that a sample could show."""

import dataclasses

import pytest

import lossary
from lossary.testing import LIBRARIES, cases
from lossary.testing.properties import HOLDS, at_defaults

ANY = (-1e3, 1e3)
"""Bounds for losses that claim none."""


def seen(loss, name, seeds):
    """The samples that have something to show, each with what is wrong."""
    record = dataclasses.replace(loss, bounds=loss.bounds or ANY)
    for case in cases(loss.public, lambda: 0, LIBRARIES["numpy"], "float64", seeds):
        there = at_defaults(dataclasses.replace(case, loss=record), name)
        try:
            if there is not None and HOLDS[name](there):
                yield ""
        except (AssertionError, ValueError) as error:  # which says that data that are changed are no data of the loss
            yield str(error)


@pytest.mark.parametrize("name", HOLDS)
@pytest.mark.parametrize("loss", lossary.catalogue(), ids=lambda loss: loss.name)
def test_a_property_is_claimed_where_it_holds(loss, name):
    found = list(seen(loss, name, range(8)))
    if name in loss.properties:
        assert found, f"{loss.name}: no sample can show that it is {name}"
        assert not any(found), f"{loss.name} is not {name}: {found}"
        return
    refuted = not found or any(found) or any(seen(loss, name, range(8, 64)))
    assert refuted, f"{loss.name} is {name} in {len(found)} samples: claim it, or say here why not"
