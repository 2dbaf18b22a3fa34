"""Losses of other libraries answer what Lossary answers, after the conversion that the record's `elsewhere` states."""

import pkgutil

import numpy as np
import pytest
from conversions import ROWS, Row
from peers import OF_TORCH, PACKAGES, array, numbers, peer

import lossary

RECORDS = {record.name: record for record in lossary.catalogue()}
NO_ROW = {
    ("info_nce_loss", "optax.losses.ntxent"): "no row is a candidate of itself there",
}
"""Why a peer that a record names is not run."""


def library_of(name: str) -> str:
    return next(library for library, root in PACKAGES.items() if root == name.partition(".")[0])


def stated(row: Row) -> str:
    return "; ".join(entry.conversion for entry in RECORDS[row.loss].elsewhere if entry.name == row.name)


@pytest.mark.filterwarnings("ignore")  # the peers' own affair
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.loss}-{row.name}")
def test_it_is_the_same_after_the_conversion(row: Row):
    library, function = library_of(row.name), peer(row.name)
    data = {name: array(x, library) for name, x in row.data.items()}
    learned = [x for x in data.values() if library in OF_TORCH and hasattr(x, "detach") and x.is_floating_point()][:1]
    for x in learned:
        x.requires_grad_()
    said = f"{row.loss} beside {row.name}: {stated(row)}"
    theirs = row.theirs(function, **data)
    ours = getattr(lossary, row.loss)(**(data if learned else row.data), **row.options)
    np.testing.assert_allclose(numbers(theirs), numbers(ours), rtol=1e-5, atol=1e-5, err_msg=said)
    if learned:
        import torch

        slopes = [torch.autograd.grad(answer.sum(), learned)[0] for answer in (theirs, ours)]
        np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-5, atol=1e-5, err_msg=f"{said}, gradient")


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_every_peer_has_its_conversion(record):
    rows = {row.name for row in ROWS if row.loss == record.name}
    named = {entry.name for entry in record.elsewhere if entry.library in PACKAGES}
    without = {name for loss, name in NO_ROW if loss == record.name}
    assert named - without <= rows, f"add a row of {record.name} for {named - without - rows} to conversions.py"
    assert rows <= named, f"say in `elsewhere` of {record.name} what converts {rows - named}"
    assert not without & rows and without <= named
    for entry in record.elsewhere:
        assert entry.library != "torch" or callable(pkgutil.resolve_name(entry.name))
