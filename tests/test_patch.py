"""`lossary.patch_torch`: code written for torch runs on Lossary, and nothing of it stays behind."""

import copy
import functools
import inspect
import pickle
import sys
import threading
import types

import pytest
import torch
from torch.nn import CrossEntropyLoss, functional
from torch.nn import functional as F
from torch.nn.functional import cross_entropy

import lossary
from lossary import nn
from lossary.core.record import Loss
from lossary.dispatch import loss as dispatch_loss

SHARED = [loss for loss in lossary.catalogue() if hasattr(F, loss.name)]
OPTIONS = {"LinearCrossEntropyLoss": (2, 3)}

# An ignored row that holds inf: its gradient is 0, where torch's is NaN.
X = torch.tensor([[0.0, 1.0], [torch.inf, 0.0]])
Y = torch.tensor([0, -100])


class Model(torch.nn.Module):
    """A model that was given its loss, as a default or not, before any patch."""

    def __init__(self, loss=F.cross_entropy):
        super().__init__()
        self.loss = loss

    def forward(self, x, y):
        return self.loss(x, y)


needs_guards = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13),
    reason="Dynamo of older torch keeps functions that are defaults or nodes by their names, without a guard",
)
CRITERION = CrossEntropyLoss()
WAYS = {
    "the attribute": lambda x, y: F.cross_entropy(x, y),
    "a name imported before": lambda x, y: cross_entropy(x, y),
    "a function held before": cross_entropy,
    "a module made before": CRITERION,
    "a class imported before": lambda x, y: CrossEntropyLoss()(x, y),
    "a partial": functools.partial(F.cross_entropy, reduction="sum"),
    "a registry": lambda x, y, registry={"ce": F.cross_entropy}: registry["ce"](x, y),
    "a model's default": Model(),
}
GUARDED = [
    pytest.param(call, id=way, marks=needs_guards if way == "a model's default" else ())
    for way, call in WAYS.items()
    if way != "a class imported before"
]


def runs_on(call) -> str:
    x = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(call(x, Y), x)
    return "torch" if gradient[1].isnan().any() else "Lossary"


def state() -> dict[str, object]:
    """All that a patch could leave behind, by identity where that tells more."""
    from torch._dynamo import trace_rules
    from torch._dynamo.variables.user_defined import UserDefinedClassVariable

    modules = (F, torch.nn, torch.nn.modules.loss, sys.modules[__name__])
    # Compiled code adds globals of its own to the modules, which begin with an underscore.
    found = {(m.__name__, k): id(v) for m in modules for k, v in vars(m).items() if not k.startswith("_")}
    for name, value in vars(F).items():
        if isinstance(value, types.FunctionType):
            parts = (value.__code__, value.__defaults__, value.__kwdefaults__, dict(vars(value)), value.__doc__)
            rule = trace_rules.get_torch_obj_rule_map().get(value)
            found |= {name: (*parts, dict(value.__annotations__), inspect.signature(value), rule)}
    rules = dict(trace_rules.torch_non_c_binding_in_graph_functions)
    return found | {"rules": rules, "Dynamo": UserDefinedClassVariable._call_cross_entropy_loss}


@pytest.fixture(autouse=True)
def nothing_stays_behind():
    before = state()
    yield
    after = state()
    assert [key for key in before | after if before.get(key) != after.get(key)] == []


@pytest.fixture
def routed(monkeypatch):
    """The names of the losses that Lossary is asked for, which it answers with."""
    names: list[str] = []
    monkeypatch.setattr(dispatch_loss, "call", lambda record, args, kwargs: names.append(record.name) or record.name)
    return names


@pytest.mark.parametrize("loss", SHARED, ids=lambda loss: loss.name)
def test_every_loss_of_both_is_routed(loss: Loss, routed):
    data = [name for name, p in loss.signature.parameters.items() if p.default is p.empty]
    module = getattr(torch.nn, nn.module_of(loss.public).__name__)
    made_before = module(*OPTIONS.get(module.__name__, ()))
    own = [name for name in data if name != "linear_weight"]
    with lossary.patch_torch():
        assert getattr(F, loss.name)(*data) == loss.name
        assert getattr(F, loss.name)(**{name: name for name in data}) == loss.name
        assert made_before(*own) == loss.name
    assert routed == [loss.name] * 3


