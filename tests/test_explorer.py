"""The explorer computes what Lossary computes, says everything in both languages, and is one file that needs no other."""

import json
import shutil
import subprocess
from importlib.resources import files
from itertools import product
from typing import Any

import numpy as np
import pytest

from lossary import plots
from lossary.core.record import Loss, catalogue
from lossary.explorer import SCRIPTS, page
from lossary.explorer.data import content

DRAWN = [pytest.param(record, id=record.name) for record in catalogue() if record.plot]
OPTIONS = {record.name: content()["losses"][record.name]["options"] for record in catalogue() if record.plot}
BESIDE_PAGE = [name for name in SCRIPTS if name != "page.js"]


def javascript(body: str, given: Any = None) -> Any:
    """What the function of `given` with this body returns, among the explorer's scripts, in node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node, which runs the explorer's formulas here, is not installed")
    scripts = "\n".join(files("lossary.explorer").joinpath(name).read_text("utf-8") for name in BESIDE_PAGE)
    written = (
        "const plain = (_, x) => (typeof x === 'number' && !Number.isFinite(x) ? String(x) : x);\n"
        f"const answer = ((given) => {{ {body} }})(JSON.parse(require('fs').readFileSync(0, 'utf8')));\n"
        "process.stdout.write(JSON.stringify(answer, plain));"
    )
    done = subprocess.run(
        [node, "-e", f"{scripts}\n{written}"], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def several(option: dict[str, Any]) -> list[Any]:
    """Values of an option: its default, those of its ends that are allowed, and one between."""
    if option["kind"] == "choice":
        return option["values"]
    if option["kind"] == "flag":
        return [False, True]
    slider = option["slider"]
    between = np.sqrt(slider["from"] * slider["to"]) if slider["logarithmic"] else np.mean([slider["from"], slider["to"]])
    values = {option["default"], 0.37 * slider["to"], float(between)}
    values |= {slider["from"]} if not option["lowOpen"] else set()
    return [*sorted(value for value in values if value is not None), *([None] if None in values else [])]


def settings(record: Loss) -> list[dict[str, Any]]:
    """Each option over its values, the others at their defaults; and some pairs of them."""
    options = OPTIONS[record.name]
    defaults = {option["name"]: option["default"] for option in options}
    found = [defaults]
    for option in options:
        found += [defaults | {option["name"]: value} for value in several(option)]
    for first, second in zip(options, options[1:], strict=False):
        found += [
            defaults | {first["name"]: a, second["name"]: b} for a, b in product(several(first), several(second))
        ]
    return [setting for setting in found if allowed(record, setting)]


def allowed(record: Loss, setting: dict[str, Any]) -> bool:
    """Whether the options that belong to words of another stand beside these words."""
    for option in OPTIONS[record.name]:
        for other, ranges in option.get("ranges", {}).items():
            allowed = ranges.get(setting[option["name"]])
            default = next(o["default"] for o in OPTIONS[record.name] if o["name"] == other)
            if allowed is None and setting[other] != default:
                return False
            if allowed and allowed["lowOpen"] and setting[other] == allowed["low"]:
                return False
    return True


def nested(record: Loss, setting: dict[str, Any]) -> dict[str, Any]:
    """The options as the loss takes them beside the numbers of its plot."""
    assert record.plot
    found = {}
    for name, value in setting.items():
        depth = np.ndim(next(iter(record.plot.sweep.get(name, ())), 0.0))
        found[name] = np.full((1,) * depth, value).tolist() if name in record.data and depth else value
    return found


@pytest.mark.parametrize("record", DRAWN)
def test_formulas_are_those_of_the_library(record: Loss) -> None:
    """Value and derivative, at 801 points of the record's axis, for several values of every option."""
    assert record.plot
    wanted = [plots._curve(record, record.plot, nested(record, s), None, True) for s in settings(record)]
    body = f"""
      const loss = formulas.losses.{record.name};
      if (!loss) throw new Error("formulas.js has no {record.name}");
      return given.map(({{ x, options }}) => x.map((value) => loss([value, 1], options)));
    """
    cases = [{"x": c.x.tolist(), "options": s} for c, s in zip(wanted, settings(record), strict=True)]
    for curve, setting, got in zip(wanted, settings(record), javascript(body, cases), strict=True):
        value, gradient = np.array(got, dtype=np.float64).T
        np.testing.assert_allclose(value, curve.value.ravel(), rtol=1e-9, atol=1e-9, err_msg=f"{setting}")
        np.testing.assert_allclose(gradient, curve.gradient.ravel(), rtol=1e-9, atol=1e-9, err_msg=f"{setting}")
