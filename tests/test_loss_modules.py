"""Every loss as a module beside torch's class of its name: what code does with the one, it does with the other."""

import copy
import inspect
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from torch.export import Dim, export

import lossary
from lossary import nn
from lossary.core.contract import Range
from lossary.modules.loss_module import DEPRECATED

MODULES = [module for module in nn.loss_modules() if module is not nn.LinearCrossEntropyLoss]  # tests/test_modules.py
SHARED = [module for module in MODULES if hasattr(torch.nn, module.__name__)]
WEIGHTS = [(module, name) for module in SHARED for name in module.option_names if name in module.loss.data]
LEARNABLE = [
    (module, name)
    for module in MODULES
    for name, allowed in module.loss.options_beside(module.loss.defaults).items()
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


def test_torch_takes_all_of_them_for_losses():
    loss = torch.nn.modules.loss._Loss
    for module in (*MODULES, nn.LinearCrossEntropyLoss):
        assert issubclass(module, loss) and issubclass(module, getattr(torch.nn, module.__name__, loss))
    assert issubclass(nn.AdaptiveLogSoftmaxWithLoss, torch.nn.AdaptiveLogSoftmaxWithLoss)


def test_a_torch_that_lacks_a_class():
    """LinearCrossEntropyLoss is of 2.13."""
    code = (
        "import torch\nvars(torch.nn).pop('LinearCrossEntropyLoss', None)\nfrom lossary import nn\n"
        "assert nn.LinearCrossEntropyLoss(3, 2)(torch.ones(4, 3), torch.zeros(4, dtype=torch.long)) > 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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


# Options


def complaint(function, *args, **kwargs) -> str:
    """The error that a call raises, without the name that the message begins with."""
    with pytest.raises((TypeError, ValueError)) as raised:
        function(*args, **kwargs)
    return f"{raised.type.__name__}: {str(raised.value).partition(': ')[2]}"


@each
@pytest.mark.parametrize("other", [torch.float32, torch.int64], ids=str)
def test_data_in_the_place_of_options(module, other):
    """As in `CrossEntropyLoss(x, y)`: torch raises where it converts a tensor to a bool, or makes a module of it."""
    data = [torch.ones(4, 3), *(torch.ones(4, 3, dtype=other) for _ in module.data_names[1:])]
    fix = f"{module.__name__}()({', '.join(module.data_names)})"
    for given in (data, [x.numpy() for x in data], [x.tolist() for x in data]):
        with pytest.raises((TypeError, ValueError), match=f"^{module.__name__}: .*{re.escape(fix)}$"):
            module(*given)
    with pytest.raises(TypeError, match=re.escape(fix)):
        module(**{name: data[0] for name in module.data_names if name not in module.signature.parameters})


@each
@pytest.mark.filterwarnings("ignore:kl_div")
def test_options_are_checked_when_the_module_is_made(module):
    """By the check of the function: in its words, but for the name."""
    wrong = {name: "wrong" for name, allowed in module.loss.options.items() if allowed.refuse("wrong")}
    wrong |= {"reduction": "average", "impl": "fast"} | {n: 1 for n in module.signature.parameters if n in DEPRECATED}
    assert wrong.keys() >= module.option_names - module.loss.data.keys()
    for name, value in wrong.items():
        of_function = complaint(module.function, *data_of(module), **{name: value})
        assert complaint(module, **{name: value}) == of_function
        assert f"{name} is {value!r}; it must be " in of_function


def test_flags_of_torchs_past_are_true_false_or_none():
    x = torch.ones(3)
    for value in (x, 1, 0, "mean", np.bool_(True)):
        for name in DEPRECATED:
            with pytest.raises(TypeError, match=f"mse_loss: {name} is .*; it must be True, False or None"):
                lossary.mse_loss(x, x, **{name: value})


@pytest.mark.parametrize(("module", "name"), WEIGHTS, ids=named)
def test_weights_have_the_rank_of_weights(module, name):
    broadcasts = module.loss.data[name].broadcasts
    try:
        module(**{name: torch.ones(2, 3)})
    except ValueError as error:
        assert not broadcasts and f"{name} is float32 of shape (2, 3); it must be weights of shape (C)" in str(error)
    else:
        assert broadcasts


@pytest.mark.parametrize(("module", "name"), LEARNABLE, ids=named)
@pytest.mark.filterwarnings("ignore:kl_div")
def test_numbers_of_the_formula_may_be_tensors(module, name):
    """Parameters are parameters, others buffers: moved by `.to()`, held by the state dict, shown, copied, pickled."""
    allowed, pairs = module.loss.options[name], ((0.75, 1.0), (1.25, 1.0), (0.75, 0.5), (0.25, 0.125))
    value, other = next(pair for pair in pairs if all(allowed.refuse(x) is None for x in pair))
    expected = module(**{name: value})(*data_of(module))
    number = torch.tensor(value)
    for given, kept in ((number, "named_buffers"), (torch.nn.Parameter(number), "named_parameters")):
        made = module(**{name: given})
        assert dict(getattr(made, kept)()) == {name: given} and [*made.state_dict()] == [name]
        assert repr(made) == f"{module.__name__}({name}={value})"
        for subject in (made, copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
            torch.testing.assert_close(subject(*data_of(module)), expected)
            assert type(getattr(subject, name)) is type(given)
        loaded = module(**{name: torch.full_like(number, other)})
        loaded.load_state_dict(made.state_dict(), strict=True)
        assert getattr(loaded, name) == value
        assert getattr(made.to(torch.float64), name).dtype == torch.float64
        assert getattr(made.to("meta"), name).is_meta and f"{name}=()" in repr(made)


def test_weights_may_be_parameters():
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    made = nn.CrossEntropyLoss(weight=weight)
    assert [*made.parameters()] == [weight] and [*made.state_dict()] == ["weight"]
    torch.nn.CrossEntropyLoss(weight=torch.ones(3)).load_state_dict(made.state_dict(), strict=True)
    made(torch.eye(3), torch.tensor([0, 1, 1])).backward()
    assert weight.grad.count_nonzero() == 2