@pytest.mark.parametrize("call", WAYS.values(), ids=WAYS)
def test_it_is_reached_in_every_way(call):
    assert runs_on(call) == "torch"
    with lossary.patch_torch():
        assert runs_on(call) == "Lossary"
    assert runs_on(call) == "torch"


@pytest.mark.parametrize("call", GUARDED)
def test_compiled_code_follows(call):
    """Compiled before, it is compiled again; and torch's function, which caches know by name, is not in the graph."""
    graphs: list[torch.fx.GraphModule] = []
    torch.compiler.reset()
    compiled = torch.compile(lambda x, y: call(x, y), fullgraph=True, backend=lambda g, _: graphs.append(g) or g)
    assert runs_on(compiled) == "torch"
    with lossary.patch_torch():
        assert runs_on(compiled) == "Lossary"
    assert runs_on(compiled) == "torch"
    assert [F.cross_entropy in (node.target for node in graph.graph.nodes) for graph in graphs] == [True, False]


def test_a_graph_compiled_inside_is_torchs_again_outside():
    torch.compiler.reset()
    compiled = torch.compile(lambda x, y: F.cross_entropy(x, y), fullgraph=True, backend="aot_eager")
    with lossary.patch_torch():
        assert runs_on(compiled) == "Lossary"
    assert runs_on(compiled) == "torch"


@pytest.mark.parametrize("options", [{}, {"weight": torch.ones(2), "label_smoothing": 0.1}], ids=["plain", "options"])
def test_a_module_made_inside_compiled_code(options):
    """Of which Dynamo makes a node by itself, without a guard."""
    torch.compiler.reset()
    compiled = torch.compile(lambda x, y: CrossEntropyLoss(**options)(x, y), fullgraph=True, backend="aot_eager")
    with lossary.patch_torch():
        assert runs_on(compiled) == "Lossary"
        torch.testing.assert_close(compiled(X, Y), lossary.cross_entropy(X, Y, **options))
    assert runs_on(compiled) == "torch"


@torch.compiler.allow_in_graph
def node(x, y):
    return F.cross_entropy(x, y)


@needs_guards
def test_what_stays_a_node_of_compiled_code_is_torchs_and_says_so():
    """Caches know a node by its name: they must not mix what it stands for."""
    torch.compiler.reset()
    compiled = torch.compile(lambda x, y: node(x, y), fullgraph=True, backend="aot_eager")
    with lossary.patch_torch(), pytest.warns(UserWarning, match="torch's own cross_entropy in a node of its graph"):
        assert runs_on(compiled) == "torch"
    assert runs_on(compiled) == "torch"


def test_dynamos_rules_may_be_made_anew_inside():
    """As torch.distributed.init_process_group asks for."""
    from torch._dynamo import trace_rules

    anew = trace_rules.get_torch_obj_rule_map.__wrapped__
    with lossary.patch_torch():
        assert F.cross_entropy not in anew()
    assert F.cross_entropy in anew()


def test_compiling_skips_no_wrapper():
    with lossary.patch_torch():

        @functools.wraps(F.cross_entropy)
        def twice(*args):
            return 2 * F.cross_entropy(*args)

        torch.compiler.reset()
        compiled = torch.compile(lambda x, y: twice(x, y), fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(X, Y), 2 * lossary.cross_entropy(X, Y))


@pytest.mark.parametrize("strict", [False, True])
def test_exported_programs_hold_lossary(strict):
    with lossary.patch_torch():
        program = torch.export.export(CRITERION, (X, Y), strict=strict).module()
    assert program(X, torch.full_like(Y, -100)) == 0


def test_function_transforms_made_before():
    per_sample = torch.func.vmap(torch.func.grad(F.cross_entropy))
    with lossary.patch_torch():
        assert per_sample(X[None], Y[None])[0, 1].tolist() == [0.0, 0.0]
    assert per_sample(X[None], Y[None])[0, 1].isnan().all()


def test_an_exception_undoes_it():
    with pytest.raises(IndexError, match="target holds 107"), lossary.patch_torch():
        F.cross_entropy(X, Y + 107)
    assert runs_on(F.cross_entropy) == "torch"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_patches_are_undone_in_any_order(order):
    patches = [lossary.patch_torch(), lossary.patch_torch("cross_entropy"), lossary.patch_torch()]
    for index in order:
        assert runs_on(F.cross_entropy) == "Lossary"
        patches[index].undo()
    assert runs_on(F.cross_entropy) == "torch"


