"""`lossary.nn` stands for `torch.nn`, and `lossary.functional` for its functions: names, submodules, imports."""

import importlib
import importlib.resources
import pickle
import pkgutil
import subprocess
import sys

import pytest
import torch

import lossary
from lossary import functional, nn
from lossary.modules import submodules

LOSSES = {module.__name__ for module in nn.loss_modules()} | {"AdaptiveLogSoftmaxWithLoss"}
TORCHS_ONCE = """
files = {(m.__spec__.origin, id(m)) for m in [*sys.modules.values()] if getattr(m, "__spec__", None)}
files = [origin for origin, _ in files if "torch/nn/" in (origin or "").replace("\\\\", "/")]
assert len(files) == len(set(files)) > 50, "a file of torch has become two modules"
"""


def fresh(*lines: str) -> None:
    """Run `lines` in a process of their own, in which no file of torch.nn may then be there twice."""
    code = "\n".join(("import sys", *lines, TORCHS_ONCE))
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("first", "holds"),
    [
        ("import lossary.nn.parameter as p", "p.Parameter is torch.nn.Parameter"),
        ("import lossary.nn.utils.rnn as rnn", "rnn.PackedSequence is torch.nn.utils.rnn.PackedSequence"),
        ("from lossary.nn.functional import relu, mse_loss", "(relu, mse_loss) == (F.relu, lossary.mse_loss)"),
        ("from lossary.nn.utils import prune", "prune.__spec__.name == 'torch.nn.utils.prune'"),
    ],
)
def test_a_submodule_may_be_the_first_that_a_process_imports(first, holds):
    fresh(first, "import lossary, torch", "from torch.nn import functional as F", f"assert {holds}")


NAMES = [
    "import importlib, pkgutil, lossary.nn, torch",
    "names = [m.name.removeprefix('torch.nn.') for m in pkgutil.walk_packages(torch.nn.__path__, 'torch.nn.')]",
    "assert len(names) > 100 and {'functional', 'parameter', 'attention.flex_attention'} < {*names}",
    "def theirs(name):",
    "    return lossary.functional if name == 'functional' else importlib.import_module(f'torch.nn.{name}')",
    "def forget():",
    "    for name in [n for n in sys.modules if n.startswith('lossary.nn.')]:",
    "        del sys.modules[name]",
    "        vars(lossary.nn).pop(name.removeprefix('lossary.nn.'), None)",
    "    lossary.nn.functional = lossary.functional",
]


def test_every_submodule_is_torchs_in_every_form_of_import():
    fresh(
        *NAMES,
        "for name in names:",
        "    package, _, last = f'lossary.nn.{name}'.rpartition('.')",
        "    for form in (",
        "        f'import lossary.nn.{name} as got',",
        "        f'import lossary.nn.{name}; got = lossary.nn.{name}',",
        "        f'from {package} import {last} as got',",
        "        f'got = importlib.import_module(\"lossary.nn.{name}\")',",
        '        f\'got = __import__("lossary.nn.{name}", fromlist=["x"])\',',
        "    ):",
        "        forget()",
        "        exec(form)",
        "        assert got is theirs(name), f'{form}: {got}'",
    )


def test_every_submodule_is_torchs_in_every_thread():
    fresh(
        *NAMES,
        "from concurrent.futures import ThreadPoolExecutor",
        "from threading import Barrier",
        "together = Barrier(8)",
        "def run(name):",
        "    together.wait()",
        "    return __import__(f'lossary.nn.{name}', fromlist=['x'])",
        "sys.setswitchinterval(1e-6)",
        "with ThreadPoolExecutor(8) as pool:",
        "    for name in names:",
        "        forget()",
        "        assert {*pool.map(run, [name] * 8)} == {theirs(name)}, name",
    )


def test_no_thread_is_given_a_placeholder(monkeypatch):
    """Another that imports the same name meanwhile has what stands in sys.modules, and waits for no more."""
    seen, load = [], submodules.Alias.exec_module

    def watched(self, module):
        seen.append(sys.modules["lossary.nn.utils.prune"])
        load(self, module)

    importlib.import_module("lossary.nn.utils")
    monkeypatch.setattr(submodules.Alias, "exec_module", watched)
    monkeypatch.delitem(sys.modules, "lossary.nn.utils.prune", raising=False)
    importlib.import_module("lossary.nn.utils.prune")
    assert seen == [importlib.import_module("torch.nn.utils.prune")]


@pytest.mark.parametrize("name", ["nope", "utils.nope", "parameter.nope"])
def test_what_torch_does_not_have_cannot_be_imported(name):
    assert name == "parameter.nope" or importlib.util.find_spec(f"lossary.nn.{name}") is None
    with pytest.raises(ModuleNotFoundError, match=f"lossary.nn.{name}"):
        importlib.import_module(f"lossary.nn.{name}")
    with pytest.raises(ImportError, match="nope"):
        exec("from lossary.nn import nope")


def test_every_name_that_is_no_loss_is_torchs():
    names, functions = ({n for n in dir(m) if not n.startswith("__")} for m in (torch.nn, torch.nn.functional))
    assert names <= {*dir(nn)} and functions <= {*dir(functional)}
    other = {name for name in names if getattr(nn, name) is not getattr(torch.nn, name)}
    assert other == (LOSSES & names) | {"functional"}
    for name in functions:
        if name not in vars(functional):
            assert getattr(functional, name) is getattr(torch.nn.functional, name)


def test_star_gives_what_torchs_star_gives():
    ours, theirs = {}, {}
    exec("from lossary.nn import *", ours)
    exec("from torch.nn import *", theirs)
    assert ours.keys() == theirs.keys() | LOSSES
    other = {name for name in theirs if ours[name] is not theirs[name]}
    assert other - {"__builtins__"} == (LOSSES & theirs.keys()) | {"functional"}


def test_no_name_of_pythons_own_is_handed_on():
    for module in (nn, functional):
        for name in ("__wrapped__", "__no_such_thing__", "no_such_loss"):
            with pytest.raises(AttributeError, match=name):
                getattr(module, name)
    assert [*pkgutil.iter_modules(nn.__path__)] == [] and nn.__spec__.name == "lossary.nn"
    assert importlib.resources.files("lossary.nn.utils") == importlib.resources.files("torch.nn.utils")


def test_what_torch_pickles_needs_no_lossary():
    for value in (torch.nn.Linear, torch.nn.functional.relu, torch.nn.functional.gelu, torch.nn.functional.conv2d):
        assert b"lossary" not in pickle.dumps(value)


def test_lossary_nn_may_be_loaded_again():
    fresh(
        "import importlib, torch, lossary.nn",
        "importlib.reload(lossary.nn)",
        "assert lossary.nn.module_of(lossary.mse_loss) is lossary.nn.MSELoss",
        "assert lossary.check(lossary.nn.MSELoss(), torch.zeros(2), torch.ones(2)).loss == 'mse_loss'",
        "assert sum(type(finder).__name__ == 'Submodules' for finder in sys.meta_path) == 1",
    )


def test_compiled_code_takes_names_from_it():
    layer = nn.Linear(3, 2)

    def run(x):
        y = lossary.nn.functional.relu(lossary.nn.init.ones_(torch.empty(3)) + lossary.nn.utils.rnn.pad_sequence([x]))
        return lossary.functional.softmax(layer(y), -1) if isinstance(layer, nn.Linear) else y

    torch.compiler.reset()
    x = torch.ones(2, 3)
    torch.testing.assert_close(torch.compile(run, fullgraph=True, backend="eager")(x), run(x))
