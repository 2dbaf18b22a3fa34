"""Every loss as a module beside torch's class of its name: what code does with the one, it does with the other."""

import copy
import inspect
import pickle

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from torch.export import Dim, export

import lossary
from lossary import nn
from lossary.core.contract import Flag, Range

MODULES = [module for module in nn.loss_modules() if module is not nn.LinearCrossEntropyLoss]  # tests/test_modules.py
SHARED = [module for module in MODULES if hasattr(torch.nn, module.__name__)]
WEIGHTS = [(module, name) for module in SHARED for name in module.option_names if name in module.loss.data]
LEARNABLE = [
    (module, name)
    for module in MODULES
    for name, allowed in module.loss.options.items()
    if isinstance(allowed, Range) and not allowed.integer
]
each = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
each_shared = pytest.mark.parametrize("module", SHARED, ids=lambda module: module.__name__)


def named(value):
    return value if isinstance(value, str) else value.__name__


def data_of(module) -> list[torch.Tensor]:
    """Those of its record's first example."""
    arguments = module.loss.examples[0].arguments
    return [torch.tensor(arguments[n]) for n in module.loss.data if n not in module.loss.defaults]


# As torch's


@each_shared
def test_it_is_an_instance_of_torchs_class(module, monkeypatch):
    """Made without torch's __init__, which knows torch's options alone, it has the attributes that torch's has."""
    torchs = getattr(torch.nn, module.__name__)
    theirs = torchs()
    monkeypatch.setattr(torchs, "__init__", None)
    ours = module()
    assert isinstance(ours, torchs)
    names = [*theirs._buffers, *theirs._parameters, *(name for name in vars(theirs) if name[0] != "_")]
    assert {"reduction", "training"} <= {*names}
    for name in names:
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours._buffers.keys() == theirs._buffers.keys()


@each
def test_all_are_losses_to_torch(module):
    assert issubclass(module, torch.nn.modules.loss._Loss)


@each
def test_forward_takes_the_data_under_torchs_names(module):
    def positional(function):
        parameters = inspect.signature(function).parameters.values()
        return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"]

    torchs = getattr(torch.nn, module.__name__, None)
    records = [name for name in module.loss.data if name not in module.loss.defaults]
    names = positional(module.forward)
    assert names == (records if torchs is None else positional(torchs.forward)) == list(module.data_names)
    assert names == records or module is nn.PoissonNLLLoss, "torch calls its input log_input"
    per_call = {n for n, p in inspect.signature(module.forward).parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert per_call.isdisjoint(module.signature.parameters) and {"sample_weight", "normalizer"} <= per_call
    assert per_call.union(module.signature.parameters) == module.loss.signature.parameters.keys() - {*records}


def test_each_class_has_code_of_its_own():
    """Of which torch.compile keeps eight compiled forms: one for all classes would be the ninth's failure."""
    assert len({module.forward.__code__ for module in MODULES}) == len(MODULES)


@pytest.mark.parametrize(("module", "name"), WEIGHTS, ids=named)
def test_the_state_of_either_fits_the_other(module, name):
    torchs = getattr(torch.nn, module.__name__)
    for source, target in ((torchs, module), (module, torchs)):
        given, loaded = source(**{name: torch.arange(3.0)}), target(**{name: torch.ones(3)})
        loaded.load_state_dict(given.state_dict(), strict=True)
        assert getattr(loaded, name).tolist() == [0, 1, 2]


@each
@pytest.mark.filterwarnings("ignore:kl_div")
def test_it_answers_as_the_function_and_so_do_its_copies(module):
    made = module()
    for subject in (made, copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        by_name = dict(zip(module.data_names, data_of(module), strict=True))
        torch.testing.assert_close(subject(**by_name), module.function(*data_of(module)))
        assert repr(subject) == f"{module.__name__}()"


@pytest.mark.parametrize(
    "module", [nn.CrossEntropyLoss, nn.PoissonNLLLoss, nn.GaussianNLLLoss, nn.TripletMarginLoss], ids=named
)
def test_it_compiles(module):
    torch.compiler.reset()
    data = data_of(module)
    compiled = torch.compile(module(reduction="sum"), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*data), module(reduction="sum")(*data))


@pytest.mark.parametrize("options", [{}, {"weight": torch.ones(2), "label_smoothing": 0.1}], ids=["plain", "options"])
def test_made_inside_compiled_code_it_is_lossarys(options):
    """And not what torch.compile knows of torch's class by heart: the mean over ignored rows is 0 here, NaN there."""
    torch.compiler.reset()
    compiled = torch.compile(lambda x, y: nn.CrossEntropyLoss(**options)(x, y), fullgraph=True, backend="aot_eager")
    x, y = torch.tensor([[0.0, 1.0], [2.0, 0.0]]), torch.tensor([0, -100])
    assert compiled(x, torch.full_like(y, -100)) == 0
    torch.testing.assert_close(compiled(x, y), lossary.cross_entropy(x, y, **options))


BATCH = {0: Dim("batch", min=2, max=512)}
EXPORTS = {
    "input, target": nn.MSELoss(),
    "options": nn.CrossEntropyLoss(weight=torch.arange(1.0, 4.0), label_smoothing=0.1),
    "log_input, target": nn.PoissonNLLLoss(),
}


@pytest.mark.parametrize("strict", [False, True], ids=["traced", "strict"])
@pytest.mark.parametrize("case", EXPORTS)
def test_it_exports_with_shapes_by_the_names_of_its_data(case, strict):
    def data(n):
        x = torch.linspace(0.1, 2, 3 * n).reshape(n, 3)
        return x, torch.arange(n) % 3 if case == "options" else x.cos() + 1

    module = EXPORTS[case]
    shapes = dict.fromkeys(module.data_names, BATCH)
    program = export(module, data(8), dynamic_shapes=shapes, strict=strict).module()
    torch.testing.assert_close(program(*data(31)), module(*data(31)))


@pytest.mark.parametrize(("name", "last"), [("CrossEntropyLoss", []), ("NLLLoss", [torch.nn.Softmax(-1)])])
def test_skorch_knows_what_the_outputs_are(name, last):
    """Which it decides by the class of the criterion: logits with CrossEntropyLoss, probabilities with NLLLoss."""
    x = np.linspace(-2, 2, 160, dtype=np.float32).reshape(40, 4) ** 2
    y = (x.sum(1) > 4).astype(np.int64)
    linear, losses = torch.nn.Linear(4, 2), []
    for library in (nn, torch.nn):
        model = torch.nn.Sequential(copy.deepcopy(linear), *last)
        net = NeuralNetClassifier(model, criterion=getattr(library, name), max_epochs=3, verbose=0, train_split=None)
        net.fit(x, y)
        np.testing.assert_allclose(net.predict_proba(x).sum(1), 1, rtol=1e-6)
        losses.append(net.history[:, "train_loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)