def test_undoing_twice_is_undoing_once():
    with lossary.patch_torch():
        inner = lossary.patch_torch()
        inner.undo()
        inner.undo()
        assert runs_on(F.cross_entropy) == "Lossary"
    with pytest.raises(RuntimeError, match="has been undone"), inner:
        pass


def test_it_holds_in_every_thread():
    answers = []
    with lossary.patch_torch():
        thread = threading.Thread(target=lambda: answers.append(runs_on(F.cross_entropy)))
        thread.start()
        thread.join()
    assert answers == ["Lossary"]


def test_losses_may_be_chosen(routed):
    for patch in (lossary.patch_torch("mse_loss", "l1_loss"), lossary.patch_torch(without="cross_entropy")):
        with patch:
            assert F.mse_loss(X, X) == "mse_loss"
            assert isinstance(F.cross_entropy(X, Y), torch.Tensor)
    with lossary.patch_torch(without=["mse_loss", "cross_entropy"]):
        assert F.l1_loss(X, X) == "l1_loss"
        assert isinstance(F.mse_loss(X, X), torch.Tensor)


def test_it_says_what_it_patched():
    with lossary.patch_torch("mse_loss", "l1_loss") as patch:
        assert str(patch) == "torch.nn.functional, on Lossary: mse_loss, l1_loss"
    assert str(patch) == "torch.nn.functional, undone: mse_loss, l1_loss"


@pytest.mark.parametrize("name", ["focal_los", "relu", ["mse_loss"], F.mse_loss])
def test_a_name_that_is_no_loss_of_both(name):
    with pytest.raises(ValueError, match="is not the name of a loss of torch and Lossary; they share cross_entropy"):
        lossary.patch_torch(name)


def test_what_another_library_put_there_is_left(monkeypatch):
    monkeypatch.setattr(F, "mse_loss", lambda *args: 7)
    with pytest.raises(RuntimeError, match=r"mse_loss has been replaced by .*without=\['mse_loss'\]"):
        lossary.patch_torch()
    with lossary.patch_torch(without="mse_loss"):
        assert F.mse_loss(X, Y) == 7


def test_a_profilers_wrapper_stays_in_place(monkeypatch):
    seen = []

    @functools.wraps(cross_entropy)
    def profiled(*args, **kwargs):
        seen.append(args)
        return cross_entropy(*args, **kwargs)

    monkeypatch.setattr(F, "cross_entropy", profiled)
    with lossary.patch_torch(), lossary.patch_torch():
        assert runs_on(CRITERION) == "Lossary"
    assert len(seen) == 1 and F.cross_entropy is profiled


@pytest.mark.parametrize("loss", SHARED, ids=lambda loss: loss.name)
def test_signatures_stay(loss: Loss):
    function = getattr(F, loss.name)
    before = inspect.signature(function)
    with lossary.patch_torch():
        assert inspect.signature(function) == before


def test_pickles_and_copies_are_the_same():
    models = torch.nn.ModuleList([CRITERION, Model(), Model(functools.partial(F.mse_loss, reduction="sum"))])
    before = pickle.dumps(models)
    with lossary.patch_torch():
        assert pickle.dumps(models) == before
        copied = copy.deepcopy(models)
    assert runs_on(copied[1]) == runs_on(pickle.loads(before)[1]) == "torch"


def test_scripts_compile_torchs_own():
    with lossary.patch_torch():
        assert runs_on(torch.jit.script(CrossEntropyLoss())) == "torch"
    assert runs_on(torch.jit.script(CrossEntropyLoss())) == "torch"


