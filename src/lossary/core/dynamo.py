"""What torch.compile knows by heart of torch's losses, and how it forgets it while they run another body.

Dynamo keeps these functions in its graphs as nodes, and the caches on disk know a node by its name: they would answer
for the wrong body. All names here are private to torch; tests/test_patch.py holds them.
"""

from collections.abc import Callable
from types import FunctionType
from typing import Any

SHORTCUT = "_call_cross_entropy_loss"
"""Dynamo's own way to `CrossEntropyLoss(...)` in compiled code, which makes a node without a guard."""


def make_traced(function: FunctionType) -> Callable[[], None]:
    """Make torch.compile trace `function`, a function of torch, and not keep it as a node; the answer undoes it."""
    from torch._dynamo.variables.user_defined import UserDefinedClassVariable as classes

    shortcut = vars(classes).get(SHORTCUT) if function.__name__ == "cross_entropy" else None
    if shortcut is not None:
        setattr(classes, SHORTCUT, _traced_shortcut(function))
    rules = [table.pop(key, None) for table, key in _rules(function)]

    def undo() -> None:
        for (table, key), rule in zip(_rules(function), rules, strict=True):
            if rule is not None:
                table[key] = rule
        if shortcut is not None:
            setattr(classes, SHORTCUT, shortcut)

    return undo


def _rules(function: FunctionType) -> tuple[tuple[dict[Any, Any], Any], ...]:
    """Where it says that a function becomes a node: by its name, and by itself, in a table made of the names."""
    from torch._dynamo import trace_rules

    by_name, name = trace_rules.torch_non_c_binding_in_graph_functions, f"{function.__module__}.{function.__name__}"
    return (by_name, name), (trace_rules.get_torch_obj_rule_map(), function)


def _traced_shortcut(function: FunctionType) -> Callable[..., Any]:
    from torch._dynamo.source import AttrSource
    from torch._dynamo.variables.base import VariableTracker
    from torch._dynamo.variables.misc import LambdaVariable

    def make(variable: Any, tx: Any, args: list[Any], kwargs: dict[str, Any]) -> LambdaVariable:
        source = AttrSource(tx.import_source(function.__module__), function.__name__)
        traced = VariableTracker.build(tx, function, source)
        return LambdaVariable(lambda input, target: traced.call_function(tx, [input, target, *args], kwargs))

    return make
