"""The names that `import lossary` gives: those that are meant, and torch not imported for them."""

import subprocess
import sys

WHOLE = """
import sys
import lossary

losses = {record.name for record in lossary.catalogue()}
later = {"functional", "identities", "information", "nn", "compare", "plot", "Recorder", "report", "__version__"}
others = {"LogProb", "Mixed", "TopK", "catalogue", "check", "class_weights", "ctc_align", "explain", "linear_log_prob",
          "log_prob", "loss", "patch_torch", "pos_weight", "strict"}
assert set(dir(lossary)) == losses | others | later, set(dir(lossary)) ^ (losses | others | later)
given = {}
exec("from lossary import *", given)
assert given.keys() - {"__builtins__"} == losses | others
assert lossary.information.entropy and lossary.identities.IDENTITIES
heavy = {"IPython", "jax", "jinja2", "latex2mathml", "lossary.plots", "lossary.reports", "matplotlib", "pandas",
         "polars", "pyarrow", "rich", "scipy", "torch", "typer"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
sys.modules["torch"] = None
try:
    lossary.nn
except AttributeError as error:
    assert "lossary.nn needs torch: pip install torch" in str(error)
try:
    lossary.crossentropy
except AttributeError as error:
    assert "lossary.catalogue() lists the losses" in str(error) and error.name == "crossentropy"
del sys.modules["torch"]
assert lossary.nn.CrossEntropyLoss and lossary.nn.Linear
print("whole")
"""


def test_the_package_has_the_names_that_are_meant_and_imports_its_modules_when_they_are_asked_for() -> None:
    answer = subprocess.run([sys.executable, "-W", "error", "-c", WHOLE], capture_output=True, text=True)
    assert answer.stdout == "whole\n", answer.stderr