def test_tensor_subclasses_keep_their_say():
    class Mine(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return "mine" if func is F.mse_loss else super().__torch_function__(func, types, args, kwargs)

    x = X.as_subclass(Mine)
    with lossary.patch_torch():
        assert F.mse_loss(x, x) == functional.mse_loss(X, target=x) == "mine"
        assert type(F.cross_entropy(x, Y)) is Mine
        traced = torch.fx.symbolic_trace(CRITERION)
    assert F.cross_entropy in [node.target for node in traced.graph.nodes]


class Plain(torch.Tensor):
    pass


def test_subclasses_compile():
    torch.compiler.reset()
    compiled = torch.compile(lambda x, y: F.cross_entropy(x, y), fullgraph=True, backend="eager")
    with lossary.patch_torch():
        answer = compiled(X.as_subclass(Plain), Y)
    assert type(answer) is Plain
    torch.testing.assert_close(answer.as_subclass(torch.Tensor), lossary.cross_entropy(X, Y))


@pytest.mark.parametrize(
    "mode", [torch.device("cpu"), torch.autocast("cpu", torch.bfloat16)], ids=["device", "autocast"]
)
def test_modes_compile(mode):
    torch.compiler.reset()
    compiled = torch.compile(lambda x, y: F.cross_entropy(x, y), fullgraph=True, backend="aot_eager")
    with lossary.patch_torch(), mode:
        assert runs_on(F.cross_entropy) == runs_on(compiled) == "Lossary"


def test_lossarys_own_operators_are_not_sent_back():
    x = X.clamp(max=3.0)
    with lossary.patch_torch():
        assert F.l1_loss(x, x + 2) == lossary.l1_loss(x, x + 2, impl="aten") == lossary.nn.L1Loss()(x, x + 2) == 2
        assert F.mse_loss(target=x, input=x + 2, sample_weight=torch.tensor([1.0, 0.0])) == 4


def test_warnings_name_the_callers_line():
    """And not torch's file, through which the call went."""
    log_probs = X.clamp(max=3.0).log_softmax(1)
    with lossary.patch_torch(), pytest.warns(UserWarning) as caught:
        F.kl_div(log_probs, log_probs.exp())
        torch.nn.KLDivLoss()(log_probs, log_probs.exp())
        with pytest.warns(DeprecationWarning):
            assert F.mse_loss(X[0], X[0] + 1, False) == 2
    assert [warning.filename for warning in caught] == [__file__] * 2


class LanguageModel(torch.nn.Module):
    """As transformers computes its losses: shifted labels, -100 for padding, and the sum over items of the batch."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = torch.nn.Embedding(11, 6), torch.nn.Linear(6, 11)

    def forward(self, ids, labels, num_items=None):
        logits = self.head(self.embedding(ids)).float().view(-1, 11)
        labels = torch.nn.functional.pad(labels, (0, 1), value=-100)[..., 1:].reshape(-1)
        reduction = "sum" if num_items is not None else "mean"
        loss = functional.cross_entropy(logits, labels, ignore_index=-100, reduction=reduction)
        return loss / num_items if num_items is not None else loss


class Classifier(torch.nn.Module):
    """As transformers chooses a loss by the type of the problem, from classes imported by name."""

    def __init__(self, problem, labels):
        super().__init__()
        criteria = {"one": CrossEntropyLoss, "several": torch.nn.BCEWithLogitsLoss, "number": torch.nn.MSELoss}
        self.linear, self.criterion = torch.nn.Linear(5, labels), criteria[problem]()

    def forward(self, x, labels):
        return self.criterion(self.linear(x).squeeze(), labels)


def _models():
    torch.manual_seed(0)
    ids = torch.randint(0, 11, (3, 7))
    labels = torch.where(torch.arange(7) < 5, ids, -100)
    x = torch.randn(4, 5)
    yield LanguageModel(), (ids, labels)
    yield LanguageModel(), (ids, labels, 12)
    yield Classifier("one", 3), (x, torch.tensor([0, 2, 1, -100]))
    yield Classifier("several", 3), (x, (torch.randn(4, 3) > 0).float())
    yield Classifier("number", 1), (x, torch.randn(4))


@pytest.mark.parametrize("index", range(5))
def test_models_answer_as_before(index, monkeypatch):
    """Loss and gradients are torch's where torch is right, eager and compiled, and Lossary gave them."""
    model, inputs = list(_models())[index]
    names: list[str] = []
    original = dispatch_loss.call
    monkeypatch.setattr(
        dispatch_loss, "call", lambda record, args, kwargs: names.append(record.name) or original(record, args, kwargs)
    )

    def step(run=model):
        loss = run(*inputs)
        return loss, torch.autograd.grad(loss, list(model.parameters()))

    expected = step()
    assert names == []
    torch.compiler.reset()
    with lossary.patch_torch():
        torch.testing.assert_close(step(), expected)
        assert len(names) == 1
        torch.testing.assert_close(step(torch.compile(model, fullgraph=True, backend="aot_eager")), expected)


def test_a_batch_of_padding_does_not_destroy_a_model():
    model, (ids, labels) = next(_models())
    assert model(ids, torch.full_like(labels, -100)).isnan()
    with lossary.patch_torch():
        loss = model(ids, torch.full_like(labels, -100))
        assert loss == 0
        assert all((g == 0).all() for g in torch.autograd.grad(loss, list(model.parameters())))
