"""What a name on the command line means: losses by any of their names, functions, identities, codes of rules."""

import inspect
import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer

import lossary
from lossary import information
from lossary.cli.terminal import Refusal, did_you_mean
from lossary.core.record import FAMILIES, OWN, Loss, catalogue
from lossary.identities import IDENTITIES, Identity
from lossary.misuse import RULES, Rule
from lossary.which import TASKS

MEANT = {
    "segmentation": ("lovasz", "hausdorff", "boundary", "overlap", "mask", "iou", "f1", "surface", "miou"),
    "boxes": ("box", "bbox", "alpha_iou", "wiou"),
    "embedding": (
        "contrastive", "arcface", "cosface", "sphereface", "circle", "npair", "ntxent", "simclr", "barlow", "vicreg",
        "byol", "center", "proxy", "metric", "magnet", "face", "clip", "siglip",
    ),
    "ranking": ("rank", "listnet", "listmle", "lambda", "bpr", "pairwise", "ndcg"),
    "preference": ("kto", "orpo", "simpo", "grpo", "ppo", "reward", "rlhf", "cpo"),
    "regression": (
        "rmse", "msle", "mape", "wing", "charbonnier", "tukey", "cauchy", "tweedie", "gamma", "negative_binomial",
        "elbo", "crps", "expectile", "ssim", "psnr", "mdn", "regression", "r2",
    ),
    "sequence": ("transducer", "alignment", "asg", "mmi"),
    "survival": ("survival", "hazard", "deephit", "weibull"),
    "multilabel": ("multilabel", "multi_label", "zlpr"),
    "binary": ("binary", "logistic", "auc"),
    "language-model": ("perplexity", "ppl", "lm_loss", "causal", "token"),
    "classification": (
        "accuracy", "brier", "logit_adjust", "ldam", "gce", "sce", "poly", "symmetric", "bitempered", "entropy",
        "softmax", "classification", "seesaw", "equalized", "corn", "coral", "ordinal", "distill", "kd",
    ),
}  # fmt: skip
"""Parts of names of losses that Lossary has not, by the task that they are for."""


NEARLY = 0.85
"""How alike names are whose difference is a slip: cros_entropy is, wing_loss and hinge_loss are not."""


@dataclass(frozen=True)
class Function:
    """A public function or class of Lossary that is no loss, or a module of such functions."""

    name: str
    object: Any


Named = Loss | Function | Identity | Rule


def find(name: str) -> Loss:
    """The record of the loss of this name."""
    losses = _losses(name) or _of_module(name)
    if not losses:
        raise Refusal(f"no loss is called {name!r}.{_suggestion(name)} `lossary list` shows all")
    return _one(name, losses)


def find_any(name: str) -> Named:
    """What the name means: first a loss, then a function, an identity, a rule of `lossary check`."""
    wanted = plain(name)
    losses = _losses(name) or _of_module(name)
    if losses:
        return _one(name, losses)
    others = [(key, found) for key, found in _others() if wanted and plain(key) == wanted]
    if not others:
        raise Refusal(f"{name!r} is not in Lossary.{_suggestion(name)} `lossary list` shows all losses")
    return dict(others).get(name, others[0][1])


def _of_module(name: str) -> list[Loss]:
    """The loss of the user's own that is called MODULE:NAME or FILE.py:NAME: the module is imported for it."""
    module, colon, attribute = name.rpartition(":")
    if not colon:
        return []
    return [record for record in imported(module) if record.name == attribute]


def imported(module: str) -> list[Loss]:
    """The losses of the user's own that a module defines, named as for `import` from this folder, or by its file."""
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        if module.endswith(".py"):
            runpy.run_path(module)
        else:
            import_module(module)
    except Exception as error:  # whatever the user's own code raises
        raise Refusal(f"{module} cannot be imported: {type(error).__name__}: {error}") from None
    if not OWN:
        raise Refusal(f"{module} makes no loss with @lossary.loss")
    return list(OWN.values())


def plain(name: str) -> str:
    """A name without what people write differently: case, separators, the module before it."""
    return "".join(c for c in name.rpartition(".")[2].casefold() if c.isalnum())


def functions() -> list[Function]:
    """What is public beside losses."""
    losses = {record.name for record in catalogue()}
    found = [Function(name, getattr(lossary, name)) for name in dir(lossary)]
    public = [f for f in found if f.name not in losses and (inspect.isfunction(f.object) or inspect.isclass(f.object))]
    module = [Function("information", information)]
    return [*public, *module, *(Function(name, f) for name, f in members(information) if name not in losses)]


def members(module: Any) -> list[tuple[str, Callable[..., Any]]]:
    """The public functions that a module defines."""
    return [
        (n, f)
        for n, f in inspect.getmembers(module, inspect.isfunction)
        if f.__module__ == module.__name__ and n[0] != "_"
    ]


def complete(incomplete: str) -> list[str]:
    return [record.name for record in catalogue() if record.name.startswith(incomplete)]


def _losses(name: str) -> list[Loss]:
    """Those of this very name; else those that people call so, here or in another library."""
    wanted, known = plain(name), catalogue(own=True)
    of_record = [record for record in known if plain(record.name) == wanted]
    of_alias = [record for record in known if wanted in map(plain, record.aliases)]
    of_library = [
        record for record in known if any(plain(e.name) == wanted for e in record.elsewhere if e.library != "lossary")
    ]
    return (of_record or of_alias or of_library) if wanted else []


def _one(name: str, losses: list[Loss]) -> Loss:
    if len(losses) > 1:
        raise Refusal(f"{name!r} may be {' or '.join(record.name for record in losses)}: name one")
    return losses[0]


def _others() -> Iterator[tuple[str, Named]]:
    for function in functions():
        yield function.name, function
    for identity in IDENTITIES:
        yield identity.name, identity
    for rule in RULES:
        yield rule.code, rule


def _suggestion(name: str) -> str:
    """Names that are spelt alike; else the losses of the task that the name is about."""
    if name in FAMILIES:
        return f" It is a family: lossary list {name}."
    callables = [record.name for record in catalogue()] + [function.name for function in functions()]
    known = [*callables, *(key for key, _ in _others())]
    return did_you_mean(name, callables, NEARLY) or _meant(name) or did_you_mean(name, known)


def _meant(name: str) -> str:
    wanted = plain(name)
    task = next((task for task, parts in MEANT.items() if any(plain(part) in wanted for part in parts)), None)
    if task is None:
        return ""
    losses = dict.fromkeys(rule.loss for rule in TASKS[task].rules)
    return f" For {TASKS[task].says}: {', '.join(losses)}; lossary which --task {task} says which."


LossName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A loss, by any of its names; MODULE:NAME of your own.",
        autocompletion=complete,
    ),
]
