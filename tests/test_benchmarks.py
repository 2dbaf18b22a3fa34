"""The contestants of benchmarks/ compute the same, and what was measured is what the picture shows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import contestants, formulas, page
from benchmarks.cases import ALL, LIMIT, LOSSARY, PEERS, SEQUENCES, Case, large, listed, small
from lossary.core.record import CATALOGUE

ROOT = Path(__file__).parents[1]
REPORT = json.loads((ROOT / "benchmarks" / "results" / "benchmarks.json").read_text(encoding="utf-8"))
KINDS = list({case.title: case for case in listed()}.values())
TOLERANCE = {"fp32": 1e-5, "bf16": 0.03}


def tiny(case: Case) -> Case:
    shape = (9, 3, 5, 4) if case.data in SEQUENCES else tuple(min(n, 7) for n in case.shape)
    return replace(case, shape=shape)


def in_fp64(case: Case) -> contestants.Answer:
    arguments = {n: x.double() if x.is_floating_point() else x for n, x in case.arguments().items()}
    return contestants.in_torch(case, arguments, formulas.of_torch(torch.nn.functional, case.loss)).answer()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", KINDS, ids=[case.title for case in KINDS])
def test_contestants_agree(case, dtype):
    case = replace(tiny(case), dtype=dtype)
    value, gradients = in_fp64(case)
    entered = contestants.contestants(case, (LOSSARY, *PEERS, LIMIT), backend="aot_eager")
    assert set(entered) >= {LOSSARY, *PEERS[:3], LIMIT}
    for name, contestant in entered.items():
        contestant.forward()
        contestant.step()
        if name != LIMIT:
            found, found_gradients = contestant.answer()
            np.testing.assert_allclose(found, value, rtol=TOLERANCE[dtype], err_msg=name)
            assert set(found_gradients) == set(case.wanted)
            for wanted, gradient in gradients.items():
                if case.loss == "ctc_loss":  # they differ, but for what goes on through log_softmax
                    p = np.exp(case.arguments()[wanted].double().numpy())
                    gradient, found_gradients[wanted] = (
                        g - p * g.sum(2, keepdims=True) for g in (gradient, found_gradients[wanted])
                    )
                scale = np.abs(gradient).max()
                np.testing.assert_allclose(
                    found_gradients[wanted] / scale,
                    gradient / scale,
                    atol=TOLERANCE[dtype],
                    err_msg=f"{name}, {wanted}",
                )


def test_steps_leave_no_gradients_behind():
    case = tiny(ALL[0])
    arguments = case.arguments()
    contestant = contestants.in_torch(case, arguments, formulas.of_torch(torch.nn.functional, case.loss))
    first, second = (contestant.step() or contestant.answer()[1]["input"] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not arguments["input"].requires_grad


@pytest.mark.parametrize("case", KINDS, ids=[case.title for case in KINDS])
def test_cases_are_well_formed(case):
    arguments = tiny(case).arguments()
    again = tiny(case).arguments()
    assert all(torch.equal(x, again[name]) for name, x in arguments.items()), "the draw is not seeded"
    assert set(case.wanted) <= set(arguments)
    assert case.title in formulas.OPTAX


def test_the_list_is_what_it_says():
    names = [case.name for case in (*listed(), *small())]
    assert len({case.name for case in listed()}) == len(listed())
    assert {case.loss for case in small()} == {
        case.loss
        for case in listed()
        if CATALOGUE[case.loss].kernel and case.data not in SEQUENCES and "images" not in case.title
    }
    assert {case.name for case in large()} <= set(names)
    assert set(formulas.KERAS) <= set(formulas.OPTAX) == {case.title for case in ALL}


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readme_says_what_was_measured(readme):
    said, found = (ROOT / readme).read_text(encoding="utf-8"), page.means(REPORT["times"], "step")
    numbers = [
        str(len(REPORT["times"])),
        *(f"{found[f'{who} over Lossary']:.1f}" for who in ("torch eager", "best peer")),
    ]
    assert all(f" {number} " in said for number in numbers), numbers


def test_the_picture_shows_every_case():
    drawn = (ROOT / "docs" / "images" / "benchmarks.svg").read_text(encoding="utf-8")
    for case in REPORT["times"]:
        assert f"{case['title']} {page.size(case)}" in drawn, "run `make docs`"
    assert REPORT["machine"]["date"] in drawn
